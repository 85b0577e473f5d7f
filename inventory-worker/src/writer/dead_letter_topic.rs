use std::time::Duration;

use fluxgate_log::{BrokerWatchdog, client_config};
use fluxgate_service::settings::KafkaSettings;
use futures_util::future::join_all;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};

use crate::batch::{Batch, Record};
use crate::metrics::Metrics;

/// How long copying may hold up the batch.
const COPY_TIMEOUT: Duration = Duration::from_secs(2);

/// Copies dead letters to a topic of their own, for tools that read topics.
///
/// A copy is made before the row, at least once; where it cannot be made the row in
/// `dead_letters` is still written: the table is the truth.
#[derive(Clone)]
pub struct DeadLetterTopic {
    producer: FutureProducer<BrokerWatchdog>,
    watchdog: BrokerWatchdog,
    topic: String,
    metrics: Metrics,
}

impl DeadLetterTopic {
    /// A producer to `topic`.
    ///
    /// # Errors
    /// When librdkafka refuses a setting.
    pub fn new(kafka: &KafkaSettings, topic: String, metrics: Metrics) -> Result<Self, KafkaError> {
        let watchdog = BrokerWatchdog::new(&kafka.kafka_brokers);
        let watchdog = watchdog.counting(&metrics.kafka_clients_recovered_total);
        let producer = client_config(kafka, "inventory-worker-dead-letters")
            .set("acks", "all")
            .set("message.timeout.ms", COPY_TIMEOUT.as_millis().to_string())
            .set("queue.buffering.max.kbytes", "65536")
            .create_with_context(watchdog.clone())?;
        Ok(Self {
            producer,
            watchdog,
            topic,
            metrics,
        })
    }

    /// Copies the dead letters of a batch that was read from `source`.
    pub async fn copy(&self, source: &str, batch: &Batch) {
        self.watchdog.recover(self.producer.client());
        let dead = batch
            .records()
            .filter_map(|(partition, record)| Some((partition, record, record.reason()?)));
        let copies = dead.map(|(partition, record, reason)| async move {
            let headers = headers(source, partition, record, reason);
            let mut copy = FutureRecord::to(&self.topic).headers(headers);
            copy.key = record.key.as_deref();
            copy.payload = record.value.as_deref();
            if let Err((error, _)) = self
                .producer
                .send::<[u8], [u8], _>(copy, COPY_TIMEOUT)
                .await
            {
                self.metrics.dead_letter_copy_failures_total.inc();
                tracing::error!(%error, kafka.topic = self.topic, "a dead letter was not copied");
            }
        });
        join_all(copies).await;
    }
}

fn headers(source: &str, partition: i32, record: &Record, reason: &str) -> OwnedHeaders {
    let (partition, offset) = (partition.to_string(), record.offset.to_string());
    [
        ("fluxgate_reason", reason),
        ("fluxgate_topic", source),
        ("fluxgate_partition", &partition),
        ("fluxgate_offset", &offset),
    ]
    .into_iter()
    .fold(OwnedHeaders::new(), |headers, (key, value)| {
        let value = Some(value);
        headers.insert(Header { key, value })
    })
}
