use std::time::Duration;

use fluxgate_domain::batch::{Batch, Record};
use fluxgate_log::{AppenderSettings, ClientMetrics, LogError, RecordToAppend, TopicAppender};
use fluxgate_service::settings::KafkaSettings;
use futures_util::future::join_all;

use crate::metrics::Metrics;

/// How long copying may delay the batch.
const COPY_TIMEOUT: Duration = Duration::from_secs(2);

/// Copies dead letters to a topic of their own, for tools that read topics.
///
/// A copy is made before the row, at least once. If it cannot be made, the row in `dead_letters` is still written: the
/// table is the source of truth.
#[derive(Clone)]
pub struct DeadLetterTopic {
    appender: TopicAppender,
    topic: String,
    metrics: Metrics,
}

impl DeadLetterTopic {
    /// An appender to `topic`.
    ///
    /// # Errors
    /// When librdkafka refuses a setting.
    pub fn new(
        kafka: &KafkaSettings,
        topic: String,
        metrics: Metrics,
        clients: &ClientMetrics,
    ) -> Result<Self, LogError> {
        let settings = AppenderSettings {
            client_id: "inventory-worker-dead-letters",
            topic: &topic,
            timeout: COPY_TIMEOUT,
            keeps_order: false,
        };
        Ok(Self {
            appender: TopicAppender::new(kafka, settings, clients)?,
            topic,
            metrics,
        })
    }

    /// Copies the dead letters of a batch that was read from the topic `source`. Called for every batch, so that the
    /// client has brokers when the first dead letter comes.
    pub async fn copy(&self, source: &str, batch: &Batch) {
        self.appender.recover();
        let dead = batch.records().filter_map(|(partition, record)| {
            Some((partition, record, record.dead_letter_reason()?))
        });
        let copies = dead
            .map(|(partition, record, reason)| self.copy_record(source, partition, record, reason));
        join_all(copies).await;
    }

    async fn copy_record(&self, source: &str, partition: i32, record: &Record, reason: &str) {
        let (partition, offset) = (partition.to_string(), record.offset.to_string());
        let copy = RecordToAppend {
            key: record.source.key(),
            value: record.source.value(),
            headers: &[
                ("fluxgate_reason", reason),
                ("fluxgate_topic", source),
                ("fluxgate_partition", &partition),
                ("fluxgate_offset", &offset),
            ],
        };
        if let Err(error) = self.appender.append_record(copy).await {
            self.metrics.dead_letter_copy_failures_total.inc();
            tracing::error!(%error, kafka.topic = self.topic, "dead letter not copied to the topic; only the table dead_letters has it");
        }
    }
}
