//! The order's way through this service:
//!
//! ```text
//! consumer/   one thread polls the topic; PostgreSQL says where each partition starts
//! batch/      records are gathered by number or age
//! writer/     a batch is written again until it is: missed positions, refused records, outages
//! store/      one transaction: positions first, then sales, orders, ledger, dead letters
//! ```
//!
//! The next batch is read while one is written. `rdkafka` stays in [`consumer`], [`writer`]'s topic
//! of dead letters and [`topics`]; `tokio_postgres` in [`store`]. Only [`app`] sees the whole config.

pub mod app;
pub mod batch;
pub mod config;
pub mod consumer;
pub mod metrics;
pub mod migrate;
pub mod progress;
pub mod store;
pub mod topics;
pub mod writer;
