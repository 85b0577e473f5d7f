use std::time::Duration;

use fluxgate_log::BrokerWatchdog;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client_config;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::progress::Progress;

/// How long the brokers may take to say where a log begins and ends.
const WATERMARKS_TIMEOUT: Duration = Duration::from_secs(5);

/// The topic: reads the partitions it is told to, from where it is told to.
pub struct Log {
    client: BaseConsumer<Context>,
    watchdog: BrokerWatchdog,
    topic: String,
}

impl Log {
    /// Reads nothing yet. Notes in `progress` where logs end.
    ///
    /// # Errors
    /// When librdkafka refuses a setting.
    pub fn open(config: &Config, progress: Progress, metrics: &Metrics) -> KafkaResult<Self> {
        let topic = config.kafka.kafka_topic.clone();
        let watchdog = BrokerWatchdog::new(&config.kafka.kafka_brokers);
        let watchdog = watchdog.counting(&metrics.kafka_clients_recovered_total);
        let context = Context {
            watchdog: watchdog.clone(),
            topic: topic.clone(),
            progress,
        };
        let client = settings(config).create_with_context(context)?;
        Ok(Self {
            client,
            watchdog,
            topic,
        })
    }

    /// The next record of any partition that is read, or what went wrong; nothing after `wait`.
    pub fn next(&self, wait: Duration) -> Option<KafkaResult<BorrowedMessage<'_>>> {
        self.watchdog.recover(self.client.client());
        self.client.poll(wait)
    }

    /// Begins to read a partition at an offset.
    ///
    /// # Errors
    /// When it is being read already.
    pub fn read(&self, partition: i32, offset: i64) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        self.client.incremental_assign(&list)?;
        // librdkafka remembers a pause even of a partition that was stopped since.
        self.client.resume(&list)
    }

    /// Stops reading a partition; nothing that was fetched of it arrives any more.
    pub fn stop(&self, partition: i32) {
        self.log(
            "stopped",
            |list| self.client.incremental_unassign(list),
            [partition],
        );
    }

    /// Lets partitions rest. What was fetched of them is thrown away.
    pub fn pause(&self, partitions: impl IntoIterator<Item = i32>) {
        self.log("paused", |list| self.client.pause(list), partitions);
    }

    /// Goes on where they were paused.
    pub fn resume(&self, partitions: impl IntoIterator<Item = i32>) {
        self.log("resumed", |list| self.client.resume(list), partitions);
    }

    /// The first offset that a partition's log still has, and the one that the next record gets. Blocks.
    ///
    /// # Errors
    /// When no broker says so in time.
    pub fn bounds(&self, partition: i32) -> KafkaResult<(i64, i64)> {
        self.client
            .fetch_watermarks(&self.topic, partition, WATERMARKS_TIMEOUT)
    }

    fn log(
        &self,
        what: &str,
        change: impl Fn(&TopicPartitionList) -> KafkaResult<()>,
        partitions: impl IntoIterator<Item = i32>,
    ) {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.topic, partition);
        }
        if let Err(error) = change(&list) {
            tracing::warn!(%error, "partitions could not be {what}");
        }
    }
}

/// Every option whose default would break a promise is given here, with the reason.
fn settings(config: &Config) -> ClientConfig {
    let mut client = client_config(config);
    client
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A position that the log does not have must be seen, not papered over.
        .set("auto.offset.reset", "error")
        // Bounds what librdkafka reads ahead, and so the worker's memory.
        .set("queued.min.messages", "20000")
        .set("queued.max.messages.kbytes", "16384")
        // Read on soon after a full queue has emptied; the default of a second is an idle worker.
        .set("fetch.queue.backoff.ms", "10")
        // The broker answers at once above this size and else after this wait: answering every few
        // records cost it more than writing them.
        .set("fetch.min.bytes", "65536")
        .set("fetch.wait.max.ms", "10")
        .set("fetch.error.backoff.ms", "100");
    client
}

/// What librdkafka calls back, from within `poll`.
struct Context {
    watchdog: BrokerWatchdog,
    topic: String,
    progress: Progress,
}

impl ConsumerContext for Context {}

impl ClientContext for Context {
    /// `poll` returns it as well.
    fn error(&self, _: KafkaError, _: &str) {}

    fn stats(&self, statistics: Statistics) {
        self.watchdog.observe(&statistics);
        if let Some(topic) = statistics.topics.get(&self.topic) {
            let partitions = topic.partitions.values();
            self.progress
                .show(partitions.map(|partition| (partition.partition, partition.hi_offset)));
        }
    }
}
