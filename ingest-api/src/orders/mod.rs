//! The use case: one buyer asks for units, once or many times, and gets one honest answer.

mod buyers;
mod desk;
mod doorman;
mod refusal;
mod status;
mod turnstile;

pub use buyers::Buyers;
pub use desk::{Desk, Order, Placed};
pub use doorman::Doorman;
pub use refusal::Refusal;
pub use status::{OrderStatus, OrderView, StatusError, Statuses};
pub use turnstile::Turnstile;
