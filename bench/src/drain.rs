//! How fast one worker gets from Kafka to committed rows: fills a topic of its own, starts the
//! worker, and watches the positions in PostgreSQL.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::process::{Process, Settings};
use e2e::program::Program;
use fluxgate_domain::events::Event;
use fluxgate_log::headers;
use jiff::Timestamp;
use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use crate::cpu::{self, Cpu, Part, Watched};
use crate::memory;
use crate::orders::{Orders, Sales};
use crate::schema::Schema;
use crate::topic;

/// What to drain, from where to where.
#[derive(Debug, Clone, Copy)]
pub struct Drain<'a> {
    /// Orders on the topic.
    pub orders: u32,
    /// Sales that they are of, in turn.
    pub sales: u32,
    /// Partitions, on which the sales are in turn.
    pub partitions: i32,
    /// Bootstrap brokers.
    pub kafka_brokers: &'a str,
    /// PostgreSQL.
    pub database_url: &'a str,
    /// The worker's log.
    pub log: &'a Path,
}

/// How that went.
#[derive(Debug)]
pub struct Drained {
    /// From the first movement of the positions to the last.
    pub elapsed: Duration,
    /// The most memory that the worker held.
    pub worker_peak_kib: u64,
    /// From the worker's start on.
    pub(crate) cpu_us: Cpu,
}

/// The worker must be done by then.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE_BETWEEN_PROBES: Duration = Duration::from_millis(5);
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);

/// Measures it once.
///
/// # Errors
/// When a store does not answer, the worker does not start, or a row is missing in the end.
#[tokio::main]
pub async fn drain(drain: Drain<'_>) -> Result<Drained> {
    measure(drain, &Watched::default()).await
}

pub(crate) async fn measure(drain: Drain<'_>, watched: &Watched) -> Result<Drained> {
    let schema = Schema::create(drain.database_url, "drain").await?;
    let drained = measure_into(drain, &schema, &schema.name, watched).await?;
    schema.discard().await?;
    Ok(drained)
}

/// The same into tables that may hold something already. Topic, group and sales get this name, which
/// nothing had before.
pub(crate) async fn measure_into(
    drain: Drain<'_>,
    schema: &Schema,
    name: &str,
    watched: &Watched,
) -> Result<Drained> {
    topic::create(drain.kafka_brokers, name, drain.partitions).await?;
    let sales = Sales {
        name,
        count: drain.sales,
        partitions: drain.partitions,
        opened_at: Timestamp::now(),
    };
    let orders = Orders::of(sales, drain.orders)?;
    let (brokers, topic) = (drain.kafka_brokers.to_owned(), name.to_owned());
    // On a thread that may block: its queue fills up again and again.
    tokio::task::spawn_blocking(move || fill(&orders, &brokers, &topic)).await??;

    let before = watched.sample()?;
    let mut worker = start_worker(drain, schema, name)?;
    let elapsed = watch(drain, &mut worker, schema, name).await?;
    let mut watched = watched.clone();
    watched.add(Part::Worker, worker.pid());
    let drained = Drained {
        elapsed,
        worker_peak_kib: memory::peak_kib(worker.pid())?,
        cpu_us: cpu::between(&before, &watched.sample()?),
    };
    worker.kill()?;
    let dead_letters = format!("{name}.dlq");
    topic::delete(drain.kafka_brokers, &[name, &dead_letters]).await?;
    Ok(drained)
}

fn fill(orders: &Orders, brokers: &str, topic: &str) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    let producer: ThreadedProducer<DefaultProducerContext> =
        config.set("linger.ms", "20").create()?;
    for opening in orders.openings() {
        let (partition, event) = opening?;
        send(&producer, topic, partition, &event)?;
    }
    // As the API does it: an order comes after its sale's opening is acknowledged. A topic this
    // young may refuse its first messages, and a repeated one comes behind those after it.
    producer
        .flush(FLUSH_TIMEOUT)
        .context("no sale was opened")?;
    for n in 0..orders.count {
        let order = Event::OrderReserved(orders.order(n)?);
        send(&producer, topic, orders.partition_of(n)?, &order)?;
    }
    producer
        .flush(FLUSH_TIMEOUT)
        .context("the topic could not be filled")
}

fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    partition: i32,
    event: &Event,
) -> Result<()> {
    let (key, value) = (event.product_id().as_str(), event.encode());
    let deadline = Instant::now() + FLUSH_TIMEOUT;
    loop {
        let record = BaseRecord::to(topic)
            .partition(partition)
            .key(key)
            .payload(&value);
        match producer.send(record.headers(headers(event))) {
            Ok(()) => return Ok(()),
            Err((error, _))
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull)
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

fn start_worker(drain: Drain<'_>, schema: &Schema, name: &str) -> Result<Process> {
    let dead_letters = format!("{name}.dlq");
    let settings: Settings = [
        ("DATABASE_URL", schema.url.as_str()),
        ("KAFKA_BROKERS", drain.kafka_brokers),
        ("KAFKA_TOPIC", name),
        ("KAFKA_DLQ_TOPIC", &dead_letters),
        ("KAFKA_GROUP", name),
        ("RUST_LOG", "warn"),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    Process::spawn(Program::InventoryWorker, settings, drain.log.into())
}

/// From the moment the positions begin to move until they have passed everything.
async fn watch(
    drain: Drain<'_>,
    worker: &mut Process,
    schema: &Schema,
    name: &str,
) -> Result<Duration> {
    let expected = i64::from(drain.orders) + i64::from(drain.sales);
    let started = Instant::now();
    let mut moving_since = None;
    while started.elapsed() < PATIENCE {
        // The worker makes the table; until then the question is an error.
        let sum = "SELECT coalesce(sum(next_offset), 0)::bigint FROM positions WHERE topic = $1";
        let read: i64 = match schema.client.query_one(sum, &[&name]).await {
            Ok(row) => row.try_get(0)?,
            Err(_) => 0,
        };
        if read == 0 {
            moving_since = Some(Instant::now());
        }
        if read >= expected {
            let elapsed = moving_since.unwrap_or(started).elapsed();
            let count = "SELECT count(*) FROM orders
                WHERE status = 'confirmed' AND starts_with(product_id, $1)";
            let rows: i64 = schema.client.query_one(count, &[&name]).await?.try_get(0)?;
            ensure!(rows == i64::from(drain.orders), "only {rows} rows");
            return Ok(elapsed);
        }
        let ended = worker.has_ended()?;
        ensure!(ended.is_none(), "the worker ended: {}", worker.output()?);
        tokio::time::sleep(PAUSE_BETWEEN_PROBES).await;
    }
    anyhow::bail!("not drained after {PATIENCE:?}")
}
