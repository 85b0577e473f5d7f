use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fluxgate_service::settings::KafkaSettings;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::group::reader_client_config;
use crate::topic_reader::ReceivedRecord;
use crate::{FoundAtMark, LogBounds, LogError};

/// How long the brokers may take for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// The longest that one poll waits.
const POLL: Duration = Duration::from_millis(100);

/// Looks at single records of a topic, and at the topic itself, while a [`crate::TopicReader`] reads it.
///
/// librdkafka ignores what brokers say about a topic that was made anew if the number of its leader's epoch is lower
/// than before ([4898](https://github.com/confluentinc/librdkafka/issues/4898)): such a client may get no answer for
/// ever. So a client that gave none is replaced.
pub struct RecordReader {
    config: ClientConfig,
    topic: String,
    client: Mutex<Option<BaseConsumer>>,
}

impl RecordReader {
    /// The client connects when it is first needed. `client_id` is its name in the brokers' logs; `group` is only named
    /// to them.
    pub fn new(kafka: &KafkaSettings, client_id: &str, group: &str) -> Self {
        let mut config = reader_client_config(kafka, client_id, group);
        config
            // One record is wanted, and nothing behind it.
            .set("queued.min.messages", "1")
            .set("max.partition.fetch.bytes", "65536")
            .set("fetch.wait.max.ms", "10");
        Self {
            config,
            topic: kafka.kafka_topic.clone(),
            client: Mutex::default(),
        }
    }

    /// The broker that leads each partition of the topic, negative where there is none; `None` if the topic does not
    /// exist. Blocks.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub fn leaders(&self) -> Result<Option<BTreeMap<i32, i32>>, LogError> {
        self.with_client(|client| {
            let metadata = client.fetch_metadata(Some(&self.topic), ANSWER_LIMIT)?;
            let Some(topic) = metadata.topics().first() else {
                return Ok(None);
            };
            match topic.error().map(RDKafkaErrorCode::from) {
                None => {
                    let partitions = topic.partitions().iter();
                    Ok(Some(partitions.map(|it| (it.id(), it.leader())).collect()))
                }
                Some(RDKafkaErrorCode::UnknownTopicOrPartition) => Ok(None),
                Some(code) => Err(KafkaError::MetadataFetch(code).into()),
            }
        })
    }

    /// Where the log of a partition begins and ends. Blocks.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub fn bounds(&self, partition: i32) -> Result<LogBounds, LogError> {
        self.with_client(|client| {
            let bounds = client.fetch_watermarks(&self.topic, partition, ANSWER_LIMIT);
            Ok(bounds?.into())
        })
    }

    /// The record at an offset. Blocks.
    ///
    /// # Errors
    /// When no broker answers in time, or the log no longer has the offset.
    pub fn record_at(&self, partition: i32, offset: i64) -> Result<FoundAtMark, LogError> {
        self.with_client(|client| {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
            client.assign(&list)?;
            let found = self.find(client, offset);
            client.unassign()?;
            found
        })
    }

    fn find(&self, client: &BaseConsumer, offset: i64) -> Result<FoundAtMark, LogError> {
        let deadline = Instant::now() + ANSWER_LIMIT;
        while Instant::now() < deadline {
            match client.poll(POLL) {
                Some(Ok(record)) => {
                    let record = ReceivedRecord(record);
                    if record.offset() == offset {
                        return Ok(FoundAtMark::Record(record.mark()));
                    }
                    if record.offset() > offset {
                        return Ok(FoundAtMark::Nothing);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(FoundAtMark::Nothing),
                Some(Err(error)) => return Err(error.into()),
                None => {}
            }
        }
        Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut).into())
    }

    fn with_client<T>(
        &self,
        call: impl FnOnce(&BaseConsumer) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let mut held = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match held.take() {
            Some(client) => client,
            None => self.config.create()?,
        };
        let answer = call(&client)?;
        *held = Some(client);
        Ok(answer)
    }
}
