use std::collections::HashMap;
use std::fmt;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use fluxgate_domain::events::CE_TYPE;
use fluxgate_log::client_config;
use fluxgate_service::settings::KafkaSettings;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::task::spawn_blocking;

use super::Record;
use crate::wait::wait_until;

const ANSWER_LIMIT: Duration = Duration::from_secs(5);
const ADMIN_LIMIT: Duration = Duration::from_secs(10);
/// Kafka deletes a topic some time after it was asked to.
const CREATE_LIMIT: Duration = Duration::from_secs(20);

/// A topic, read by a client that is no member of the group.
#[derive(Clone)]
pub struct Topic {
    name: String,
    config: ClientConfig,
    consumer: Arc<BaseConsumer>,
}

impl Topic {
    /// The topic `name`, which `group` reads.
    pub fn new(brokers: &str, name: &str, group: &str) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers);
        Self::with(config, name, group)
    }

    /// The topic of orders by a service's settings, with its passwords.
    pub fn of(settings: &KafkaSettings, group: &str) -> Result<Self> {
        let config = client_config(settings, "e2e");
        Self::with(config, &settings.kafka_topic, group)
    }

    fn with(config: ClientConfig, name: &str, group: &str) -> Result<Self> {
        let consumer = config
            .clone()
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            // A broker that is back is noticed soon: what is measured is the services' time, not ours.
            .set("reconnect.backoff.max.ms", "200")
            // Statistics would pile up, as this client does not poll.
            .set("statistics.interval.ms", "0")
            .create()
            .context("building a Kafka consumer")?;
        Ok(Self {
            name: name.to_owned(),
            config,
            consumer: Arc::new(consumer),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The offset after the last record of each partition.
    pub async fn ends(&self) -> Result<HashMap<i32, i64>> {
        // A topic that was just created has no leaders for a moment.
        wait_until("each partition has its leader", ANSWER_LIMIT, async || {
            self.ask(|topic, consumer| {
                let end = |it| Ok((it, consumer.fetch_watermarks(topic, it, ANSWER_LIMIT)?.1));
                partitions(topic, consumer)?.into_iter().map(end).collect()
            })
            .await
        })
        .await
    }

    /// The offset that the group has committed in each partition; 0 where it has none.
    pub async fn committed(&self) -> Result<HashMap<i32, i64>> {
        self.ask(|topic, consumer| {
            let mut wanted = TopicPartitionList::new();
            for partition in partitions(topic, consumer)? {
                wanted.add_partition(topic, partition);
            }
            let committed = consumer.committed_offsets(wanted, ANSWER_LIMIT)?;
            let elements = committed.elements();
            let offset = |offset: Offset| offset.to_raw().unwrap_or(0).max(0);
            let offsets = elements
                .iter()
                .map(|it| (it.partition(), offset(it.offset())));
            Ok(offsets.collect())
        })
        .await
    }

    /// All records on the topic now, in offset order within each partition.
    pub async fn records(&self) -> Result<Vec<Record>> {
        let mut missing: i64 = self.ends().await?.values().sum();
        self.ask(move |topic, consumer| {
            let mut beginning = TopicPartitionList::new();
            for partition in partitions(topic, consumer)? {
                beginning.add_partition_offset(topic, partition, Offset::Beginning)?;
            }
            consumer.assign(&beginning)?;
            let mut records = Vec::new();
            while missing > 0 {
                let message = consumer
                    .poll(ANSWER_LIMIT)
                    .with_context(|| format!("{missing} more records on {topic}"))??;
                records.push(message.into());
                missing -= 1;
            }
            consumer.unassign()?;
            Ok(records)
        })
        .await
    }

    /// Appends a record that no program under test sent.
    pub async fn append(&self, record: &Record) -> Result<()> {
        let producer: FutureProducer = self
            .config
            .clone()
            .set("acks", "all")
            .set("message.timeout.ms", ANSWER_LIMIT.as_millis().to_string())
            .create()
            .context("building a Kafka producer")?;
        self.send(&producer, record).await
    }

    async fn send(&self, producer: &FutureProducer, record: &Record) -> Result<()> {
        let mut message: FutureRecord<'_, [u8], [u8]> =
            FutureRecord::to(&self.name).partition(record.partition);
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        message.headers = record.ce_type.as_ref().map(|ce_type| {
            OwnedHeaders::new().insert(Header {
                key: CE_TYPE,
                value: Some(ce_type),
            })
        });
        let sent = producer.send(message, ANSWER_LIMIT).await;
        sent.map_err(|(error, _)| error).context("appending")?;
        Ok(())
    }

    /// Appends records again, in transactions of twenty of which every third is aborted. Their ends are markers, which
    /// have offsets too.
    pub async fn repeat_in_transactions(&self, records: &[Record]) -> Result<()> {
        let mut config = self.config.clone();
        config.set("transactional.id", &self.name);
        let producer: FutureProducer = config.create().context("building a Kafka producer")?;
        let within = ANSWER_LIMIT;
        spawn_blocking({
            let producer = producer.clone();
            move || producer.init_transactions(within)
        })
        .await??;
        for (number, some) in records.chunks(20).enumerate() {
            producer.begin_transaction()?;
            for record in some {
                self.send(&producer, record).await?;
            }
            let producer = producer.clone();
            spawn_blocking(move || match number % 3 {
                2 => producer.abort_transaction(within),
                _ => producer.commit_transaction(within),
            })
            .await??;
        }
        Ok(())
    }

    /// Removes the records of a partition before an offset, as retention does.
    pub async fn delete_before(&self, partition: i32, offset: i64) -> Result<()> {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(&self.name, partition, Offset::Offset(offset))?;
        self.admin()?.delete_records(&offsets, &options()).await?;
        Ok(())
    }

    /// Deletes it and creates it again with as many partitions, as if Kafka had lost the log.
    pub async fn empty(&self) -> Result<()> {
        let partitions = i32::try_from(self.ends().await?.len())?;
        self.delete().await?;
        let again = "the topic is created again";
        wait_until(again, CREATE_LIMIT, async || self.create(partitions).await).await
    }

    /// Creates it with a partition on each of these brokers, one after the other.
    pub async fn create_on(&self, brokers: Vec<i32>) -> Result<()> {
        let brokers: Vec<_> = brokers.iter().map(slice::from_ref).collect();
        let partitions = i32::try_from(brokers.len())?;
        let topic = NewTopic::new(&self.name, partitions, TopicReplication::Variable(&brokers));
        all_done(self.admin()?.create_topics([&topic], &options()).await?)
    }

    /// Lets Kafka create the topic of committed offsets, if it does not exist, on the brokers that run now.
    pub async fn create_offsets_topic(&self) -> Result<()> {
        let created = "Kafka has a topic of committed offsets";
        wait_until(created, CREATE_LIMIT, async || {
            self.ask(|topic, consumer| {
                let mut wanted = TopicPartitionList::new();
                wanted.add_partition(topic, 0);
                consumer.committed_offsets(wanted, ANSWER_LIMIT)?;
                Ok(())
            })
            .await
        })
        .await
    }

    pub async fn create(&self, partitions: i32) -> Result<()> {
        let topic = NewTopic::new(&self.name, partitions, TopicReplication::Fixed(1));
        all_done(self.admin()?.create_topics([&topic], &options()).await?)
    }

    /// Deletes it, if it exists.
    pub async fn delete(&self) -> Result<()> {
        let options = options().operation_timeout(Some(ANSWER_LIMIT));
        self.admin()?.delete_topics(&[&self.name], &options).await?;
        Ok(())
    }

    pub async fn grow_to(&self, partitions: usize) -> Result<()> {
        let more = NewPartitions::new(&self.name, partitions);
        all_done(self.admin()?.create_partitions(&[more], &options()).await?)
    }

    /// Gives it these settings; those left out go back to their defaults.
    pub async fn configure(&self, settings: &[(&str, &str)]) -> Result<()> {
        let mut config = AlterConfig::new(ResourceSpecifier::Topic(&self.name));
        for (name, value) in settings {
            config = config.set(name, value);
        }
        all_done(self.admin()?.alter_configs(&[config], &options()).await?)
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>> {
        self.config
            .create()
            .context("building a Kafka admin client")
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&str, &BaseConsumer) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let topic = self.clone();
        spawn_blocking(move || question(&topic.name, &topic.consumer)).await?
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Topic").field(&self.name).finish()
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ADMIN_LIMIT))
}

fn all_done<T: fmt::Debug>(results: Vec<Result<T, (T, RDKafkaErrorCode)>>) -> Result<()> {
    let failed = results.into_iter().find_map(Result::err);
    failed.map_or(Ok(()), |(what, code)| Err(anyhow!("{what:?}: {code}")))
}

fn partitions(topic: &str, consumer: &BaseConsumer) -> Result<Vec<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER_LIMIT)?;
    let found = metadata.topics().iter().find(|it| it.name() == topic);
    let found = found.filter(|it| it.error().is_none());
    let found = found.with_context(|| format!("Kafka has no topic {topic}"))?;
    Ok(found.partitions().iter().map(|it| it.id()).collect())
}
