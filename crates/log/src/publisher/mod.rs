//! Publishes events; each caller decides how long it waits for the acknowledgement.
//!
//! Nothing is ever undone here: an event that Kafka did not acknowledge in time may still be in the log. Its caller keeps
//! it and publishes it again.

mod ack_dispatcher;
mod breaker;
mod breakers;
mod delivery_reports;
mod producer;

use std::sync::Arc;
use std::time::Duration;

use fluxgate_domain::events::Event;
use fluxgate_service::crash_points::crash_point;
use fluxgate_service::essential_tasks::EssentialTasks;
use fluxgate_service::settings::KafkaSettings;
use fluxgate_service::traces::{SpanKind, child_span};
use prometheus::IntCounter;
use tokio::sync::mpsc;

use crate::{BrokerWatchdog, ClientMetrics, LogError, PublisherMetrics, PublisherSettings};
use ack_dispatcher::AckDispatcher;
use breaker::{Breaker, millis};
use breakers::Breakers;
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

/// How long the caller of a publication waits for Kafka's acknowledgement. An acknowledgement that comes later still hands
/// the context back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// At most this long.
    AtMost(Duration),
    /// At most this long, and not at all while acknowledgements from the partition take longer: the message is sent, and
    /// the caller need not wait in vain.
    IfPrompt(Duration),
}

/// Publishes events to one topic. Clones share one producer and its circuit breakers, one for each partition.
pub struct Publisher<T: Send + Sync + 'static> {
    producer: Arc<Producer<T>>,
    acks: AckDispatcher,
    breakers: Arc<Breakers>,
    metrics: PublisherMetrics,
    tasks: EssentialTasks,
}

impl<T: Send + Sync + 'static> Publisher<T> {
    /// Creates the producer. The context of every acknowledged message goes to `acknowledged`. `client_id` is the
    /// client's name in the brokers' logs. Must be called on a runtime. The dispatchers of acknowledgements are among
    /// `tasks`.
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
        tasks: &EssentialTasks,
    ) -> Result<Self, LogError> {
        let open = metrics.publisher_circuit_open.clone();
        let breakers = Arc::new(Breakers::new(settings, open));
        let watchdog = BrokerWatchdog::new(&kafka.kafka_brokers)
            .counting(&clients.kafka_clients_recovered_total);
        let reports = DeliveryReports::new(
            watchdog,
            Arc::clone(&breakers),
            acknowledged,
            metrics.clone(),
        );
        let producer = Producer::new(kafka, settings, client_id, reports, metrics.clone())?;
        Ok(Self {
            producer: Arc::new(producer),
            acks: AckDispatcher::on_this_thread(tasks),
            breakers,
            metrics,
            tasks: tasks.clone(),
        })
    }

    /// The same publisher for callers that wait on the calling thread: one wake-up serves many acknowledgements.
    #[must_use]
    pub fn on_this_thread(&self) -> Self {
        Self {
            acks: AckDispatcher::on_this_thread(&self.tasks),
            ..self.clone()
        }
    }

    /// Publishes an event, and waits for Kafka's acknowledgement as long as `wait` says.
    ///
    /// While the circuit breaker of the partition is open, this returns [`Publication::Waiting`] at once.
    pub async fn publish(&self, message: OutgoingMessage<T>, wait: Wait) -> Publication {
        let now_ms = self.breakers.now_ms();
        let Some(breaker) = self.breakers.admit(message.partition, now_ms) else {
            return Publication::Waiting;
        };
        let wait = wait.in_state_of(breaker, now_ms);
        let mut span = child_span("publish", SpanKind::Producer);
        let (ack, acknowledged) = self.acks.handle();
        breaker.sent(now_ms);
        if !self.producer.send(message, ack, span.as_ref()) {
            breaker.refused();
            return Publication::Waiting;
        }
        crash_point("after_send");
        let Some(wait) = wait else {
            self.metrics.publishes_not_awaited_total.inc();
            return Publication::Waiting;
        };
        let publication = match tokio::time::timeout(wait, acknowledged).await {
            Ok(Ok(())) => Publication::Acknowledged,
            // The delivery failed.
            Ok(Err(_)) => Publication::Waiting,
            Err(_) => {
                self.metrics.publish_wait_timeouts_total.inc();
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
        let asked = tokio::task::spawn_blocking(move || producer.leaders()).await;
        let leaders = asked.ok().flatten()?;
        let count = i32::try_from(leaders.len()).ok()?;
        let led = (0..count)
            .zip(leaders)
            .filter(|(_, has_leader)| *has_leader);
        self.breakers
            .have_leaders(led.map(|(partition, _)| partition));
        Some(count)
    }

    /// The end of a partition's log: the offset of the next record; `None` while Kafka gives no answer.
    pub async fn end(&self, partition: i32) -> Option<i64> {
        let producer = Arc::clone(&self.producer);
        let asked = tokio::task::spawn_blocking(move || producer.end(partition)).await;
        asked.ok().flatten()
    }

    /// The partitions on which Kafka does not acknowledge messages.
    pub fn open_partitions(&self) -> Vec<i32> {
        self.breakers.open_partitions()
    }

    /// Whether Kafka acknowledges messages of a partition, as far as is known.
    pub fn is_open(&self, partition: i32) -> bool {
        self.breakers.is_open(partition)
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
            breakers: Arc::clone(&self.breakers),
            metrics: self.metrics.clone(),
            tasks: self.tasks.clone(),
        }
    }
}

impl Wait {
    /// How long a caller waits for a message that is about to be sent; `None`: not at all.
    fn in_state_of(self, breaker: &Breaker, now_ms: u64) -> Option<Duration> {
        match self {
            Self::AtMost(wait) => Some(wait),
            Self::IfPrompt(wait) => {
                let wait_ms = millis(wait);
                (wait_ms > 0 && breaker.is_prompt(now_ms, wait_ms)).then_some(wait)
            }
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
