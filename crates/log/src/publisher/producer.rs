use std::time::{Duration, Instant};

use fluxgate_service::settings::KafkaSettings;
use fluxgate_service::traces::{Span, TRACEPARENT};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::Header;
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};

use super::OutgoingMessage;
use super::ack_dispatcher::AckHandle;
use super::delivery_reports::{DeliveryReports, InFlight};
use crate::{BrokerWatchdog, PublisherMetrics, PublisherSettings, client_config, headers};

/// How long the brokers may take to answer how many partitions there are, and where a log ends.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);
/// Messages, and KiB of them, that the producer queues. Beyond that it refuses messages.
const QUEUE_MAX: (&str, &str) = ("100000", "65536");

/// librdkafka's producer and its thread.
pub struct Producer<T: Send + Sync + 'static> {
    inner: ThreadedProducer<DeliveryReports<T>>,
    watchdog: BrokerWatchdog,
    topic: String,
    metrics: PublisherMetrics,
}

impl<T: Send + Sync + 'static> Producer<T> {
    pub fn new(
        kafka: &KafkaSettings,
        settings: &PublisherSettings,
        client_id: &str,
        reports: DeliveryReports<T>,
        metrics: PublisherMetrics,
    ) -> Result<Self, KafkaError> {
        Ok(Self {
            watchdog: reports.watchdog.clone(),
            inner: options(kafka, settings, client_id).create_with_context(reports)?,
            topic: kafka.kafka_topic.clone(),
            metrics,
        })
    }

    /// Hands a message to librdkafka; false if it refuses. `ack` is used once Kafka has acknowledged the message;
    /// `span` is the span of this publication, if it is traced.
    pub fn send(&self, message: OutgoingMessage<T>, ack: AckHandle, span: Option<&Span>) -> bool {
        self.watchdog.recover(self.inner.client());
        let OutgoingMessage {
            event,
            partition,
            context,
        } = message;
        let value = event.encode();
        let mut headers = headers(&event);
        if let Some(span) = span {
            let traceparent = span.traceparent();
            headers = headers.insert(Header {
                key: TRACEPARENT,
                value: Some(&traceparent),
            });
        }
        let in_flight = Box::new(InFlight {
            context,
            ack,
            partition,
            sent_at: Instant::now(),
        });
        let record = BaseRecord::with_opaque_to(&self.topic, in_flight)
            .partition(partition)
            .key(event.product_id().as_str())
            .payload(&value)
            .headers(headers);
        match self.inner.send(record) {
            Ok(()) => true,
            Err((error, _)) => {
                tracing::debug!(%error, "producer rejected a message");
                let refused = self.metrics.publishes_total.with_label_values(&["refused"]);
                refused.inc();
                false
            }
        }
    }

    /// Whether each partition of the topic has a leader, asked of the brokers; `None` if they do not answer, or there is no
    /// topic. Blocks.
    pub fn leaders(&self) -> Option<Vec<bool>> {
        self.watchdog.recover(self.inner.client());
        let metadata = self
            .inner
            .client()
            .fetch_metadata(Some(&self.topic), METADATA_TIMEOUT)
            .ok()?;
        let topic = metadata.topics().first()?;
        let mut leaders = vec![false; topic.partitions().len()];
        for partition in topic.partitions() {
            let has_leader = partition.error().is_none() && partition.leader() >= 0;
            *leaders.get_mut(usize::try_from(partition.id()).ok()?)? = has_leader;
        }
        (topic.error().is_none() && !leaders.is_empty()).then_some(leaders)
    }

    /// The end of a partition's log: the offset of the next record. Blocks.
    pub fn end(&self, partition: i32) -> Option<i64> {
        self.watchdog.recover(self.inner.client());
        let client = self.inner.client();
        let bounds = client.fetch_watermarks(&self.topic, partition, METADATA_TIMEOUT);
        bounds.ok().map(|(_, end)| end)
    }

    /// True if everything handed over was delivered or given up within `wait`. Blocks.
    pub fn flush(&self, wait: Duration) -> bool {
        self.inner.flush(wait).is_ok()
    }
}

/// Every option whose default would break a guarantee, with the reason.
fn options(kafka: &KafkaSettings, settings: &PublisherSettings, client_id: &str) -> ClientConfig {
    let message_timeout = settings.kafka_message_timeout_ms.to_string();
    let mut config = client_config(kafka, client_id);
    config
        // An acknowledgement means that all in-sync replicas have the message.
        .set("acks", "all")
        // Readers accept every event once, so duplicates are harmless; and only an idempotent producer can fail for
        // good: docs/decisions/0007.
        .set("enable.idempotence", "false")
        // The default of five minutes would hide an outage from the caller.
        .set("message.timeout.ms", &message_timeout)
        .set("request.timeout.ms", &message_timeout)
        .set("socket.timeout.ms", &message_timeout)
        .set("linger.ms", settings.kafka_linger_ms.to_string())
        .set("queue.buffering.max.messages", QUEUE_MAX.0)
        .set("queue.buffering.max.kbytes", QUEUE_MAX.1)
        .set("socket.nagle.disable", "true");
    config
}
