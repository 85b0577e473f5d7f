//! Measures one worker, from a full topic to committed rows.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::order::unique;
use e2e::process::{Process, changed};
use e2e::sandbox::Sandbox;
use fluxgate_domain::events::Event;
use fluxgate_log::headers;
use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use super::Bench;
use crate::lab::STOP_LIMIT;
use crate::lab::orders::{Orders, PARTITIONS};
use crate::measure::cpu::{self, Part};
use crate::measure::{Measurement, memory};

pub const ORDERS_PER_SECOND: u32 = 100_000;

/// The longest time that the worker may take.
const LIMIT: Duration = Duration::from_secs(120);
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(5);
const FLUSH_LIMIT: Duration = Duration::from_secs(60);

/// What to drain.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    pub orders: u32,
    /// Number of sales, whose orders take turns. The sales are spread over the partitions in turn.
    pub sales: u32,
    pub partitions: i32,
}

pub async fn measure(bench: &Bench<'_>) -> Result<Measurement> {
    let drain = Drain {
        orders: ORDERS_PER_SECOND * bench.seconds(),
        ..Drain::of(bench)
    };
    drain.measure(bench).await
}

impl Drain {
    /// The usual size of the growth scenarios.
    pub fn of(bench: &Bench<'_>) -> Self {
        Self {
            orders: bench.sizes.orders,
            sales: PARTITIONS.cast_unsigned(),
            partitions: PARTITIONS,
        }
    }

    /// Drains a topic of its own into tables of their own.
    pub async fn measure(self, bench: &Bench<'_>) -> Result<Measurement> {
        let sandbox = bench.sandbox().await?;
        sandbox.stores.topic.create(self.partitions).await?;
        let measured = self.measure_in(bench, &sandbox).await;
        sandbox.discard().await?;
        measured
    }

    /// Drains a topic into tables that may both have orders already; all of them have been written.
    pub async fn measure_in(self, bench: &Bench<'_>, sandbox: &Sandbox) -> Result<Measurement> {
        let name = unique("drain");
        let orders = Orders::of(&name, self.sales, self.partitions, self.orders)?;
        let (topic, brokers) = (
            sandbox.stores.topic.name().to_owned(),
            sandbox.stack.kafka_brokers.clone(),
        );
        // On a thread that may block: the producer's queue is often full.
        tokio::task::spawn_blocking(move || fill(&orders, &brokers, &topic)).await??;

        let before = bench.watched()?.sample()?;
        let settings = changed(&sandbox.settings(), &[("RUST_LOG", "warn")]);
        let log = bench.lab.results.join("drain.log");
        let build = &bench.side().build;
        let mut worker = build.spawn("inventory-worker", &settings, log)?;
        let elapsed = watch(&mut worker, sandbox).await?;
        let mut watched = bench.watched()?;
        watched.add(Part::Worker, worker.pid());
        let cpu_us = cpu::between(&before, &watched.sample()?);
        self.check(sandbox, &name).await?;
        let peak_kib = memory::peak_kib(worker.pid())?;
        worker.stop(STOP_LIMIT).await?;
        let mut measured = Measurement {
            count: self.orders.into(),
            seconds: elapsed.as_secs_f64(),
            cpu_us,
            ..bench.empty()
        };
        measured.add("worker's peak memory, MiB", peak_kib as f64 / 1_024.0);
        Ok(measured)
    }

    async fn check(self, sandbox: &Sandbox, name: &str) -> Result<()> {
        let rows = "SELECT count(*) FROM orders
            WHERE status = 'confirmed' AND starts_with(product_id, $1)";
        let database = sandbox.stores.postgres.connect().await?;
        let rows: i64 = database
            .client
            .query_one(rows, &[&name])
            .await?
            .try_get(0)?;
        let orders = i64::from(self.orders);
        ensure!(rows == orders, "{rows} of {orders} rows");
        Ok(())
    }
}

/// The time from when the positions begin to move until they have passed every record.
async fn watch(worker: &mut Process, sandbox: &Sandbox) -> Result<Duration> {
    let topic = &sandbox.stores.topic;
    let expected: i64 = topic.ends().await?.values().sum();
    let database = sandbox.stores.postgres.connect().await?;
    let sum = "SELECT coalesce(sum(next_offset), 0)::bigint FROM positions WHERE topic = $1";
    // The worker creates the table; until then the query fails.
    let reached = async || {
        let row = database.client.query_one(sum, &[&topic.name()]).await;
        row.and_then(|row| row.try_get(0)).unwrap_or(0)
    };
    let (first, deadline) = (reached().await, Instant::now() + LIMIT);
    let mut moving_since = Instant::now();
    loop {
        let read = reached().await;
        if read >= expected {
            return Ok(moving_since.elapsed());
        }
        if read == first {
            moving_since = Instant::now();
        }
        let ended = worker.has_ended()?;
        ensure!(
            ended.is_none(),
            "the worker has ended: {}",
            worker.output()?
        );
        let in_time = Instant::now() < deadline;
        ensure!(in_time, "{read} of {expected} records after {LIMIT:?}");
        tokio::time::sleep(PAUSE_BETWEEN_LOOKS).await;
    }
}

/// Publishes the openings of all sales, then all orders.
pub fn fill(orders: &Orders, brokers: &str, topic: &str) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    let producer: ThreadedProducer<DefaultProducerContext> =
        config.set("linger.ms", "20").create()?;
    for opening in orders.openings() {
        send(&producer, topic, opening?)?;
    }
    // An order comes after the acknowledged opening of its sale, as from the API. A young topic may refuse its first
    // messages, and a repeated message comes behind those after it.
    producer.flush(FLUSH_LIMIT).context("no sale was opened")?;
    for order in orders.events() {
        send(&producer, topic, order?)?;
    }
    producer
        .flush(FLUSH_LIMIT)
        .context("the topic could not be filled")
}

fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    (partition, event): (i32, Event),
) -> Result<()> {
    let (key, value) = (event.product_id().as_str(), event.encode());
    let deadline = Instant::now() + FLUSH_LIMIT;
    loop {
        let record = BaseRecord::to(topic).partition(partition).key(key);
        let record = record.payload(&value).headers(headers(&event));
        let Err((error, _)) = producer.send(record) else {
            return Ok(());
        };
        let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
        ensure!(is_full && Instant::now() < deadline, "publishing: {error}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
