//! Getting events to Kafka. All of the API's `rdkafka` stays in this folder.
//!
//! Nothing is ever undone here: an event that Kafka did not acknowledge in time may be in the log
//! all the same. Its outbox entry stays, and it is published again.

mod ack_dispatcher;
mod breaker;
mod delivery_reports;
mod producer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_domain::events::Event;
use fluxgate_log::BrokerWatchdog;
use fluxgate_service::crash_points::crash_point;
use fluxgate_service::traces::{SpanKind, child_span};
use rdkafka::error::KafkaError;
use tokio::sync::mpsc;

pub use breaker::Breaker;

use crate::config::PublisherSettings;
use crate::metrics::Metrics;
use crate::sales::Sale;
use ack_dispatcher::{AckDispatcher, AckHandle};
use fluxgate_domain::SequenceNumber;
use fluxgate_service::settings::KafkaSettings;
use producer::Producer;

/// An event on its way, with the outbox entry that its acknowledgement clears.
#[derive(Debug)]
pub struct Outgoing {
    /// What is said.
    pub event: Event,
    /// The outbox entry it stands for.
    pub entry: SequenceNumber,
    /// The sale it belongs to.
    pub sale: Arc<Sale>,
}

/// What clears one outbox entry: its event is on Kafka.
#[derive(Debug)]
pub struct Acknowledged {
    /// The sale whose outbox holds the entry.
    pub sale: Arc<Sale>,
    /// The entry.
    pub entry: SequenceNumber,
    /// Whether clearing it makes room in the sale.
    pub makes_room: bool,
}

/// How far an event got while its publisher waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publication {
    /// Kafka has it, on all in-sync replicas.
    Acknowledged,
    /// It is not known to be on Kafka; it waits in the outbox.
    Waiting,
}

/// Publishes events. Cheap to clone; all clones share one producer and one breaker.
#[derive(Clone)]
pub struct Publisher {
    producer: Arc<Producer>,
    receipts: AckDispatcher,
    breaker: Arc<Breaker>,
    metrics: Metrics,
}

impl Publisher {
    /// Sets up the producer, and hands every acknowledged entry to `acknowledged`.
    ///
    /// # Errors
    /// When librdkafka refuses a setting. Brokers that are away are no error.
    pub fn new(
        kafka: &KafkaSettings,
        settings: &PublisherSettings,
        metrics: Metrics,
        acknowledged: mpsc::Sender<Acknowledged>,
    ) -> Result<Self, KafkaError> {
        let breaker = Arc::new(Breaker::new(metrics.publisher_circuit_open.clone()));
        let watchdog = BrokerWatchdog::new(&kafka.kafka_brokers);
        let watchdog = watchdog.counting(&metrics.kafka_clients_recovered_total);
        let (told, counted) = (Arc::clone(&breaker), metrics.clone());
        let reports = delivery_reports::DeliveryReports::new(watchdog, told, acknowledged, counted);
        Ok(Self {
            producer: Arc::new(Producer::new(kafka, settings, reports, metrics.clone())?),
            receipts: AckDispatcher::here(),
            breaker,
            metrics,
        })
    }

    /// The same publisher, for those who wait on the calling thread.
    pub fn on_this_thread(&self) -> Self {
        Self {
            receipts: AckDispatcher::here(),
            ..self.clone()
        }
    }

    /// Publishes an event and waits at most `wait` for Kafka's acknowledgement. An acknowledgement
    /// that comes later still clears the entry.
    ///
    /// While Kafka does not acknowledge, this answers [`Publication::Waiting`] at once.
    pub async fn publish(&self, outgoing: Outgoing, wait: Duration) -> Publication {
        if !self.breaker.admits(Instant::now()) {
            return Publication::Waiting;
        }
        let mut span = child_span("publish", SpanKind::Producer);
        let (receipt, acknowledged) = self.receipts.issue();
        if !self.producer.send(outgoing, receipt, span.as_ref()) {
            return Publication::Waiting;
        }
        crash_point("after_send");
        let publication = match tokio::time::timeout(wait, acknowledged).await {
            Ok(Ok(())) => Publication::Acknowledged,
            // The delivery failed; whoever saw it fail has told the breaker.
            Ok(Err(_)) => Publication::Waiting,
            Err(_) => {
                self.metrics.publish_wait_timeouts_total.inc();
                self.breaker.timed_out();
                Publication::Waiting
            }
        };
        if let (Publication::Waiting, Some(span)) = (publication, &mut span) {
            span.fail("not acknowledged in time; it waits in the outbox");
        }
        publication
    }

    /// How many partitions the topic has; `None` while Kafka does not tell.
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

    /// Waits until everything handed over is delivered or given up, at most `wait`.
    pub async fn flush(&self, wait: Duration) {
        let producer = Arc::clone(&self.producer);
        let flushed = tokio::task::spawn_blocking(move || producer.flush(wait)).await;
        if !matches!(flushed, Ok(true)) {
            tracing::warn!("not all messages were acknowledged; the outbox keeps them");
        }
    }
}
