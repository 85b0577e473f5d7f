//! The ceiling of Kafka: publishes events of orders with the API's client library; all replicas acknowledge them.

use anyhow::Result;
use jiff::Timestamp;

use super::drain::{ORDERS_PER_SECOND, PARTITIONS, fill};
use super::{Bench, timed};
use crate::lab::orders::Orders;
use crate::lab::topic;
use crate::measure::Measurement;

pub async fn measure(bench: &Bench<'_>) -> Result<Measurement> {
    let brokers = bench.lab.stack.kafka_brokers.clone();
    let topic = format!("kafka_{}", Timestamp::now().as_millisecond());
    topic::create(&brokers, &topic, PARTITIONS).await?;
    let orders = Orders::new(ORDERS_PER_SECOND * bench.seconds(), PARTITIONS)?;
    let (count, name) = (orders.count, topic.clone());
    let filling = tokio::task::spawn_blocking(move || fill(&orders, &brokers, &name));
    let filling = async { filling.await?.map(|()| count.into()) };
    let measured = timed(bench, "kafka", count, filling).await;
    topic::delete(&bench.lab.stack.kafka_brokers, &[&topic]).await?;
    measured
}
