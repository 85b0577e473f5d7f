//! Faults of Kafka and its topic.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::services::freeze_store;
use super::{Component, Environment, Store};

/// Longer than Kafka's controller waits for a silent broker (`broker.session.timeout.ms`).
const UNTIL_FENCED: Duration = Duration::from_secs(12);
/// How long services run without a topic, or no event is small enough.
const BROKEN: Duration = Duration::from_secs(4);
/// Longer than until all clients have seen new partitions: they look every 5 s.
const METADATA_REFRESH: Duration = Duration::from_secs(6);

/// A broker that comes back fenced names no brokers for a moment, not even itself.
pub async fn freeze_until_fenced(env: &mut Environment) -> Result<()> {
    freeze_store(env, Store::Kafka, UNTIL_FENCED).await?;
    env.wait_ms(2_000..4_000).await;
    freeze_store(env, Store::Kafka, UNTIL_FENCED).await
}

/// One more worker, with the usual settings, creates topic and tables when it starts.
pub async fn create_topic_late(env: &mut Environment) -> Result<()> {
    sleep(BROKEN).await;
    env.add(Component::Worker, &[])?;
    env.ready().await?;
    env.mark("all ready");
    Ok(())
}

pub async fn limit_message_size(env: &mut Environment) -> Result<()> {
    set_message_size(env, 200).await?;
    env.mark("at most 200 bytes");
    sleep(BROKEN).await;
    set_message_size(env, 1_000_000).await
}

async fn set_message_size(env: &Environment, bytes: u32) -> Result<()> {
    let bytes = bytes.to_string();
    let settings = [("max.message.bytes", &*bytes), ("retention.ms", "-1")];
    env.sandbox.stores.topic.configure(&settings).await
}

pub async fn add_partitions(env: &mut Environment) -> Result<()> {
    env.sandbox.stores.topic.grow_to(24).await?;
    env.mark("24 partitions");
    sleep(METADATA_REFRESH).await;
    Ok(())
}
