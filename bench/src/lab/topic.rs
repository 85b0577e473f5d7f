//! Topics of one measurement, and the number of records on a topic.

use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};

const LIMIT: Duration = Duration::from_secs(10);

pub async fn create(brokers: &str, topic: &str, partitions: i32) -> Result<()> {
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for created in admin(brokers)?.create_topics(&[new], &options()).await? {
        created.map_err(|(topic, code)| anyhow::anyhow!("creating {topic}: {code}"))?;
    }
    Ok(())
}

pub async fn delete(brokers: &str, topics: &[&str]) -> Result<()> {
    admin(brokers)?.delete_topics(topics, &options()).await?;
    Ok(())
}

/// The sum of the ends of its partitions.
pub async fn end(brokers: &str, topic: &str) -> Result<i64> {
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    let look = move || {
        let mut config = ClientConfig::new();
        let consumer: BaseConsumer = config.set("bootstrap.servers", brokers).create()?;
        let metadata = consumer.fetch_metadata(Some(&topic), LIMIT)?;
        let found = metadata.topics().first().context("no such topic")?;
        let mut sum = 0;
        for partition in found.partitions() {
            sum += consumer.fetch_watermarks(&topic, partition.id(), LIMIT)?.1;
        }
        Ok(sum)
    };
    tokio::task::spawn_blocking(look).await?
}

fn admin(brokers: &str) -> Result<AdminClient<DefaultClientContext>> {
    Ok(ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()?)
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(LIMIT))
}
