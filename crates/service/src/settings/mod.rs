//! Settings that more than one program reads.
//!
//! Every setting is an environment variable and a flag of the same name. If one is missing or invalid, clap prints its name
//! and the program exits with code 2; `--help` prints them all. Each program flattens the groups it needs into its `Config`.

mod ca_certificates;
mod http;
mod kafka;
mod log;
mod postgres;
mod redis;
mod shutdown;
mod switch;

pub use ca_certificates::CaCertificates;
pub use http::HttpSettings;
pub use kafka::{KafkaSettings, SaslMechanism, SecurityProtocol};
pub use log::{LogFormat, LogSettings};
pub use postgres::PostgresSettings;
pub use redis::{OnRedisLoss, RedisSettings};
pub use shutdown::ShutdownSettings;
pub use switch::Switch;

use clap::error::ErrorKind;

/// Ends the program with exit code 2 because the value of `variable` cannot be used.
///
/// For values that only a driver can check, such as URLs. The value is not printed: it may hold a password.
pub fn refuse(variable: &str, reason: impl std::fmt::Display) -> ! {
    clap::Error::raw(
        ErrorKind::ValueValidation,
        format!("invalid value for {variable}: {reason}\n"),
    )
    .exit()
}
