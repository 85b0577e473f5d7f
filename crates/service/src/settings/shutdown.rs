use std::time::Duration;

use clap::Args;

/// How long a service may take to stop.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Shutdown")]
pub struct ShutdownSettings {
    /// Seconds from SIGTERM until the process has ended, whatever is still under way
    #[arg(long, env = "SHUTDOWN_TIMEOUT_SECONDS", default_value_t = 25, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub shutdown_timeout_seconds: u64,
}

impl ShutdownSettings {
    /// The same as a duration.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout_seconds)
    }
}
