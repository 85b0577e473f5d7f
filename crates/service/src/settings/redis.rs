use super::CaCertificates;
use clap::{Args, ValueEnum};

/// Where the gate is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Redis")]
pub struct RedisSettings {
    /// Redis: redis://, redis-sentinel:// or redis-cluster://, in the forms of the crate fred; with
    /// rediss instead of redis encrypted
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: String,

    /// PEM file of the authorities that vouch for it, with rediss [default: those of the system]
    #[arg(long, env = "REDIS_CA_FILE")]
    pub redis_ca_file: Option<CaCertificates>,

    /// Milliseconds that one command may take
    #[arg(long, env = "REDIS_TIMEOUT_MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    pub redis_timeout_ms: u64,

    /// Connections of each HTTP thread, and as many for all else; commands are pipelined on each
    #[arg(long, env = "REDIS_CONNECTIONS", default_value = "1", value_parser = connections)]
    pub redis_connections: usize,

    /// Replicas that must have an order before it is answered 202; 0: none. Fewer in time: 503
    #[arg(long, env = "REDIS_WAIT_REPLICAS", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=10))]
    pub redis_wait_replicas: u8,

    /// What a sale does whose Redis has lost acknowledged writes: stop until it is rebuilt, or
    /// continue, so that the ledger rejects what is sold beyond the stock
    #[arg(long, env = "ON_REDIS_LOSS", default_value = "stop")]
    pub on_redis_loss: OnRedisLoss,
}

/// What a sale does whose Redis stands below the highest number that it gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnRedisLoss {
    /// It sells nothing until `reconciler rebuild`.
    Stop,
    /// It goes on in a new epoch. The ledger is the wall: orders beyond the stock are rejected.
    Continue,
}

fn connections(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=64) => Ok(n),
        _ => Err("must be a whole number from 1 to 64".into()),
    }
}
