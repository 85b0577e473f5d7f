//! Settings that more than one service reads.
//!
//! Every setting is an environment variable (and, through clap, a flag of the same name): clap
//! names the variable when it is bad or missing and exits with code 2, and prints the table of all
//! of them for `--help`. Each service flattens the groups it needs into its own `Config`.

mod ca_certificates;
mod http;
mod kafka;
mod log;
mod redis;
mod shutdown;
mod switch;

pub use ca_certificates::CaCertificates;
pub use http::HttpSettings;
pub use kafka::{KafkaSettings, SaslMechanism, SecurityProtocol};
pub use log::{LogFormat, LogSettings};
pub use redis::{OnRedisLoss, RedisSettings};
pub use shutdown::ShutdownSettings;
pub use switch::Switch;

use clap::error::ErrorKind;

/// Ends the program with exit code 2 because `variable` holds something it cannot work with.
///
/// For values that only their user can check (URLs that a driver parses). The value itself is not
/// printed: it may hold a password.
pub fn refuse(variable: &str, reason: impl std::fmt::Display) -> ! {
    clap::Error::raw(
        ErrorKind::ValueValidation,
        format!("invalid value for {variable}: {reason}\n"),
    )
    .exit()
}
