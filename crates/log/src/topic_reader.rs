use std::time::Duration;

use fluxgate_domain::batch::RecordMark;
use fluxgate_domain::events::CE_ID;
use fluxgate_service::settings::KafkaSettings;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::statistics::{Partition, Statistics};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::group::reader_client_config;
use crate::{BrokerWatchdog, ClientMetrics, LogBounds, LogError};

/// Reads the partitions it is given, from the offsets it is given. It is in no group: what a group assigns is the
/// business of a [`crate::GroupMembership`].
pub struct TopicReader {
    client: BaseConsumer<Context>,
    watchdog: BrokerWatchdog,
    topic: String,
}

/// Is called about once per second with the partitions that are read and the bounds of each, which are negative while no
/// broker has told them.
pub type OnBounds = Box<dyn Fn(&mut dyn Iterator<Item = (i32, LogBounds)>) + Send + Sync>;

/// What went wrong while reading.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not a fault: a partition has nothing more to read yet. Comes behind its records, and again whenever reading
    /// reaches an end that has moved.
    #[error("no more records in partition {0} yet")]
    EndOfLog(i32),
    /// An offset that should be read is not in the log. Kafka does not say of which partition.
    #[error("an offset is outside of its log: {0}")]
    OffsetOutOfRange(KafkaError),
    /// Anything else; librdkafka tries again.
    #[error(transparent)]
    Kafka(KafkaError),
}

/// One record, as librdkafka holds it.
pub struct ReceivedRecord<'a>(pub(crate) BorrowedMessage<'a>);

impl TopicReader {
    /// Creates the client; it reads nothing yet. `client_id` is its name in the brokers' logs. `group` is only named to
    /// them: librdkafka's consumer needs one.
    ///
    /// # Errors
    /// When librdkafka refuses a setting.
    pub fn new(
        kafka: &KafkaSettings,
        client_id: &str,
        group: &str,
        on_bounds: OnBounds,
        metrics: &ClientMetrics,
    ) -> Result<Self, LogError> {
        let topic = kafka.kafka_topic.clone();
        let watchdog = BrokerWatchdog::new(&kafka.kafka_brokers)
            .counting(&metrics.kafka_clients_recovered_total);
        let context = Context {
            watchdog: watchdog.clone(),
            topic: topic.clone(),
            on_bounds,
        };
        let client = options(kafka, client_id, group).create_with_context(context)?;
        Ok(Self {
            client,
            watchdog,
            topic,
        })
    }

    /// The next record of any partition that is read, or what went wrong; `None` after `wait`.
    pub fn poll(&self, wait: Duration) -> Option<Result<ReceivedRecord<'_>, ReadError>> {
        self.watchdog.recover(self.client.client());
        let polled = self.client.poll(wait)?;
        Some(polled.map(ReceivedRecord).map_err(ReadError::from))
    }

    /// Starts reading a partition at an offset.
    ///
    /// # Errors
    /// When it is already being read.
    pub fn start(&self, partition: i32, offset: i64) -> Result<(), LogError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        self.client.incremental_assign(&list)?;
        // librdkafka keeps a pause even through unassign and assign.
        self.client.resume(&list)?;
        Ok(())
    }

    /// Stops reading a partition; nothing already fetched from it arrives afterwards.
    pub fn stop(&self, partition: i32) {
        self.change(
            "stop",
            |list| self.client.incremental_unassign(list),
            &[partition],
        );
    }

    /// Pauses partitions until they are started again. What was fetched from them is discarded.
    pub fn pause(&self, partitions: &[i32]) {
        self.change("pause", |list| self.client.pause(list), partitions);
    }

    /// Each partition with the offset after everything that was read of it, markers of transactions included. Means
    /// something only for a partition of which a record or [`ReadError::EndOfLog`] has come since it was started.
    pub fn positions(&self) -> Vec<(i32, i64)> {
        let Ok(positions) = self.client.position() else {
            return Vec::new();
        };
        let known = positions.elements().into_iter().filter_map(|it| {
            let offset = it.offset().to_raw().filter(|offset| *offset >= 0)?;
            Some((it.partition(), offset))
        });
        known.collect()
    }

    fn change(
        &self,
        action: &'static str,
        change: impl Fn(&TopicPartitionList) -> KafkaResult<()>,
        partitions: &[i32],
    ) {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.topic, *partition);
        }
        if let Err(error) = change(&list) {
            tracing::warn!(%error, action, kafka.partitions = ?partitions, "partition change failed");
        }
    }
}

impl ReceivedRecord<'_> {
    /// Its partition.
    pub fn partition(&self) -> i32 {
        self.0.partition()
    }

    /// Its offset in the partition.
    pub fn offset(&self) -> i64 {
        self.0.offset()
    }

    /// When its producer created it, in Unix ms; 0 if it does not say.
    pub fn timestamp_ms(&self) -> i64 {
        self.0.timestamp().to_millis().unwrap_or_default()
    }

    /// Its key.
    pub fn key(&self) -> Option<&[u8]> {
        self.0.key()
    }

    /// Its value.
    pub fn payload(&self) -> Option<&[u8]> {
        self.0.payload()
    }

    /// What is remembered of it.
    pub fn mark(&self) -> RecordMark {
        let [ce_id] = self.headers([CE_ID]);
        let (key, value) = (self.key(), self.payload());
        RecordMark::of(self.offset(), self.timestamp_ms(), key, ce_id, value)
    }

    /// The first value of each of these headers, found in one pass.
    pub fn headers<const N: usize>(&self, names: [&str; N]) -> [Option<&[u8]>; N] {
        let mut values = [None; N];
        for header in self.0.headers().into_iter().flat_map(|it| it.iter()) {
            let place = names.iter().position(|name| *name == header.key);
            if let Some(value) = place.map(|place| &mut values[place]) {
                *value = value.or(header.value);
            }
        }
        values
    }
}

impl From<KafkaError> for ReadError {
    fn from(error: KafkaError) -> Self {
        if let KafkaError::PartitionEOF(partition) = error {
            return Self::EndOfLog(partition);
        }
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                Self::OffsetOutOfRange(error)
            }
            _ => Self::Kafka(error),
        }
    }
}

/// The options of a client that reads much, with the reasons.
fn options(kafka: &KafkaSettings, client_id: &str, group: &str) -> ClientConfig {
    let mut config = reader_client_config(kafka, client_id, group);
    config
        // Bounds what librdkafka reads ahead, and so the process's memory.
        .set("queued.min.messages", "20000")
        .set("queued.max.messages.kbytes", "16384")
        // Fetch again soon after a full queue has emptied; with the default of a second the process idles.
        .set("fetch.queue.backoff.ms", "10")
        // The broker answers as soon as there is a record: while it is asked and answers, more come. Otherwise after this
        // wait, for which a partition that is started meanwhile waits too.
        .set("fetch.min.bytes", "1")
        .set("fetch.wait.max.ms", "50")
        .set("fetch.error.backoff.ms", "100");
    config
}

/// What librdkafka calls back, from within `poll`.
struct Context {
    watchdog: BrokerWatchdog,
    topic: String,
    on_bounds: OnBounds,
}

impl ConsumerContext for Context {}

impl ClientContext for Context {
    /// `poll` returns errors as well.
    fn error(&self, _: KafkaError, _: &str) {}

    fn stats(&self, statistics: Statistics) {
        self.watchdog.observe(&statistics);
        if let Some(topic) = statistics.topics.get(&self.topic) {
            let partitions = topic.partitions.values();
            let bounds = |it: &Partition| LogBounds::from((it.lo_offset, it.hi_offset));
            (self.on_bounds)(&mut partitions.map(|it| (it.partition, bounds(it))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_outside_the_log_is_told_from_other_errors() {
        let error = |code| ReadError::from(KafkaError::MessageConsumption(code));
        for code in [
            RDKafkaErrorCode::AutoOffsetReset,
            RDKafkaErrorCode::OffsetOutOfRange,
        ] {
            assert!(matches!(error(code), ReadError::OffsetOutOfRange(_)));
        }
        let unreachable = error(RDKafkaErrorCode::AllBrokersDown);
        assert!(matches!(unreachable, ReadError::Kafka(_)));
    }
}
