//! What all Kafka clients of Fluxgate have in common: how they connect, how they get back to
//! brokers they have lost, and how an event's headers are written.

mod broker_watchdog;
mod client_config;
mod has_no_leader;
mod headers;

pub use broker_watchdog::BrokerWatchdog;
pub use client_config::client_config;
pub use has_no_leader::has_no_leader;
pub use headers::headers;
