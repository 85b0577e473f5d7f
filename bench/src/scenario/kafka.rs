//! The ceiling of Kafka: publishes events of orders with the API's client library; all replicas acknowledge them.

use anyhow::Result;

use super::Bench;
use super::drain::{ORDERS_PER_SECOND, fill};
use crate::lab::orders::{Orders, PARTITIONS};
use crate::measure::Measurement;

pub async fn measure(bench: &Bench<'_>) -> Result<Measurement> {
    let sandbox = bench.sandbox().await?;
    sandbox.stores.topic.create(PARTITIONS).await?;
    let orders = Orders::new(ORDERS_PER_SECOND * bench.seconds())?;
    let (count, topic) = (orders.count, sandbox.stores.topic.name().to_owned());
    let brokers = sandbox.stack.kafka_brokers.clone();
    let filling = tokio::task::spawn_blocking(move || fill(&orders, &brokers, &topic));
    let filling = async { filling.await?.map(|()| count.into()) };
    let measured = bench.timed(count, filling).await;
    sandbox.discard().await?;
    measured
}
