//! Kafka. All of `rdkafka` stays in this file.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use fluxgate_domain::events::Event;
use fluxgate_log::{BrokerWatchdog, client_config, has_no_leader, headers};
use fluxgate_service::settings::KafkaSettings;
use futures_util::future::try_join_all;
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};

/// How long the brokers may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Events that are under way at once.
const PAGE: usize = 500;

/// Why Kafka gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// No answer, or a refusal.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The call was abandoned.
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

/// The topic that carries the sales.
pub struct Log {
    producer: Arc<FutureProducer<BrokerWatchdog>>,
    watchdog: BrokerWatchdog,
    topic: String,
}

impl Log {
    /// Sets up the connection; it is made when first needed.
    ///
    /// # Errors
    /// When librdkafka refuses a setting.
    pub fn new(settings: &KafkaSettings) -> Result<Self, LogError> {
        let watchdog = BrokerWatchdog::new(&settings.kafka_brokers);
        let producer = client_config(settings, "reconciler")
            .set("acks", "all")
            // What is sent together stays in its order, whatever is sent twice on the way.
            .set("enable.idempotence", "true")
            .set("linger.ms", "0")
            .set("message.timeout.ms", TIMEOUT.as_millis().to_string())
            .create_with_context(watchdog.clone())?;
        Ok(Self {
            producer: Arc::new(producer),
            watchdog,
            topic: settings.kafka_topic.clone(),
        })
    }

    /// The offset after the last record of a partition. Asked for again for some seconds while no broker leads it:
    /// one that has just started needs a moment.
    ///
    /// # Errors
    /// When Kafka does not tell.
    pub async fn end(&self, partition: i32) -> Result<i64, LogError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(1))
            .with_max_times(10);
        let ask = async || self.ask_for_end(partition).await;
        let passes = |error: &_| matches!(error, LogError::Kafka(error) if has_no_leader(error));
        ask.retry(pauses).when(passes).await
    }

    async fn ask_for_end(&self, partition: i32) -> Result<i64, LogError> {
        self.watchdog.recover(self.producer.client());
        let (producer, topic) = (Arc::clone(&self.producer), self.topic.clone());
        let watermarks = tokio::task::spawn_blocking(move || {
            producer
                .client()
                .fetch_watermarks(&topic, partition, TIMEOUT)
        });
        let (_, end) = watermarks.await??;
        Ok(end)
    }

    /// Puts events on a partition, in this order, a page of them at a time.
    ///
    /// # Errors
    /// When Kafka has not acknowledged all of them. Some may be on the log all the same.
    pub async fn append_all(&self, partition: i32, events: &[Event]) -> Result<(), LogError> {
        for page in events.chunks(PAGE) {
            let sent = page.iter().map(|event| self.append(partition, event));
            try_join_all(sent).await?;
        }
        Ok(())
    }

    /// Puts an event on a partition, on all in-sync replicas; returns its offset.
    ///
    /// # Errors
    /// When Kafka has not acknowledged it. It may be on the log all the same.
    pub async fn append(&self, partition: i32, event: &Event) -> Result<i64, LogError> {
        let (key, value) = (event.product_id().as_str(), event.encode());
        let record = FutureRecord::to(&self.topic)
            .partition(partition)
            .key(key)
            .payload(&value)
            .headers(headers(event));
        self.watchdog.recover(self.producer.client());
        match self.producer.send(record, TIMEOUT).await {
            Ok(delivery) => Ok(delivery.offset),
            Err((error, _)) => Err(error.into()),
        }
    }
}
