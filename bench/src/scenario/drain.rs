//! Measures one worker, from a full topic to committed rows.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fluxgate_domain::events::Event;
use fluxgate_log::headers;
use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use super::Bench;
use crate::lab::orders::Orders;
use crate::lab::{Schema, Service, positions, settings, topic};
use crate::measure::cpu::{self, Part};
use crate::measure::{Measurement, memory};

pub const PARTITIONS: i32 = 12;
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

pub async fn measure(bench: &mut Bench<'_>) -> Result<Measurement> {
    let drain = Drain {
        orders: ORDERS_PER_SECOND * bench.seconds(),
        ..Drain::of(bench)
    };
    drain.measure(bench, bench.empty("drain", "")).await
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

    /// Drains into a schema of its own.
    pub async fn measure(self, bench: &mut Bench<'_>, empty: Measurement) -> Result<Measurement> {
        let schema = Schema::create(&bench.lab.stack.database_url, "drain").await?;
        let measured = self.measure_into(bench, &schema, &schema.name, empty).await;
        schema.discard().await?;
        measured
    }

    /// Drains into tables that may already have rows. Topic, group and sales get `name`, which must be unused.
    pub async fn measure_into(
        self,
        bench: &mut Bench<'_>,
        schema: &Schema,
        name: &str,
        empty: Measurement,
    ) -> Result<Measurement> {
        let brokers = bench.lab.stack.kafka_brokers.clone();
        topic::create(&brokers, name, self.partitions).await?;
        let orders = Orders::of(name, self.sales, self.partitions, self.orders)?;
        let filled = (brokers.clone(), name.to_owned());
        // On a thread that may block: the producer's queue is often full.
        tokio::task::spawn_blocking(move || fill(&orders, &filled.0, &filled.1)).await??;

        let before = bench.watched()?.sample()?;
        let mut worker = self.start_worker(bench, schema, name).await?;
        let elapsed = self.watch(&mut worker, schema, name).await?;
        let mut watched = bench.watched()?;
        watched.add(Part::Worker, worker.pid());
        let cpu_us = cpu::between(&before, &watched.sample()?);
        self.check(schema, name).await?;
        let peak_kib = memory::peak_kib(worker.pid())?;
        bench.lab.sides[bench.side].worker_used(peak_kib);
        worker.terminate().await?;
        topic::delete(&brokers, &[name, &format!("{name}.dlq")]).await?;
        Ok(Measurement {
            count: self.orders.into(),
            seconds: elapsed.as_secs_f64(),
            cpu_us,
            more: [("worker's peak memory, MiB", peak_kib as f64 / 1_024.0)].into(),
            ..empty
        })
    }

    async fn start_worker(self, bench: &Bench<'_>, schema: &Schema, name: &str) -> Result<Service> {
        let stack = &bench.lab.stack;
        let dead_letters = format!("{name}.dlq");
        let settings = settings(&[
            ("DATABASE_URL", schema.url.as_str()),
            ("KAFKA_BROKERS", &stack.kafka_brokers),
            ("KAFKA_TOPIC", name),
            ("KAFKA_DLQ_TOPIC", &dead_letters),
            ("KAFKA_GROUP", name),
            ("RUST_LOG", "warn"),
        ]);
        let program = bench.side().build.program("inventory-worker");
        Service::start(&program, &settings, stack.results.join("drain.log")).await
    }

    /// The time from when the positions begin to move until they have passed every record.
    async fn watch(self, worker: &mut Service, schema: &Schema, name: &str) -> Result<Duration> {
        let expected = i64::from(self.orders) + i64::from(self.sales);
        let deadline = Instant::now() + LIMIT;
        let mut moving_since = Instant::now();
        loop {
            // The worker creates the table; until then the query fails.
            let read = positions(&schema.client, name).await.unwrap_or_default();
            if read >= expected {
                return Ok(moving_since.elapsed());
            }
            if read == 0 {
                moving_since = Instant::now();
            }
            worker.expect_running()?;
            let in_time = Instant::now() < deadline;
            ensure!(in_time, "{read} of {expected} records after {LIMIT:?}");
            tokio::time::sleep(PAUSE_BETWEEN_LOOKS).await;
        }
    }

    async fn check(self, schema: &Schema, name: &str) -> Result<()> {
        let rows = "SELECT count(*) FROM orders
            WHERE status = 'confirmed' AND starts_with(product_id, $1)";
        let rows: i64 = schema.client.query_one(rows, &[&name]).await?.try_get(0)?;
        ensure!(
            rows == i64::from(self.orders),
            "{rows} of {} rows",
            self.orders
        );
        Ok(())
    }
}

/// Publishes the openings of all sales, then all orders.
pub fn fill(orders: &Orders, brokers: &str, topic: &str) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    let producer: ThreadedProducer<DefaultProducerContext> =
        config.set("linger.ms", "20").create()?;
    for opening in orders.openings() {
        let (partition, event) = opening?;
        send(&producer, topic, partition, &event)?;
    }
    // An order comes after the acknowledged opening of its sale, as from the API. A young topic may refuse its first
    // messages, and a repeated message comes behind those after it.
    producer.flush(FLUSH_LIMIT).context("no sale was opened")?;
    for n in 0..orders.count {
        let order = Event::OrderReserved(orders.order(n)?);
        send(&producer, topic, orders.partition_of(n)?, &order)?;
    }
    producer
        .flush(FLUSH_LIMIT)
        .context("the topic could not be filled")
}

fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    partition: i32,
    event: &Event,
) -> Result<()> {
    let (key, value) = (event.product_id().as_str(), event.encode());
    let deadline = Instant::now() + FLUSH_LIMIT;
    loop {
        let record = BaseRecord::to(topic).partition(partition).key(key);
        let record = record.payload(&value).headers(headers(event));
        let Err((error, _)) = producer.send(record) else {
            return Ok(());
        };
        let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
        ensure!(is_full && Instant::now() < deadline, "publishing: {error}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
