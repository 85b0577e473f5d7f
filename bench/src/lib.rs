//! Measures Fluxgate against its ceilings, or compares it with another build, on a stack of its own.
//!
//! | module | contents |
//! |---|---|
//! | `arguments`, `run` | the command line; one run from the start of the stack to the result |
//! | `lab` | what runs during a measurement: the stack, the services of one or two builds, the bare handler |
//! | `load` | sending requests over any number of connections, at full speed or at a constant rate |
//! | `scenario` | the scenarios, with one list of all of them |
//! | `measure` | CPU, memory and latency of one measurement; medians and ranges |
//! | `result` | the tables, the JSON, the floors, and the comparison of two builds |

mod arguments;
mod lab;
mod load;
mod measure;
mod result;
mod run;
mod scenario;

pub use arguments::Arguments;
pub use run::main;
