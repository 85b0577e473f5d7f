use std::time::Duration;

use clap::Args;

/// The time to stop.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Shutdown")]
pub struct ShutdownSettings {
    /// Maximum seconds from SIGTERM until the process exits, even if work is left
    #[arg(long, env = "SHUTDOWN_TIMEOUT_SECONDS", default_value_t = 25, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub shutdown_timeout_seconds: u64,
}

impl ShutdownSettings {
    /// The setting as a duration.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout_seconds)
    }
}
