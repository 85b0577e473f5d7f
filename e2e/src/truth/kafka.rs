use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fluxgate_log::client_config;
use fluxgate_service::settings::KafkaSettings;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::task::spawn_blocking;

use crate::record::Record;

const ANSWER_LIMIT: Duration = Duration::from_secs(5);
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// A topic, as an onlooker sees it who is no member of the group.
#[derive(Clone)]
pub struct Log {
    topic: String,
    brokers: String,
    onlooker: Arc<BaseConsumer>,
}

impl Log {
    /// The log `topic`, which `group` reads.
    ///
    /// # Errors
    /// When a client cannot be built.
    pub fn new(brokers: &str, topic: &str, group: &str) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers);
        Self::with(config, brokers, topic, group)
    }

    /// The same by the settings of a service, passwords and all.
    ///
    /// # Errors
    /// When a client cannot be built.
    pub fn of(settings: &KafkaSettings, group: &str) -> Result<Self> {
        let config = client_config(settings, "e2e");
        let (brokers, topic) = (&settings.kafka_brokers, &settings.kafka_topic);
        Self::with(config, brokers, topic, group)
    }

    fn with(mut config: ClientConfig, brokers: &str, topic: &str, group: &str) -> Result<Self> {
        let onlooker = config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            // A broker that is back is looked at soon: what is measured is the services' time, not ours.
            .set("reconnect.backoff.max.ms", "200")
            // Nobody polls, so they would pile up.
            .set("statistics.interval.ms", "0")
            .create()
            .context("building a Kafka consumer")?;
        Ok(Self {
            topic: topic.to_owned(),
            brokers: brokers.to_owned(),
            onlooker: Arc::new(onlooker),
        })
    }

    /// Its name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The offset after the last record of each partition.
    ///
    /// # Errors
    /// When Kafka does not answer or has no such topic.
    pub async fn ends(&self) -> Result<HashMap<i32, i64>> {
        self.ask(|topic, onlooker| {
            partitions(topic, onlooker)?
                .into_iter()
                .map(|partition| {
                    let end = end_of(topic, partition, onlooker)?;
                    Ok((partition, end))
                })
                .collect()
        })
        .await
    }

    /// The offset that the group has committed in each partition; 0 where it has none.
    ///
    /// # Errors
    /// When Kafka does not answer or has no such topic.
    pub async fn committed(&self) -> Result<HashMap<i32, i64>> {
        self.ask(|topic, onlooker| {
            let mut wanted = TopicPartitionList::new();
            for partition in partitions(topic, onlooker)? {
                wanted.add_partition(topic, partition);
            }
            let committed = onlooker.committed_offsets(wanted, ANSWER_LIMIT)?;
            let offset = |offset| match offset {
                Offset::Offset(offset) => offset,
                _ => 0,
            };
            let elements = committed.elements();
            Ok(elements
                .iter()
                .map(|at| (at.partition(), offset(at.offset())))
                .collect())
        })
        .await
    }

    /// Everything on the topic now, in offset order within each partition.
    ///
    /// # Errors
    /// When Kafka does not answer or has no such topic.
    pub async fn records(&self) -> Result<Vec<Record>> {
        let mut missing: i64 = self.ends().await?.values().sum();
        self.ask(move |topic, onlooker| {
            let mut beginning = TopicPartitionList::new();
            for partition in partitions(topic, onlooker)? {
                beginning.add_partition_offset(topic, partition, Offset::Beginning)?;
            }
            onlooker.assign(&beginning)?;
            let mut records = Vec::new();
            while missing > 0 {
                let message = onlooker
                    .poll(ANSWER_LIMIT)
                    .with_context(|| format!("{missing} more records on {topic}"))??;
                records.push(message.into());
                missing -= 1;
            }
            onlooker.unassign()?;
            Ok(records)
        })
        .await
    }

    /// Puts a record on the topic, behind the programs' backs.
    ///
    /// # Errors
    /// When Kafka does not take it.
    pub async fn append(&self, record: &Record) -> Result<()> {
        record.append(&self.brokers, &self.topic).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&str, &BaseConsumer) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let log = self.clone();
        spawn_blocking(move || question(&log.topic, &log.onlooker)).await?
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Log").field(&self.topic).finish()
    }
}

/// The offset after a partition's last record. One of a topic that was just made has no leader for a moment.
fn end_of(topic: &str, partition: i32, onlooker: &BaseConsumer) -> Result<i64> {
    use RDKafkaErrorCode::NotLeaderForPartition;
    let begin = Instant::now();
    loop {
        match onlooker.fetch_watermarks(topic, partition, ANSWER_LIMIT) {
            Err(KafkaError::MetadataFetch(NotLeaderForPartition))
                if begin.elapsed() < ANSWER_LIMIT =>
            {
                thread::sleep(BETWEEN_LOOKS);
            }
            answer => return Ok(answer?.1),
        }
    }
}

fn partitions(topic: &str, onlooker: &BaseConsumer) -> Result<Vec<i32>> {
    let metadata = onlooker.fetch_metadata(Some(topic), ANSWER_LIMIT)?;
    let found = metadata.topics().iter().find(|it| it.name() == topic);
    let found = found.filter(|it| it.error().is_none());
    let found = found.with_context(|| format!("Kafka has no topic {topic}"))?;
    Ok(found.partitions().iter().map(|it| it.id()).collect())
}
