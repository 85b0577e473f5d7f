//! What every Fluxgate service must agree on.
//!
//! | module | holds |
//! |---|---|
//! | [`ids`] | product, user, key, quantity, order id and tag: parsed once, valid ever after |
//! | [`partition`] | which Kafka partition a product lives on |
//! | [`events`] | what travels on the topic |
//! | [`settings`] | settings that more than one service reads |
//! | [`metrics`] | how a service declares its metrics |
//! | [`crash_points`] | places where a fault run lets a service die; empty in every other build |
//! | [`telemetry`], [`shutdown`], [`ops`] | logs, SIGTERM, health and metrics over HTTP |
//!
//! `ids`, `partition` and `events` are pure: no I/O, no runtime, no store client.

pub mod crash_points;
pub mod events;
pub mod ids;
pub mod metrics;
pub mod ops;
pub mod partition;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
