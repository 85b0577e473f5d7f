//! Publishes events; each caller decides how long it waits for the acknowledgement.
//!
//! Nothing is ever undone here: an event that Kafka did not acknowledge in time may still be in the log. Its caller keeps
//! it and publishes it again.

mod ack_dispatcher;
mod breaker;
mod delivery_reports;
mod producer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_domain::events::Event;
use fluxgate_service::crash_points::crash_point;
use fluxgate_service::settings::KafkaSettings;
use fluxgate_service::traces::{SpanKind, child_span};
use prometheus::IntCounter;
use tokio::sync::mpsc;

use crate::{BrokerWatchdog, ClientMetrics, LogError, PublisherMetrics, PublisherSettings};
use ack_dispatcher::AckDispatcher;
use breaker::Breaker;
use delivery_reports::DeliveryReports;
use producer::Producer;

/// An event to publish, and what its acknowledgement hands back.
#[derive(Debug)]
pub struct OutgoingMessage<T> {
    /// The event.
    pub event: Event,
    /// The partition of the topic.
    pub partition: i32,
    /// Goes to the [`AckQueue`] once Kafka has acknowledged the event.
    pub context: T,
}

/// Where the contexts of acknowledged messages go.
#[derive(Debug, Clone)]
pub struct AckQueue<T> {
    /// The queue. A context that it has no room for is dropped: its caller publishes the event again.
    pub queue: mpsc::Sender<T>,
    /// Counts the contexts that were dropped.
    pub full_total: IntCounter,
}

/// How far an event got while its caller waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publication {
    /// Kafka has it, on all in-sync replicas.
    Acknowledged,
    /// It is not known to be on Kafka: it was not sent, has failed, or is still on its way.
    Waiting,
}

/// Publishes events to one topic. Clones share one producer and one breaker.
pub struct Publisher<T: Send + Sync + 'static> {
    producer: Arc<Producer<T>>,
    acks: AckDispatcher,
    breaker: Arc<Breaker>,
    metrics: PublisherMetrics,
}

impl<T: Send + Sync + 'static> Publisher<T> {
    /// Creates the producer. The context of every acknowledged message goes to `acknowledged`. `client_id` is the
    /// client's name in the brokers' logs. Must be called on a runtime.
    ///
    /// # Errors
    /// When librdkafka refuses a setting. Unreachable brokers are not an error.
    pub fn new(
        kafka: &KafkaSettings,
        settings: &PublisherSettings,
        client_id: &str,
        acknowledged: AckQueue<T>,
        metrics: PublisherMetrics,
        clients: &ClientMetrics,
    ) -> Result<Self, LogError> {
        let breaker = Arc::new(Breaker::new(metrics.publisher_circuit_open.clone()));
        let watchdog = BrokerWatchdog::new(&kafka.kafka_brokers)
            .counting(&clients.kafka_clients_recovered_total);
        let reports = DeliveryReports::new(
            watchdog,
            Arc::clone(&breaker),
            acknowledged,
            metrics.clone(),
        );
        let producer = Producer::new(kafka, settings, client_id, reports, metrics.clone())?;
        Ok(Self {
            producer: Arc::new(producer),
            acks: AckDispatcher::on_this_thread(),
            breaker,
            metrics,
        })
    }

    /// The same publisher for callers that wait on the calling thread: one wake-up serves many acknowledgements.
    #[must_use]
    pub fn on_this_thread(&self) -> Self {
        Self {
            acks: AckDispatcher::on_this_thread(),
            ..self.clone()
        }
    }

    /// Publishes an event and waits at most `wait` for Kafka's acknowledgement. An acknowledgement
    /// that comes later still hands the context back.
    ///
    /// While the circuit breaker is open, this returns [`Publication::Waiting`] at once.
    pub async fn publish(&self, message: OutgoingMessage<T>, wait: Duration) -> Publication {
        if !self.breaker.admits(Instant::now()) {
            return Publication::Waiting;
        }
        let mut span = child_span("publish", SpanKind::Producer);
        let (ack, acknowledged) = self.acks.handle();
        if !self.producer.send(message, ack, span.as_ref()) {
            return Publication::Waiting;
        }
        crash_point("after_send");
        let publication = match tokio::time::timeout(wait, acknowledged).await {
            Ok(Ok(())) => Publication::Acknowledged,
            // The delivery failed; its report has told the breaker.
            Ok(Err(_)) => Publication::Waiting,
            Err(_) => {
                self.metrics.publish_wait_timeouts_total.inc();
                self.breaker.timed_out();
                Publication::Waiting
            }
        };
        if let (Publication::Waiting, Some(span)) = (publication, &mut span) {
            span.fail("not acknowledged in time");
        }
        publication
    }

    /// How many partitions the topic has; `None` while Kafka gives no answer.
    pub async fn partitions(&self) -> Option<i32> {
        let producer = Arc::clone(&self.producer);
        let asked = tokio::task::spawn_blocking(move || producer.partitions()).await;
        let partitions = asked.ok().flatten();
        if partitions.is_some() {
            self.breaker.brokers_answer(Instant::now());
        }
        partitions
    }

    /// Whether Kafka acknowledges what is sent.
    pub fn is_flowing(&self) -> bool {
        self.breaker.is_closed()
    }

    /// Waits at most `wait` until everything handed over is delivered or given up.
    pub async fn flush(&self, wait: Duration) {
        let producer = Arc::clone(&self.producer);
        let flushed = tokio::task::spawn_blocking(move || producer.flush(wait)).await;
        if !matches!(flushed, Ok(true)) {
            tracing::warn!("shutting down with unacknowledged messages");
        }
    }
}

impl<T: Send + Sync + 'static> Clone for Publisher<T> {
    fn clone(&self) -> Self {
        Self {
            producer: Arc::clone(&self.producer),
            acks: self.acks.clone(),
            breaker: Arc::clone(&self.breaker),
            metrics: self.metrics.clone(),
        }
    }
}

impl<T> AckQueue<T> {
    fn push(&self, context: T) {
        if self.queue.try_send(context).is_err() {
            self.full_total.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_that_the_queue_has_no_place_for_is_dropped_and_counted() {
        let (queue, mut acknowledged) = mpsc::channel(1);
        let full_total = IntCounter::new("full_total", "test").unwrap();
        let acks = AckQueue { queue, full_total };
        acks.push("first");
        acks.push("second");
        assert_eq!(acknowledged.try_recv(), Ok("first"));
        assert!(acknowledged.try_recv().is_err());
        assert_eq!(acks.full_total.get(), 1);
    }
}
