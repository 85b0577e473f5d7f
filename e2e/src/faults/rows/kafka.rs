//! Faults of Kafka and its topic.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use tokio::time::sleep;

use super::services::freeze_store;
use super::{Component, Environment, Mode, Store};
use crate::answer::Status;

/// Longer than Kafka's controller waits for a silent broker (`broker.session.timeout.ms`).
const UNTIL_FENCED: Duration = Duration::from_secs(12);
/// How long services run without a topic, or no event is small enough.
const BROKEN: Duration = Duration::from_secs(4);
/// Longer than until all clients have seen new partitions: they look every 5 s.
const METADATA_REFRESH: Duration = Duration::from_secs(6);

/// How long acknowledgements take 600 to 900 ms. Long enough to fill an outbox of which nothing is acknowledged.
const SLOW: Duration = Duration::from_secs(8);
/// Each way.
const SLOW_BY: Duration = Duration::from_millis(300);
/// Of a hundred published orders, those that may leave by the relay. It takes what was slow: up to 19 with a broker that has just
/// started. If nobody else published orders, it would take all.
const BY_RELAY_PERCENT: f64 = 50.0;
/// Longer than until all instances have opened the breaker of a partition without acknowledgements.
const UNTIL_NOTICED: Duration = Duration::from_secs(4);

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

/// Acknowledgements later than any order waits: no order is refused, and none is left to the relay.
pub async fn acknowledge_slowly(env: &mut Environment) -> Result<()> {
    env.network.set(Mode::Latency(SLOW_BY));
    sleep(SLOW).await;
    let open = total(env, "ingest_api_publisher_circuit_open").await?;
    let refused = total(env, "ingest_api_outbox_full_total").await?;
    env.network.set(Mode::Pass);
    ensure!(
        (open, refused) == (0.0, 0.0),
        "while acknowledgements were slow, {open} circuits opened and {refused} orders were refused"
    );
    Ok(())
}

/// Nothing is broken: orders that do not wait for Kafka are published like others.
pub async fn publish_without_waiting(env: &mut Environment) -> Result<()> {
    sleep(SLOW).await;
    let by_relay = total(env, "ingest_api_outbox_republished_total").await?;
    let acknowledged = r#"ingest_api_publishes_total{outcome="acknowledged"}"#;
    let acknowledged = total(env, acknowledged).await?;
    ensure!(
        by_relay * 100.0 <= acknowledged * BY_RELAY_PERCENT,
        "{by_relay} of {acknowledged} orders left by the relay"
    );
    Ok(())
}

/// One partition has no leader: orders of the endless sale, which has another one, are accepted all the while.
pub async fn take_a_leader_away(env: &mut Environment) -> Result<()> {
    env.stack().kill(Store::Kafka3)?;
    env.mark("no leader of one partition");
    sleep(UNTIL_NOTICED).await;
    let since_us = env.now_us();
    sleep(SLOW).await;
    let open = total(env, "ingest_api_publisher_circuit_open").await?;
    let sold = env.count_endless(since_us, |it| it.order_id().is_some());
    let reserved = env.count_endless(since_us, |it| it.status() == Some(Status::Reserved));
    env.bring_back(Store::Kafka3).await?;
    ensure!(open >= 1.0, "no circuit opened");
    ensure!(
        sold > 0 && reserved as f64 * 100.0 <= sold as f64 * BY_RELAY_PERCENT,
        "{reserved} of {sold} orders were only reserved, though their partition has a leader"
    );
    Ok(())
}

/// The sum over the instances.
async fn total(env: &Environment, metric: &str) -> Result<f64> {
    let values = try_join_all(env.apis.iter().map(|api| api.metric(metric))).await?;
    Ok(values.into_iter().sum())
}
