use std::time::Duration;

use clap::{Args, ValueEnum};

/// Publishing to Kafka.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Publishing")]
pub struct PublisherSettings {
    /// Milliseconds that an order waits for Kafka before it is answered `reserved`
    #[arg(long, env = "PUBLISH_WAIT_MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pub publish_wait_ms: u64,

    /// Milliseconds after which an unacknowledged message fails; its outbox entry stays and is published
    /// again
    #[arg(long, env = "KAFKA_MESSAGE_TIMEOUT_MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1_000..=300_000))]
    pub kafka_message_timeout_ms: u64,

    /// Milliseconds that a message waits for others to share its request with
    #[arg(long, env = "KAFKA_LINGER_MS", default_value_t = 0.3, value_parser = linger)]
    pub kafka_linger_ms: f64,
}

fn linger(text: &str) -> Result<f64, String> {
    let ms = text.parse().ok();
    let ms = ms.filter(|ms| (0.0..=1_000.0).contains(ms));
    ms.ok_or_else(|| "must be a number from 0 to 1000".into())
}

impl PublisherSettings {
    /// How long an order waits for Kafka's acknowledgement.
    pub fn wait(&self) -> Duration {
        Duration::from_millis(self.publish_wait_ms)
    }
}

/// How a process takes part in its consumer group.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Consumer group")]
pub struct GroupSettings {
    /// Who assigns the partitions: one of the members (classic, cooperative-sticky), or the brokers
    /// (consumer, KIP-848; Kafka 4.0 or newer)
    #[arg(long, env = "KAFKA_GROUP_PROTOCOL", default_value = "classic")]
    pub kafka_group_protocol: GroupProtocol,

    /// Milliseconds without a heartbeat after which the group assigns a member's partitions to others. With
    /// the consumer protocol the brokers decide (group.consumer.session.timeout.ms): set the same value here
    #[arg(long, env = "KAFKA_SESSION_TIMEOUT_MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1_000..=300_000))]
    pub kafka_session_timeout_ms: u64,

    /// Milliseconds that a member may be busy between two polls; at least the session timeout
    #[arg(long, env = "KAFKA_MAX_POLL_INTERVAL_MS", default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1_000..=3_600_000))]
    pub kafka_max_poll_interval_ms: u64,
}

/// Who assigns the partitions of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GroupProtocol {
    /// One member, once all have joined: cooperative-sticky.
    Classic,
    /// The brokers, one partition at a time: KIP-848.
    Consumer,
}

impl GroupSettings {
    /// How long the group keeps a member that sends no heartbeat.
    pub fn session(&self) -> Duration {
        Duration::from_millis(self.kafka_session_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::linger;

    #[test]
    fn a_linger_may_be_shorter_than_a_millisecond() {
        assert_eq!(linger("0.3"), Ok(0.3));
        assert_eq!(linger("1000"), Ok(1_000.0));
        for wrong in ["-0.1", "1000.1", "NaN", "inf", "1ms", ""] {
            assert!(linger(wrong).is_err(), "{wrong:?}");
        }
    }
}
