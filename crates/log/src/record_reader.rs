use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
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
/// ever. So a client that gave none is replaced, also if only the partition has no leader: the two look the same.
///
/// Calls do not wait for each other: one about a partition without a leader takes five seconds. Only records are looked
/// at one after the other.
pub struct RecordReader {
    config: ClientConfig,
    topic: String,
    client: Mutex<Option<Arc<BaseConsumer>>>,
    /// Held while the client is assigned a partition.
    assigned: Mutex<()>,
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
            assigned: Mutex::default(),
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
        let _assigned = self.assigned.lock().unwrap_or_else(PoisonError::into_inner);
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
        let client = self.client()?;
        let answer = call(&client);
        if answer.is_err() {
            self.replace(&client);
        }
        answer
    }

    fn client(&self) -> Result<Arc<BaseConsumer>, LogError> {
        let mut held = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*held {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(self.config.create()?);
        *held = Some(Arc::clone(&client));
        Ok(client)
    }

    /// Has the next call make a new client, unless another one has replaced this one.
    fn replace(&self, client: &Arc<BaseConsumer>) {
        let mut held = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        held.take_if(|held| Arc::ptr_eq(held, client));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{TryRecvError, channel};
    use std::thread;

    use clap::Parser;
    use rdkafka::mocking::MockCluster;

    use super::*;

    #[derive(Parser)]
    struct Settings {
        #[command(flatten)]
        kafka: KafkaSettings,
    }

    /// As a partition without a leader does not answer.
    #[test]
    fn a_partition_that_does_not_answer_does_not_delay_the_others() {
        let cluster = MockCluster::new(2).unwrap();
        cluster.create_topic("orders", 2, 1).unwrap();
        for (partition, broker) in [(0, 1), (1, 2)] {
            let led = cluster.partition_leader("orders", partition, Some(broker));
            led.unwrap();
        }
        let brokers = cluster.bootstrap_servers();
        let settings = Settings::parse_from(["test", "--kafka-brokers", &brokers]);
        let reader = Arc::new(RecordReader::new(&settings.kafka, "test", "test"));
        for partition in [0, 1] {
            reader.bounds(partition).unwrap();
        }
        cluster
            .broker_round_trip_time(1, 10 * ANSWER_LIMIT)
            .unwrap();

        let ((answers, answer), waiting) = (channel(), Arc::clone(&reader));
        thread::spawn(move || answers.send(waiting.bounds(0)));
        // Long enough for the other thread to begin its call.
        let enough = Instant::now() + ANSWER_LIMIT / 5;
        while Instant::now() < enough {
            reader.bounds(1).unwrap();
        }
        assert_eq!(answer.try_recv().unwrap_err(), TryRecvError::Empty);
    }
}
