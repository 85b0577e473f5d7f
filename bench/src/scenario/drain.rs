//! Measures workers, from a full topic to committed rows.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::process::{Process, changed};
use e2e::sandbox::Sandbox;
use e2e::scale::worker_group::{Leave, WorkerGroup};
use e2e::stores::Topic;
use fluxgate_domain::OrderStatus;
use fluxgate_domain::events::Event;
use fluxgate_log::headers;
use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use tokio::task::spawn_blocking;
use tokio_postgres::Client;

use super::Bench;
use super::bench::sampled;
use super::sql::migrated;
use crate::lab::STOP_LIMIT;
use crate::lab::orders::Orders;
use crate::measure::Measurement;
use crate::measure::processes::{Part, between, peak_kib};

pub const ORDERS_PER_SECOND: u32 = 100_000;

/// The longest time that the worker may take.
const LIMIT: Duration = Duration::from_secs(120);
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(5);
const FLUSH_LIMIT: Duration = Duration::from_secs(60);

pub async fn measure(bench: &Bench<'_>) -> Result<Measurement> {
    let orders = Orders::new(ORDERS_PER_SECOND * bench.seconds())?;
    drain(bench, orders, async |_| Ok(())).await
}

/// As many records, half of them completions.
pub async fn measure_completed(bench: &Bench<'_>) -> Result<Measurement> {
    let orders = Orders::new(ORDERS_PER_SECOND * bench.seconds() / 2)?;
    drain(bench, orders.and_completions(), async |_| Ok(())).await
}

/// Drains a topic of its own with these orders into tables of their own, which `prepare` may fill.
pub async fn drain(
    bench: &Bench<'_>,
    orders: Orders,
    prepare: impl AsyncFnOnce(&Sandbox) -> Result<()>,
) -> Result<Measurement> {
    let sandbox = bench.sandbox().await?;
    sandbox.stores.topic.create(orders.partitions).await?;
    prepare(&sandbox).await?;
    let measured = drain_in(bench, &sandbox, orders).await;
    sandbox.discard().await?;
    measured
}

async fn drain_in(bench: &Bench<'_>, sandbox: &Sandbox, orders: Orders) -> Result<Measurement> {
    let stores = &sandbox.stores;
    let database = stores.postgres.connect().await?;
    let (count, records, status) = (orders.count, orders.records(), orders.last_status());
    fill(sandbox, orders).await?;

    let before = bench.watched()?.cpu_us()?;
    let settings = changed(&sandbox.settings(), &[("RUST_LOG", "warn")]);
    let build = &bench.side.build;
    let mut workers = [build.spawn("inventory-worker", "drain", settings)?];
    let elapsed = watch(&mut workers, &database.client, &stores.topic).await?;
    let [mut worker] = workers;
    let mut watched = bench.watched()?;
    watched.add(Part::Worker, worker.pid());
    let cpu_us = between(&before, &watched.cpu_us()?);
    let peak_kib = peak_kib(worker.pid())?;
    worker.stop(STOP_LIMIT).await?;

    let bytes = expect_written(count, status, &database.client).await?;
    let mut measured = Measurement {
        count: records,
        seconds: elapsed.as_secs_f64(),
        cpu_us,
        ..Measurement::default()
    };
    measured.add("worker's peak memory, MiB", peak_kib as f64 / 1_024.0);
    measured.add("table with its index, MiB", bytes / 1_048_576.0);
    Ok(measured)
}

/// Drains a topic of its own with these orders by several workers of our build. They share out the partitions and read,
/// and only then may they write.
pub async fn drain_by(workers: u32, bench: &Bench<'_>, orders: Orders) -> Result<Measurement> {
    let sandbox = bench.sandbox().await?;
    let (stores, count) = (&sandbox.stores, orders.count);
    stores.topic.create(orders.partitions).await?;
    drop(migrated(&sandbox).await?);
    fill(&sandbox, orders).await?;
    let (database, lock) = (
        stores.postgres.connect().await?,
        stores.postgres.connect().await?,
    );
    let sql = "BEGIN; LOCK TABLE orders IN SHARE MODE";
    lock.client.batch_execute(sql).await?;
    // They wait for the lock and do not give up.
    let patient = [
        ("RUST_LOG", "warn"),
        ("FLUSH_TIMEOUT_MS", "300000"),
        ("MIGRATE_ON_START", "off"),
    ];
    let mut group = WorkerGroup::new(&sandbox, &patient);
    group.resize(workers as usize, Leave::Sigterm).await?;
    group.settled().await?;
    let mut watched = bench.watched()?;
    for worker in &group.workers {
        watched.add(Part::Worker, worker.pid());
    }
    let drained = sampled(&watched, async {
        let begin = Instant::now();
        drop(lock);
        watch(&mut group.workers, &database.client, &stores.topic).await?;
        Ok(begin.elapsed())
    });
    let (elapsed, cpu_us) = drained.await?;
    expect_written(count, OrderStatus::Confirmed, &database.client).await?;
    group.resize(0, Leave::Sigterm).await?;
    sandbox.discard().await?;
    Ok(Measurement {
        count: count.into(),
        seconds: elapsed.as_secs_f64(),
        cpu_us,
        ..Measurement::default()
    })
}

/// All of so many orders have this status; returns the bytes of the table with its index.
async fn expect_written(count: u32, status: OrderStatus, database: &Client) -> Result<f64> {
    let written = "SELECT count(*), pg_total_relation_size('orders')::float8 FROM orders
        WHERE status = $1 AND starts_with(product_id, 'sale-')";
    let written = database.query_one(written, &[&status.as_str()]).await?;
    let rows: i64 = written.try_get(0)?;
    ensure!(rows == i64::from(count), "{rows} of {count} rows");
    Ok(written.try_get(1)?)
}

/// The time from when the positions begin to move until they have passed every record.
async fn watch(workers: &mut [Process], database: &Client, topic: &Topic) -> Result<Duration> {
    let expected: i64 = topic.ends().await?.values().sum();
    let sum = "SELECT coalesce(sum(next_offset), 0)::bigint FROM positions WHERE topic = $1";
    // The worker creates the table; until then the query fails.
    let reached = async || {
        let row = database.query_one(sum, &[&topic.name()]).await;
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
        for worker in &mut *workers {
            worker.expect_running()?;
        }
        let in_time = Instant::now() < deadline;
        ensure!(in_time, "{read} of {expected} records after {LIMIT:?}");
        tokio::time::sleep(PAUSE_BETWEEN_LOOKS).await;
    }
}

/// Publishes the openings of all sales, then all orders.
pub async fn fill(sandbox: &Sandbox, orders: Orders) -> Result<()> {
    let topic = sandbox.stores.topic.name().to_owned();
    let brokers = sandbox.stack.kafka_brokers.clone();
    // On a thread that may block: the producer's queue is often full.
    spawn_blocking(move || publish(&orders, &brokers, &topic)).await?
}

fn publish(orders: &Orders, brokers: &str, topic: &str) -> Result<()> {
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
