use std::time::Duration;

use clap::Args;

/// How many clients may be connected, and for how long without a request.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connections")]
pub struct ConnectionSettings {
    /// Connections of clients to this copy, each an open file; at the limit new ones wait in the
    /// backlog [default: 25000, or what the limit of open files leaves]
    #[arg(long, env = "CONNECTIONS_MAX", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub connections_max: Option<u32>,

    /// Connections that may wait to be accepted; the kernel allows at most net.core.somaxconn
    #[arg(long, env = "CONNECTIONS_BACKLOG", default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub connections_backlog: u32,

    /// Seconds after which a connection without a request is closed; longer than the idle timeout of
    /// the load balancer before it, so that it is never this side that closes first
    #[arg(long, env = "KEEP_ALIVE_SECONDS", default_value_t = 75, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub keep_alive_seconds: u64,
}

impl ConnectionSettings {
    /// How long a connection may be idle.
    pub fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.keep_alive_seconds)
    }
}
