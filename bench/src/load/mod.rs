//! The load generator. It sends only to this machine.

pub mod connection;
pub mod crowd;
mod requests;
mod send;
pub mod streams;

pub use requests::{Requests, SOLD_OUT, Want, order_id};
use send::{Pace, send};
pub use send::{Schedule, Tally, closed, connect, constant, constant_over, soon};
