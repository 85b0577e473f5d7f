//! A topic and a schema that no other test has, and workers in this process between them.

use std::net::SocketAddr;

use clap::Parser;
use fluxgate_domain::batch::{Content, Record};
use fluxgate_domain::events::{Event, SaleOpened};
use fluxgate_log::headers;
use inventory_worker::app::Worker;
use inventory_worker::config::{Cli, Config};
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Schema, until};

pub const PARTITIONS: i32 = 3;

pub struct Line {
    pub schema: Schema,
    pub topic: String,
    kafka: String,
    /// The way to Kafka that workers take.
    pub kafka_of_workers: String,
    producer: FutureProducer,
}

/// How a transaction ends.
pub enum TransactionEnd {
    Commit,
    Abort,
}

impl Line {
    pub async fn new() -> Self {
        let kafka =
            std::env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS is not set: run `make test`");
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &kafka)
            .create()
            .unwrap();
        Self {
            schema: Schema::new().await,
            topic: format!("worker-{}", uuid::Uuid::new_v4().simple()),
            kafka_of_workers: kafka.clone(),
            kafka,
            producer,
        }
    }

    /// The settings of a worker.
    pub fn config(&self, more: &[&str]) -> Config {
        let program = ["inventory-worker".to_owned()].into_iter();
        Cli::parse_from(program.chain(self.arguments(more))).config
    }

    /// The settings of a worker, as arguments of the program.
    pub fn arguments(&self, more: &[&str]) -> Vec<String> {
        let dead_letters = format!("{}.dlq", self.topic);
        let given = [
            "--http-addr=127.0.0.1:0",
            "--kafka-partitions=3",
            "--kafka-session-timeout-ms=6000",
            "--kafka-brokers",
            &self.kafka_of_workers,
            "--kafka-topic",
            &self.topic,
            "--kafka-dlq-topic",
            &dead_letters,
            "--kafka-group",
            &self.topic,
            "--database-url",
            &self.schema.database_url,
        ];
        let all = given.iter().chain(more);
        all.map(|argument| (*argument).to_owned()).collect()
    }

    /// Starts a worker and waits until it reads.
    pub async fn worker(&self, more: &[&str]) -> Running {
        let running = self.start_worker(more);
        running.until_ready().await;
        running
    }

    /// Starts a worker.
    pub fn start_worker(&self, more: &[&str]) -> Running {
        let worker = Worker::build(self.config(more));
        let address = worker.address();
        let shutdown = CancellationToken::new();
        Running {
            address,
            shutdown: shutdown.clone(),
            ended: Some(tokio::spawn(worker.run_until_stopped(shutdown))),
        }
    }

    /// Appends records to a partition; Kafka chooses their offsets.
    pub async fn send(&self, partition: i32, records: &[Record]) {
        self.send_with(&self.producer, partition, records).await;
    }

    /// A client for administration.
    pub fn admin(&self) -> AdminClient<DefaultClientContext> {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.kafka);
        client.create().unwrap()
    }

    /// A producer whose records are part of transactions.
    pub fn transactional_producer(&self) -> FutureProducer {
        let producer: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", &self.kafka)
            .set("transactional.id", &self.topic)
            .create()
            .unwrap();
        producer.init_transactions(Timeout::Never).unwrap();
        producer
    }

    /// Appends records to a partition in a transaction of their own. Its end is a marker, which has an offset too.
    pub async fn send_in_transaction(
        &self,
        producer: &FutureProducer,
        partition: i32,
        records: &[Record],
        ends: TransactionEnd,
    ) {
        producer.begin_transaction().unwrap();
        self.send_with(producer, partition, records).await;
        match ends {
            TransactionEnd::Commit => producer.commit_transaction(Timeout::Never),
            TransactionEnd::Abort => producer.abort_transaction(Timeout::Never),
        }
        .unwrap();
    }

    /// The offset after the last one of a partition.
    pub fn end(&self, partition: i32) -> i64 {
        let client = self.producer.client();
        let bounds = client.fetch_watermarks(&self.topic, partition, Timeout::Never);
        bounds.unwrap().1
    }

    /// The offset that the workers have committed for a partition.
    pub fn committed(&self, partition: i32) -> Option<i64> {
        let group: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.kafka)
            .set("group.id", &self.topic)
            .create()
            .unwrap();
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition(&self.topic, partition);
        let committed = group.committed_offsets(wanted, Timeout::Never).unwrap();
        match committed.elements()[0].offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }
    }

    /// How many records are on the topic of dead letters.
    pub fn copies(&self) -> i64 {
        let topic = format!("{}.dlq", self.topic);
        let client = self.producer.client();
        let bounds = client.fetch_watermarks(&topic, 0, Timeout::Never);
        bounds.unwrap().1
    }

    async fn send_with(&self, producer: &FutureProducer, partition: i32, records: &[Record]) {
        for record in records {
            let record = on(partition, record);
            let headers = match &record.content {
                Content::Event(event) => headers(event),
                Content::DeadLetter(_) => OwnedHeaders::new(),
            };
            let key = record.source.key().unwrap_or_default().to_vec();
            let value = record.source.value().unwrap_or_default().to_vec();
            let record = FutureRecord::to(&self.topic)
                .partition(partition)
                .headers(headers)
                .key(&key)
                .payload(&value);
            producer.send(record, Timeout::Never).await.unwrap();
        }
    }

    /// Appends a record to partition 0 that no producer of ours would send.
    pub async fn send_raw(&self, ce_type: Option<&[u8]>, key: Option<&[u8]>, value: Option<&[u8]>) {
        let mut headers = OwnedHeaders::new();
        if ce_type.is_some() {
            let key = "ce_type";
            headers = headers.insert(Header {
                key,
                value: ce_type,
            });
        }
        let mut record = FutureRecord::<[u8], [u8]>::to(&self.topic)
            .partition(0)
            .headers(headers);
        record.key = key;
        record.payload = value;
        self.producer.send(record, Timeout::Never).await.unwrap();
    }

    pub async fn count(&self, what: &str) -> i64 {
        let query = format!("SELECT count(*) FROM {what}");
        self.schema.sql.query_one(&query, &[]).await.unwrap().get(0)
    }

    pub async fn until_count(&self, what: &str, wanted: i64) {
        until(&format!("{wanted} {what}"), async || {
            self.count(what).await == wanted
        })
        .await;
    }
}

/// The record, or, if it opens a sale, its opening on this partition.
fn on(partition: i32, record: &Record) -> Record {
    let Content::Event(Event::SaleOpened(sale)) = &record.content else {
        return record.clone();
    };
    let sale = SaleOpened {
        partition,
        ..SaleOpened::clone(sale)
    };
    let key = record.source.key();
    let event = Event::SaleOpened(Box::new(sale));
    Record::new(0, 0, key, Some(&event.encode()), Ok(event))
}

/// A worker in this process. Dropping this stops it.
pub struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    ended: Option<JoinHandle<std::io::Result<()>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Running {
    /// Where it serves HTTP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the worker reads.
    pub async fn until_ready(&self) {
        until("the worker is ready", async || {
            self.get("/readyz").await.0 == 200
                && self.metric("partitions_assigned").await == f64::from(PARTITIONS)
        })
        .await;
    }

    /// Stops the worker and waits until it has left its group.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        self.ended.take().unwrap().await.unwrap().unwrap();
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("http://{}{path}", self.address))
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// A metric, by its name and labels as they are printed.
    pub async fn metric(&self, name: &str) -> f64 {
        let (_, metrics) = self.get("/metrics").await;
        let value = metrics
            .lines()
            .find_map(|line| line.strip_prefix(&format!("inventory_worker_{name} ")));
        value.map_or(0.0, |value| value.parse().unwrap())
    }
}
