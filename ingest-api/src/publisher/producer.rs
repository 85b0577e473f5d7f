use std::time::{Duration, Instant};

use super::delivery_reports::{DeliveryReports, InFlight};
use super::{AckHandle, Acknowledged, Outgoing};
use crate::config::PublisherSettings;
use crate::metrics::Metrics;
use fluxgate_log::{BrokerWatchdog, client_config, headers};
use fluxgate_service::settings::KafkaSettings;
use fluxgate_service::traces::{Span, TRACEPARENT};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::Header;
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};

/// How long the brokers may take to say how many partitions there are.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);
/// Messages, and KiB of them, that may wait inside the producer. Above it they wait in the outbox.
const QUEUE_MAX: (&str, &str) = ("100000", "65536");

/// librdkafka's producer and its thread.
pub struct Producer {
    inner: ThreadedProducer<DeliveryReports>,
    watchdog: BrokerWatchdog,
    topic: String,
    metrics: Metrics,
}

impl Producer {
    pub fn new(
        kafka: &KafkaSettings,
        settings: &PublisherSettings,
        reports: DeliveryReports,
        metrics: Metrics,
    ) -> Result<Self, KafkaError> {
        Ok(Self {
            watchdog: reports.watchdog.clone(),
            inner: options(kafka, settings).create_with_context(reports)?,
            topic: kafka.kafka_topic.clone(),
            metrics,
        })
    }

    /// Hands a message to librdkafka; false when it does not take it. `receipt` is handed in
    /// once Kafka has acknowledged it; `step` is the one of a trace that this is, if it is one.
    pub fn send(&self, outgoing: Outgoing, receipt: AckHandle, span: Option<&Span>) -> bool {
        self.watchdog.recover(self.inner.client());
        let partition = outgoing.sale.facts.partition;
        let key = outgoing.event.product_id().as_str().to_owned();
        let value = outgoing.event.encode();
        let mut headers = headers(&outgoing.event);
        if let Some(span) = span {
            let traceparent = span.traceparent();
            headers = headers.insert(Header {
                key: TRACEPARENT,
                value: Some(&traceparent),
            });
        }
        let in_flight = Box::new(InFlight {
            entry: Acknowledged {
                sale: outgoing.sale,
                entry: outgoing.entry,
                makes_room: outgoing.event.makes_room(),
            },
            receipt,
            sent_at: Instant::now(),
        });
        let record = BaseRecord::with_opaque_to(&self.topic, in_flight)
            .partition(partition)
            .key(&key)
            .payload(&value)
            .headers(headers);
        match self.inner.send(record) {
            Ok(()) => true,
            Err((error, _)) => {
                tracing::debug!(%error, "the producer took no message; the outbox keeps it");
                let refused = self.metrics.publishes_total.with_label_values(&["refused"]);
                refused.inc();
                false
            }
        }
    }

    /// How many partitions the topic has, asked of the brokers. Blocks.
    pub fn partitions(&self) -> Option<i32> {
        self.watchdog.recover(self.inner.client());
        let metadata = self
            .inner
            .client()
            .fetch_metadata(Some(&self.topic), METADATA_TIMEOUT)
            .ok()?;
        let topic = metadata.topics().first()?;
        let partitions = i32::try_from(topic.partitions().len()).ok()?;
        (topic.error().is_none() && partitions > 0).then_some(partitions)
    }

    /// True when everything handed over was delivered or given up within `wait`. Blocks.
    pub fn flush(&self, wait: Duration) -> bool {
        self.inner.flush(wait).is_ok()
    }
}

/// Every option whose default would break a promise is given here, with the reason.
fn options(kafka: &KafkaSettings, settings: &PublisherSettings) -> ClientConfig {
    let message_timeout = settings.kafka_message_timeout_ms.to_string();
    let mut config = client_config(kafka, "ingest-api");
    config
        // A 202 `accepted` means that all in-sync replicas have the order.
        .set("acks", "all")
        // Duplicates are harmless (the order id is the primary key), and only an idempotent producer
        // can fail for good: docs/decisions/0007.
        .set("enable.idempotence", "false")
        // The default of five minutes would hide an outage from the outbox.
        .set("message.timeout.ms", &message_timeout)
        .set("request.timeout.ms", &message_timeout)
        .set("socket.timeout.ms", &message_timeout)
        .set("linger.ms", settings.kafka_linger_ms.to_string())
        .set("queue.buffering.max.messages", QUEUE_MAX.0)
        .set("queue.buffering.max.kbytes", QUEUE_MAX.1)
        .set("socket.nagle.disable", "true");
    config
}
