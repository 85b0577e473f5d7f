use std::time::Duration;

use clap::Args;

/// How much may wait for Kafka, and how long records are kept.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Outbox")]
pub struct OutboxSettings {
    /// Orders of one product that may wait for Kafka; above it new ones are answered 503
    #[arg(long, env = "OUTBOX_MAX", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub outbox_max: u32,

    /// Milliseconds between two sweeps; an entry that two of them saw is published again
    #[arg(long, env = "OUTBOX_RELAY_INTERVAL_MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    pub outbox_relay_interval_ms: u64,

    /// Seconds that a sale's records are kept in Redis after it has closed
    #[arg(long, env = "ORDER_RECORD_TTL_SECONDS", default_value_t = 604_800, value_parser = clap::value_parser!(u64).range(1..=315_360_000))]
    pub order_record_ttl_seconds: u64,
}

impl OutboxSettings {
    /// The pause between two sweeps.
    pub fn outbox_relay_interval(&self) -> Duration {
        Duration::from_millis(self.outbox_relay_interval_ms)
    }

    /// How long a closed sale's keys live on.
    pub fn record_ttl(&self) -> Duration {
        Duration::from_secs(self.order_record_ttl_seconds)
    }
}
