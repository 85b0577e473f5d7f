use std::sync::Arc;
use std::time::Instant;

use fluxgate_log::BrokerWatchdog;
use prometheus::IntCounter;
use rdkafka::client::ClientContext;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use rdkafka::statistics::Statistics;
use tokio::sync::mpsc;

use super::{AckHandle, Acknowledged, Breaker};
use crate::metrics::Metrics;

/// What travels through librdkafka with a message and comes back with its fate.
pub struct InFlight {
    /// Cleared from the outbox once Kafka has it.
    pub entry: Acknowledged,
    /// Handed in once Kafka has it; dropped when the delivery failed.
    pub receipt: AckHandle,
    /// When the message was handed over.
    pub sent_at: Instant,
}

/// Takes note of every delivery, on librdkafka's own thread.
pub struct DeliveryReports {
    /// The producer's.
    pub watchdog: BrokerWatchdog,
    breaker: Arc<Breaker>,
    acknowledged: mpsc::Sender<Acknowledged>,
    /// Found once: this is called for every message.
    acknowledged_total: IntCounter,
    metrics: Metrics,
}

impl DeliveryReports {
    pub fn new(
        watchdog: BrokerWatchdog,
        breaker: Arc<Breaker>,
        acknowledged: mpsc::Sender<Acknowledged>,
        metrics: Metrics,
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

impl ClientContext for DeliveryReports {
    fn stats(&self, statistics: Statistics) {
        self.watchdog.observe(&statistics);
    }
}

impl ProducerContext for DeliveryReports {
    type DeliveryOpaque = Box<InFlight>;

    fn delivery(&self, result: &DeliveryResult<'_>, in_flight: Box<InFlight>) {
        match result {
            Ok(_) => {
                self.acknowledged_total.inc();
                self.breaker.acknowledged();
                self.metrics
                    .publish_seconds
                    .observe(in_flight.sent_at.elapsed().as_secs_f64());
                // Full: the relay will publish the entry once more and then clear it.
                if self.acknowledged.try_send(in_flight.entry).is_err() {
                    self.metrics.outbox_ack_queue_full_total.inc();
                }
                in_flight.receipt.hand_in();
            }
            Err((error, _)) => {
                self.breaker.timed_out();
                tracing::debug!(%error, "a message was not delivered; the outbox keeps it");
                let failed = self.metrics.publishes_total.with_label_values(&["failed"]);
                failed.inc();
            }
        }
    }
}
