use std::time::Duration;

use clap::{Args, ValueEnum};

/// How the worker takes part in its consumer group.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Consumer group")]
pub struct ConsumerSettings {
    /// Topic that gets a copy of every dead letter
    #[arg(long, env = "KAFKA_DLQ_TOPIC", default_value = "orders.dlq")]
    pub kafka_dlq_topic: String,

    /// Consumer group
    #[arg(long, env = "KAFKA_GROUP", default_value = "inventory-group")]
    pub kafka_group: String,

    /// How partitions are shared out: by the workers themselves (classic, cooperative-sticky), or by the
    /// brokers (consumer, KIP-848; Kafka 4.0 or newer)
    #[arg(long, env = "KAFKA_GROUP_PROTOCOL", default_value = "classic")]
    pub kafka_group_protocol: GroupProtocol,

    /// Milliseconds without a heartbeat after which the group gives a worker's partitions away; with
    /// the consumer protocol the brokers decide (group.consumer.session.timeout.ms): give the same here
    #[arg(long, env = "KAFKA_SESSION_TIMEOUT_MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1_000..=300_000))]
    pub kafka_session_timeout_ms: u64,

    /// Milliseconds a worker may be busy between two polls; at least the session timeout
    #[arg(long, env = "KAFKA_MAX_POLL_INTERVAL_MS", default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1_000..=3_600_000))]
    pub kafka_max_poll_interval_ms: u64,
}

/// Who shares out the partitions of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GroupProtocol {
    /// One of the workers, when all have joined: cooperative-sticky.
    Classic,
    /// The brokers, one partition at a time: KIP-848.
    Consumer,
}

impl ConsumerSettings {
    /// How long the group remembers a worker that it does not hear.
    pub fn session(&self) -> Duration {
        Duration::from_millis(self.kafka_session_timeout_ms)
    }
}
