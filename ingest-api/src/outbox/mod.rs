//! What Kafka has not acknowledged yet: cleared once it has, published again if nobody else did.

mod clearer;
mod sweeper;

pub use clearer::Clearer;
pub use sweeper::Sweeper;
