//! What makes the load. All of it goes to 127.0.0.1.

pub mod connection;
pub mod constant;
pub mod crowd;
pub mod mixed;
pub mod request;
mod tool;
pub mod wrk;

pub use tool::run_tool;
