//! What Kafka has not acknowledged yet: cleared once it has, published again if nobody else did.

mod clearer;
mod survey;
mod sweeper;

pub use clearer::Clearer;
pub use sweeper::Sweeper;
