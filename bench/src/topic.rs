//! Topics that live as long as one measurement.

use std::time::Duration;

use anyhow::Result;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

const LIMIT: Duration = Duration::from_secs(10);

pub async fn create(brokers: &str, topic: &str, partitions: i32) -> Result<()> {
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for created in admin(brokers)?.create_topics(&[new], &options()).await? {
        created.map_err(|(topic, code)| anyhow::anyhow!("making {topic}: {code}"))?;
    }
    Ok(())
}

pub async fn delete(brokers: &str, topics: &[&str]) -> Result<()> {
    admin(brokers)?.delete_topics(topics, &options()).await?;
    Ok(())
}

fn admin(brokers: &str) -> Result<AdminClient<DefaultClientContext>> {
    Ok(ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()?)
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(LIMIT))
}
