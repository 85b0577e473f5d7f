use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use fluxgate_domain::events::Event;
use fluxgate_service::settings::KafkaSettings;
use futures_util::future::try_join_all;
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};

use crate::headers::owned;
use crate::{BrokerWatchdog, ClientMetrics, LogBounds, LogError, client_config, headers};

/// Events that [`TopicAppender::append_all`] has in flight at once.
const PAGE: usize = 500;
/// KiB of records that the producer queues.
const QUEUE_MAX_KIB: &str = "65536";

/// How records are appended.
#[derive(Debug, Clone, Copy)]
pub struct AppenderSettings<'a> {
    /// The client's name in the brokers' logs.
    pub client_id: &'a str,
    /// The topic that is appended to.
    pub topic: &'a str,
    /// How long the brokers may take for one answer.
    pub timeout: Duration,
    /// Whether records of one partition that are in flight together keep their order, whatever is sent twice on the
    /// way. An appender like this can fail for good (docs/decisions/0007): for programs that end by themselves.
    pub keeps_order: bool,
}

/// A record that is no event of ours.
#[derive(Debug, Clone, Copy)]
pub struct RecordToAppend<'a> {
    /// Its key; without one any partition may take it.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a [(&'static str, &'a str)],
}

/// Appends records to one topic and waits until all in-sync replicas have each. Clones share one producer.
#[derive(Clone)]
pub struct TopicAppender {
    producer: FutureProducer<BrokerWatchdog>,
    watchdog: BrokerWatchdog,
    topic: Arc<str>,
    timeout: Duration,
}

impl TopicAppender {
    /// Creates the producer; it connects in the background.
    ///
    /// # Errors
    /// When librdkafka refuses a setting.
    pub fn new(
        kafka: &KafkaSettings,
        settings: AppenderSettings<'_>,
        metrics: &ClientMetrics,
    ) -> Result<Self, LogError> {
        let watchdog = BrokerWatchdog::new(&kafka.kafka_brokers)
            .counting(&metrics.kafka_clients_recovered_total);
        let mut config = client_config(kafka, settings.client_id);
        config
            .set("acks", "all")
            .set(
                "message.timeout.ms",
                settings.timeout.as_millis().to_string(),
            )
            .set("queue.buffering.max.kbytes", QUEUE_MAX_KIB);
        if settings.keeps_order {
            config
                .set("enable.idempotence", "true")
                .set("linger.ms", "0");
        } else {
            // Kafka refuses a batch as a whole: a record that is too large would take its neighbours with it.
            config.set("batch.num.messages", "1");
        }
        Ok(Self {
            producer: config.create_with_context(watchdog.clone())?,
            watchdog,
            topic: settings.topic.into(),
            timeout: settings.timeout,
        })
    }

    /// The offset after the last record of a partition. Retries for some seconds while the partition has no leader.
    ///
    /// # Errors
    /// When Kafka gives no answer.
    pub async fn end(&self, partition: i32) -> Result<i64, LogError> {
        Ok(self.bounds(partition).await?.end)
    }

    /// The first offset of a partition. Retries like [`Self::end`].
    ///
    /// # Errors
    /// When Kafka gives no answer.
    pub async fn begin(&self, partition: i32) -> Result<i64, LogError> {
        Ok(self.bounds(partition).await?.begin)
    }

    async fn bounds(&self, partition: i32) -> Result<LogBounds, LogError> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(1))
            .with_max_times(10);
        let ask = async || self.ask_for_bounds(partition).await;
        ask.retry(pauses).when(LogError::has_no_leader).await
    }

    async fn ask_for_bounds(&self, partition: i32) -> Result<LogBounds, LogError> {
        self.recover();
        let this = self.clone();
        let watermarks = tokio::task::spawn_blocking(move || {
            let client = this.producer.client();
            client.fetch_watermarks(&this.topic, partition, this.timeout)
        });
        Ok(watermarks.await??.into())
    }

    /// Appends events to a partition, in this order, a page of them at a time.
    ///
    /// # Errors
    /// When Kafka has not acknowledged all of them. Some may still be on the log.
    pub async fn append_all(&self, partition: i32, events: &[Event]) -> Result<(), LogError> {
        for page in events.chunks(PAGE) {
            let sent = page.iter().map(|event| self.append(partition, event));
            try_join_all(sent).await?;
        }
        Ok(())
    }

    /// Appends an event to a partition; returns its offset.
    ///
    /// # Errors
    /// When Kafka has not acknowledged it. It may still be on the log.
    pub async fn append(&self, partition: i32, event: &Event) -> Result<i64, LogError> {
        let (key, value) = (event.product_id().as_str(), event.encode());
        let record = FutureRecord::to(&self.topic)
            .partition(partition)
            .key(key.as_bytes())
            .payload(value.as_slice());
        self.send(record, headers(event)).await
    }

    /// Appends a record to the partition of its key; returns its offset.
    ///
    /// # Errors
    /// When Kafka has not acknowledged it. It may still be on the log.
    pub async fn append_record(&self, record: RecordToAppend<'_>) -> Result<i64, LogError> {
        let mut appended = FutureRecord::to(&self.topic);
        appended.key = record.key;
        appended.payload = record.value;
        self.send(appended, owned(record.headers)).await
    }

    /// Recovers the client if it has lost all its brokers. Called regularly, it keeps a client that seldom appends
    /// ready to do so.
    pub fn recover(&self) {
        self.watchdog.recover(self.producer.client());
    }

    async fn send(
        &self,
        record: FutureRecord<'_, [u8], [u8]>,
        headers: OwnedHeaders,
    ) -> Result<i64, LogError> {
        self.recover();
        let record = record.headers(headers);
        match self.producer.send(record, self.timeout).await {
            Ok(delivery) => Ok(delivery.offset),
            Err((error, _)) => Err(error.into()),
        }
    }
}
