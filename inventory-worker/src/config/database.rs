use std::time::Duration;

use clap::Args;
use fluxgate_service::settings::CaCertificates;

/// Where the truth is written.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "PostgreSQL")]
pub struct DatabaseSettings {
    /// PostgreSQL, such as postgres://user:password@host:5432/name
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,

    /// PEM file of the authorities that vouch for it [default: those of the system]
    #[arg(long, env = "DATABASE_CA_FILE")]
    pub database_ca_file: Option<CaCertificates>,

    /// Milliseconds that writing one batch may take before it is given up and tried again
    #[arg(long, env = "FLUSH_TIMEOUT_MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
    pub flush_timeout_ms: u64,
}

impl DatabaseSettings {
    /// The longest that one call of PostgreSQL may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.flush_timeout_ms)
    }
}
