//! The load generator. It sends only to this machine.

mod connection;
pub mod crowd;
mod requests;
mod send;
mod tool;

pub use requests::{Requests, order_id};
use send::{Pace, send};
pub use send::{Schedule, Tally, closed, constant, soon};
pub use tool::run_tool;
