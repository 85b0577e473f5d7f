//! The use case: one buyer asks for units, once or many times, and gets one honest answer.

mod desk;
mod refusal;
mod status;

pub use desk::{Desk, DeskLimits, Order, Placed};
pub use refusal::Refusal;
pub use status::{OrderStatus, OrderView, StatusError, Statuses};
