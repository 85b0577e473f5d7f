use super::CaCertificates;
use clap::{Args, ValueEnum};

/// The connection to Redis.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Redis")]
pub struct RedisSettings {
    /// Redis URL: redis://, redis-sentinel:// or redis-cluster://, in the syntax of the fred crate; rediss
    /// instead of redis for TLS
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: String,

    /// PEM file with the certificate authorities for Redis, for rediss [default: the system's]
    #[arg(long, env = "REDIS_CA_FILE")]
    pub redis_ca_file: Option<CaCertificates>,

    /// Timeout of a command in milliseconds
    #[arg(long, env = "REDIS_TIMEOUT_MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    pub redis_timeout_ms: u64,

    /// Connections per HTTP thread, plus as many for background tasks; commands are pipelined on each
    #[arg(long, env = "REDIS_CONNECTIONS", default_value = "1", value_parser = connections)]
    pub redis_connections: usize,

    /// Replicas that must acknowledge an order before it is answered 202; if fewer do in time, the answer is 503
    #[arg(long, env = "REDIS_WAIT_REPLICAS", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=10))]
    pub redis_wait_replicas: u8,

    /// What happens to a sale whose Redis has lost acknowledged writes: stop until it is rebuilt, or
    /// continue, and let the ledger reject orders beyond the stock
    #[arg(long, env = "ON_REDIS_LOSS", default_value = "stop")]
    pub on_redis_loss: OnRedisLoss,
}

/// What happens to a sale whose Redis is behind the high-water mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnRedisLoss {
    /// The sale takes no orders until `reconciler rebuild`.
    Stop,
    /// The sale continues in a new epoch. The ledger is the backstop: it rejects orders beyond the stock.
    Continue,
}

fn connections(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=64) => Ok(n),
        _ => Err("must be a whole number from 1 to 64".into()),
    }
}
