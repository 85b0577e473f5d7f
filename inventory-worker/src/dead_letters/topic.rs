use std::time::Duration;

use fluxgate_ledger::LeasedDeadLetter;
use fluxgate_log::{AppenderSettings, ClientMetrics, LogError, RecordToAppend, TopicAppender};
use fluxgate_service::settings::KafkaSettings;

/// How long Kafka may take for a copy.
pub const COPY_TIMEOUT: Duration = Duration::from_secs(2);

/// The topic that has copies of dead letters, for tools that read topics.
#[derive(Clone)]
pub struct DeadLetterTopic(TopicAppender);

impl DeadLetterTopic {
    /// An appender to `topic`.
    ///
    /// # Errors
    /// When librdkafka refuses a setting.
    pub fn new(
        kafka: &KafkaSettings,
        topic: &str,
        clients: &ClientMetrics,
    ) -> Result<Self, LogError> {
        let settings = AppenderSettings {
            client_id: "inventory-worker-dead-letters",
            topic,
            timeout: COPY_TIMEOUT,
            keeps_order: false,
        };
        Ok(Self(TopicAppender::new(kafka, settings, clients)?))
    }

    /// Keeps the client ready: called regularly, so that it has brokers when the first dead letter comes.
    pub fn keep_ready(&self) {
        self.0.recover();
    }

    /// Appends a copy of a dead letter that was read from the topic `source`.
    ///
    /// # Errors
    /// When Kafka has not acknowledged it. It may still be on the topic.
    pub async fn append(&self, source: &str, letter: &LeasedDeadLetter) -> Result<(), LogError> {
        let partition = letter.partition.to_string();
        let log_number = letter.log_number.to_string();
        let offset = letter.offset.to_string();
        let copy = RecordToAppend {
            key: letter.key.as_deref(),
            value: letter.value.as_deref(),
            headers: &[
                ("fluxgate_reason", &letter.reason),
                ("fluxgate_topic", source),
                ("fluxgate_partition", &partition),
                ("fluxgate_log_number", &log_number),
                ("fluxgate_offset", &offset),
            ],
        };
        self.0.append_record(copy).await.map(drop)
    }
}
