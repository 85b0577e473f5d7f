//! Settings that more than one program reads.
//!
//! Every setting is an environment variable and a flag of the same name. If one is missing or invalid, [`parse`] prints its
//! variable and the program exits with code 2; `--help` prints them all. Each program flattens the groups it needs into its
//! `Config`.

mod ca_certificates;
mod effective;
mod kafka;
mod log;
mod parse;
mod postgres;
mod redis;
mod shutdown;
mod switch;

pub use ca_certificates::CaCertificates;
pub use effective::EffectiveSettings;
pub use kafka::{KafkaSettings, SaslMechanism, SecurityProtocol};
pub use log::{LogFormat, LogSettings};
pub use parse::{parse, refuse};
pub use postgres::PostgresSettings;
pub use redis::{OnRedisLoss, RedisSettings};
pub use shutdown::ShutdownSettings;
pub use switch::Switch;
