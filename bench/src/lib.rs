//! Measures the pipeline against its ceilings, on a stack of its own.
//!
//! | module | holds |
//! |---|---|
//! | [`arguments`](Arguments), [`run`] | what is asked, and one run from the stack's start to the result |
//! | `lab` | everything that runs: the stack, the services, the bare handler, and sales with known orders |
//! | `cpu`, `memory` | what each process has used so far |
//! | `load` | wrk, and a generator of requests at a constant rate |
//! | `scenario` | what is measured, one file each |
//! | [`connections`], [`soak`], [`growth`] | longer runs: many connections, memory over time, cost by size |
//! | [`drain`] | one worker, from a full topic to committed rows |
//! | `measurement`, `statistics` | one figure with all that belongs to it, and medians |
//! | `result` | the JSON, the tables and the page |

mod arguments;
mod beside;
pub mod connections;
mod cpu;
pub mod drain;
pub mod growth;
mod lab;
mod load;
mod machine;
mod measurement;
mod memory;
mod orders;
mod program;
mod redis;
mod result;
mod run;
mod scenario;
mod schema;
mod signals;
pub mod soak;
mod stack;
mod statistics;
mod topic;
mod warm_up;

pub use arguments::Arguments;
/// One client process of a crowd.
pub mod crowd {
    pub use crate::load::crowd::{Arguments, run};
}
pub use run::run;
