//! The outbox: entries are removed once Kafka has acknowledged them, and republished if their instance did not publish them.

mod acker;
mod index_repair;
mod relay;
mod rotation;
mod summary;

pub use acker::OutboxAcker;
pub use index_repair::IndexRepair;
pub use relay::OutboxRelay;
