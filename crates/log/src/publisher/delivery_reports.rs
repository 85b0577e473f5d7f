use std::sync::Arc;
use std::time::Instant;

use prometheus::IntCounter;
use rdkafka::client::ClientContext;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use rdkafka::statistics::Statistics;

use super::ack_dispatcher::AckHandle;
use super::{AckQueue, Breaker};
use crate::{BrokerWatchdog, PublisherMetrics};

/// What travels through librdkafka with a message and comes back with its delivery report.
pub struct InFlight<T> {
    /// Goes to the [`AckQueue`] once Kafka has the message.
    pub context: T,
    /// Used once Kafka has the message; dropped when the delivery failed.
    pub ack: AckHandle,
    /// When the message was handed over.
    pub sent_at: Instant,
}

/// Handles every delivery report, on librdkafka's own thread.
pub struct DeliveryReports<T> {
    /// The producer's watchdog.
    pub watchdog: BrokerWatchdog,
    breaker: Arc<Breaker>,
    acknowledged: AckQueue<T>,
    /// Looked up once: this is called for every message.
    acknowledged_total: IntCounter,
    metrics: PublisherMetrics,
}

impl<T> DeliveryReports<T> {
    pub fn new(
        watchdog: BrokerWatchdog,
        breaker: Arc<Breaker>,
        acknowledged: AckQueue<T>,
        metrics: PublisherMetrics,
    ) -> Self {
        Self {
            watchdog,
            breaker,
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
                self.acknowledged_total.inc();
                self.breaker.acknowledged();
                self.metrics
                    .publish_seconds
                    .observe(in_flight.sent_at.elapsed().as_secs_f64());
                self.acknowledged.push(in_flight.context);
                in_flight.ack.acknowledge();
            }
            Err((error, _)) => {
                self.breaker.timed_out();
                tracing::debug!(%error, "message not delivered");
                let failed = self.metrics.publishes_total.with_label_values(&["failed"]);
                failed.inc();
            }
        }
    }
}
