use std::time::Duration;

use fluxgate_core::settings::KafkaSettings;
use rdkafka::ClientConfig;

/// How often a client tells of itself. A [`crate::Lifeline`] lives on it, and the worker's lag and
/// its readiness.
const STATISTICS_INTERVAL: Duration = Duration::from_secs(1);

/// The settings of a client that runs as long as its program. `client_id` is its name in the
/// brokers' logs.
#[must_use]
pub fn client_config(settings: &KafkaSettings, client_id: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.kafka_brokers)
        .set("client.id", client_id)
        .set("allow.auto.create.topics", "false")
        // A topic or a leader that is new should be seen in seconds.
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set(
            "statistics.interval.ms",
            STATISTICS_INTERVAL.as_millis().to_string(),
        );
    config
}
