//! Fault runs: a sale with everything that buyers and admins do, and one fault in the middle of it. Afterwards the
//! [checker](crate::checker) compares every answer with the stores.
//!
//! | module | holds |
//! |---|---|
//! | [`matrix`], [`results`] | every row with every seed; finished runs, and their table |
//! | `scenario` | one run from its start to its verdict |
//! | [`rows`] | the table of faults, and how each is injected |
//! | `setup`, `environment`, `network`, `proxy` | services and stores of a run, with TCP proxies between them |
//! | `clients` | what buyers and admins ask; the [load player](crate::load) sends it and records the answers |
//! | `held_sale` | a sale whose orders have to be paid, for the rows about holds |
//! | `crafted` | user ids that would inflate a count |
//! | `queued_crowd`, `queued_order`, `queue_watch` | a sale with a queue and its crowd, for the rows about queues; what the instances show of the queue |
//! | `recovery` | whether the service is normal again; deciding what was left open |

mod clients;
mod crafted;
mod environment;
mod held_sale;
pub mod matrix;
mod network;
pub mod proxy;
mod queue_watch;
mod queued_crowd;
mod queued_order;
mod recovery;
pub mod results;
pub mod rows;
mod scenario;
mod setup;
