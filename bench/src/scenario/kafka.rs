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
    let count = orders.count;
    let filling = async { fill(&sandbox, orders).await.map(|()| count.into()) };
    let measured = bench.timed(count, filling).await;
    sandbox.discard().await?;
    measured
}
