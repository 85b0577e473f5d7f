use std::sync::Arc;
use std::time::Instant;

use prometheus::IntCounter;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use rdkafka::statistics::Statistics;

use super::ack_dispatcher::AckHandle;
use super::{AckQueue, Breakers};
use crate::{BrokerWatchdog, PublisherMetrics};

/// What travels through librdkafka with a message and comes back with its delivery report.
pub struct InFlight<T> {
    /// Goes to the [`AckQueue`] once Kafka has the message.
    pub context: T,
    /// Used once Kafka has the message; dropped when the delivery failed.
    pub ack: AckHandle,
    pub partition: i32,
    /// When the message was handed over.
    pub sent_at: Instant,
}

/// Handles every delivery report, on librdkafka's own thread.
pub struct DeliveryReports<T> {
    /// The producer's watchdog.
    pub watchdog: BrokerWatchdog,
    breakers: Arc<Breakers>,
    acknowledged: AckQueue<T>,
    /// Looked up once: this is called for every message.
    acknowledged_total: IntCounter,
    metrics: PublisherMetrics,
}

impl<T> DeliveryReports<T> {
    pub fn new(
        watchdog: BrokerWatchdog,
        breakers: Arc<Breakers>,
        acknowledged: AckQueue<T>,
        metrics: PublisherMetrics,
    ) -> Self {
        Self {
            watchdog,
            breakers,
            acknowledged,
            acknowledged_total: metrics.publishes_total.with_label_values(&["acknowledged"]),
            metrics,
        }
    }
}

impl<T: Send + Sync> ClientContext for DeliveryReports<T> {
    fn stats(&self, statistics: Statistics) {
        self.watchdog.observe(&statistics);
    }
}

impl<T: Send + Sync> ProducerContext for DeliveryReports<T> {
    type DeliveryOpaque = Box<InFlight<T>>;

    fn delivery(&self, result: &DeliveryResult<'_>, in_flight: Box<InFlight<T>>) {
        match result {
            Ok(_) => {
                let (sent_at, now) = (in_flight.sent_at, Instant::now());
                self.breakers
                    .acknowledged(in_flight.partition, sent_at, now);
                self.acknowledged_total.inc();
                self.metrics
                    .publish_seconds
                    .observe((now - sent_at).as_secs_f64());
                self.acknowledged.push(in_flight.context);
                in_flight.ack.acknowledge();
            }
            Err((error, _)) => {
                self.breakers
                    .failed(in_flight.partition, !is_about_the_message(error));
                tracing::debug!(%error, "message not delivered");
                let failed = self.metrics.publishes_total.with_label_values(&["failed"]);
                failed.inc();
            }
        }
    }
}

/// Whether Kafka refuses just this message, as it would at any time.
fn is_about_the_message(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::InvalidMessage
                | RDKafkaErrorCode::InvalidRecord
        )
    )
}
