use clap::Args;

/// How orders get to Kafka.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Publishing")]
pub struct PublisherSettings {
    /// Milliseconds that an order's answer waits for Kafka before it says `reserved`
    #[arg(long, env = "PUBLISH_WAIT_MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pub publish_wait_ms: u64,

    /// Milliseconds after which a message that Kafka has not acknowledged is given up (its outbox
    /// entry stays, and is published again)
    #[arg(long, env = "KAFKA_MESSAGE_TIMEOUT_MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1_000..=300_000))]
    pub kafka_message_timeout_ms: u64,

    /// Milliseconds that a message may wait for others to share its request
    #[arg(long, env = "KAFKA_LINGER_MS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=1_000))]
    pub kafka_linger_ms: u64,
}
