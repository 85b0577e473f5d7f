//! Probes of the stores while a scenario runs: one call to Redis, one acknowledgement by Kafka, one commit of PostgreSQL.
//! An order needs at least one of each, so its time is compared with their sum.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::stores::{Connection, Redis, Topic};
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::time::{MissedTickBehavior, interval};

use crate::lab::Side;
use crate::measure::{Latency, Measurement};

const INTERVAL: Duration = Duration::from_millis(100);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Redis key, Kafka topic and PostgreSQL table that nothing else uses.
const NAME: &str = "bench_probes";
const PROBED: [&str; 3] = ["Redis call", "Kafka acknowledgement", "PostgreSQL commit"];

/// Connections to the stores of one side, and what was measured.
pub struct Probes {
    redis: Redis,
    topic: Topic,
    producer: FutureProducer,
    database: Connection,
    insert: tokio_postgres::Statement,
    /// Of each of [`PROBED`].
    latencies_us: [Vec<u32>; 3],
}

impl Probes {
    /// Connects, and creates what the probes write to.
    pub async fn new(side: &Side) -> Result<Self> {
        let (sandbox, brokers) = (&side.sandbox, &side.sandbox.stack.kafka_brokers);
        let name = format!("{}-probes", sandbox.stores.topic.name());
        let topic = Topic::new(brokers, &name, &name)?;
        topic.create(1).await?;
        topic.ends().await?;
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("acks", "all");
        let producer = config.set("linger.ms", "0").create()?;
        let database = sandbox.stores.postgres.connect().await?;
        let table = format!("CREATE TABLE IF NOT EXISTS {NAME} (at timestamptz)");
        database.client.batch_execute(&table).await?;
        let insert = format!("INSERT INTO {NAME} VALUES (now())");
        let insert = database.client.prepare(&insert).await?;
        let mut probes = Self {
            redis: sandbox.stores.redis.clone(),
            topic,
            producer,
            database,
            insert,
            latencies_us: Default::default(),
        };
        // The first calls also connect.
        probes.probe().await?;
        probes.latencies_us = Default::default();
        Ok(probes)
    }

    /// Probes ten times a second.
    pub async fn run_until(&mut self, end: Instant) -> Result<()> {
        let mut due = interval(INTERVAL);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Instant::now() < end {
            due.tick().await;
            self.probe().await?;
        }
        Ok(())
    }

    async fn probe(&mut self) -> Result<()> {
        let started = Instant::now();
        let _: i64 = self.redis.command(&["INCR", NAME]).await?;
        let called = Instant::now();
        let record: FutureRecord<'_, (), _> = FutureRecord::to(self.topic.name()).payload(NAME);
        let sent = self.producer.send(record, ANSWER_LIMIT).await;
        sent.map_err(|(error, _)| error).context("probing Kafka")?;
        let acknowledged = Instant::now();
        self.database.client.execute(&self.insert, &[]).await?;
        let committed = Instant::now();
        let spans = [
            called - started,
            acknowledged - called,
            committed - acknowledged,
        ];
        for (latencies, span) in self.latencies_us.iter_mut().zip(spans) {
            latencies.push(u32::try_from(span.as_micros()).unwrap_or(u32::MAX));
        }
        Ok(())
    }

    /// Adds the latencies of the probes, and the latency of `measured` as a multiple of their sum.
    pub fn add_to(&mut self, measured: &mut Measurement) {
        let each = std::mem::take(&mut self.latencies_us).map(Latency::of_us);
        let (mut p50, mut p99) = (0.0, 0.0);
        for (name, latency) in PROBED.into_iter().zip(each) {
            let Some(latency) = latency else { return };
            measured.add(format!("probe: one {name} p50, ms"), latency.p50);
            measured.add(format!("probe: one {name} p99, ms"), latency.p99);
            p50 += latency.p50;
            p99 += latency.p99;
        }
        if let Some(orders) = measured.latency_ms {
            measured.add("row visible p50, x the probes' sum", orders.p50 / p50);
            measured.add("row visible p99, x the probes' sum", orders.p99 / p99);
        }
    }

    /// Deletes the topic.
    pub async fn discard(self) -> Result<()> {
        self.topic.delete().await
    }
}
