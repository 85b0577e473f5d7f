//! A running app with names of its own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use clap::{CommandFactory, FromArgMatches};
use fluxgate_gate::GateMetrics;
use fluxgate_gate::ReservationStore;
use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::config::Config;
use fred::types::{ClusterHash, CustomCommand, FromValue};
use ingest_api::app::Application;
use ingest_api::config::{Cli, Config as ApiConfig};
use inventory_worker::config::DatabaseSettings;
use inventory_worker::store::Store;
use prometheus::Registry;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_postgres::NoTls;
use tokio_util::sync::CancellationToken;

const PARTITIONS: i32 = 3;
pub const TOKEN: &str = "secret";

/// Redis databases of the test stack that are ours; the first ones belong to the end-to-end tests.
const REDIS_DATABASES: std::ops::Range<u32> = 16..64;

/// A Redis database, a schema and a topic that no other test has.
pub struct World {
    pub redis_url: String,
    pub kafka: String,
    pub topic: String,
    pub database_url: String,
    redis: Client,
    pub sql: tokio_postgres::Client,
}

impl World {
    pub async fn new() -> Self {
        static TAKEN: AtomicU32 = AtomicU32::new(0);
        let number = REDIS_DATABASES.start + TAKEN.fetch_add(1, Ordering::Relaxed);
        assert!(
            REDIS_DATABASES.contains(&number),
            "more worlds than Redis databases"
        );
        let redis_url = format!("{}/{number}", address_of("REDIS_URL"));
        let redis = Client::new(Config::from_url(&redis_url).unwrap(), None, None, None);
        redis.init().await.unwrap();

        let (kafka, topic) = (address_of("KAFKA_BROKERS"), unique("orders"));
        create_topic(&kafka, &topic).await;

        let schema = unique("api").replace('-', "_");
        let database_url = address_of("DATABASE_URL");
        let joint = if database_url.contains('?') { '&' } else { '?' };
        let database_url = format!("{database_url}{joint}options=-c%20search_path%3D{schema}");
        let (sql, connection) = tokio_postgres::connect(&database_url, NoTls).await.unwrap();
        tokio::spawn(connection);
        sql.batch_execute(&format!("CREATE SCHEMA {schema}"))
            .await
            .unwrap();
        let settings = DatabaseSettings {
            database_url: database_url.clone(),
            database_ca_file: None,
            flush_timeout_ms: 5_000,
        };
        Store::connect(&settings, 1)
            .unwrap()
            .migrate()
            .await
            .unwrap();
        let world = Self {
            redis_url,
            kafka,
            topic,
            database_url,
            redis,
            sql,
        };
        // What an earlier run on the same stack left.
        world.empty_redis().await;
        world
    }

    pub fn settings(&self, more: &[&str]) -> ApiConfig {
        let given = [
            "ingest-api",
            "--http-addr=127.0.0.1:0",
            "--http-threads=1",
            "--admin-token",
            TOKEN,
            "--redis-url",
            &self.redis_url,
            "--kafka-brokers",
            &self.kafka,
            "--kafka-topic",
            &self.topic,
            "--read-database-url",
            &self.database_url,
        ];
        // In a program a setting given twice is an error; here the later one is the test's own.
        let command = Cli::command().args_override_self(true);
        let matches = command.get_matches_from(given.iter().chain(more));
        Cli::from_arg_matches(&matches).unwrap().config
    }

    /// What Redis answers to a command, of which fred knows only some here.
    pub async fn redis<T: FromValue>(&self, command: &'static str, arguments: &[&str]) -> T {
        let command = CustomCommand::new_static(command, ClusterHash::FirstKey, false);
        self.redis
            .custom(command, arguments.to_vec())
            .await
            .unwrap()
    }

    /// The keys of a kind.
    pub async fn keys(&self, pattern: &str) -> Vec<String> {
        self.redis("KEYS", &[pattern]).await
    }

    /// Everything that Redis knew is gone; what it is asked is still answered.
    pub async fn empty_redis(&self) {
        self.redis::<()>("FLUSHDB", &[]).await;
    }

    /// The ids of the first so many events on the topic, by partition.
    pub async fn ids_on_kafka(&self, count: usize) -> Vec<String> {
        let consumer: StreamConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.kafka)
            .set("group.id", &self.topic)
            .create()
            .unwrap();
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            all.add_partition_offset(&self.topic, partition, Offset::Beginning)
                .unwrap();
        }
        consumer.assign(&all).unwrap();
        let mut ids = Vec::new();
        while ids.len() < count {
            let message = timeout(Duration::from_secs(30), consumer.recv()).await;
            let message = message.expect("so many events are on the topic").unwrap();
            let mut headers = message.headers().unwrap().iter();
            let id = headers.find(|header| header.key == "ce_id").unwrap();
            ids.push(String::from_utf8(id.value.unwrap().to_owned()).unwrap());
        }
        ids
    }

    /// The gate alone, as a copy of the service uses it.
    pub fn stock(&self) -> ReservationStore {
        ReservationStore::connect(
            &self.settings(&[]).redis,
            GateMetrics::register(&Registry::new(), "ingest_api"),
        )
        .unwrap()
    }

    /// One more copy of the service; a setting in `more` replaces the usual one.
    pub async fn app(&self, more: &[&str]) -> App {
        App::run(self.settings(more)).await
    }
}

/// An app in this process; it stops with this.
pub struct App {
    address: SocketAddr,
    ops_address: Option<SocketAddr>,
    client: reqwest::Client,
    shutdown: CancellationToken,
}

impl Drop for App {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub fn address_of(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run `make test`"))
}

/// A name that no other test has.
pub fn unique(what: &str) -> String {
    format!("{what}-{}", uuid::Uuid::new_v4().simple())
}

impl App {
    /// The only copy in a world of its own.
    pub async fn start(more: &[&str]) -> Self {
        World::new().await.app(more).await
    }

    pub async fn run(config: ApiConfig) -> Self {
        let app = Application::build(config);
        let address = app.addresses()[0];
        let ops_address = app.ops_addresses().first().copied();
        let shutdown = CancellationToken::new();
        tokio::spawn(app.run_until_stopped(shutdown.clone()));
        let client = reqwest::Client::new();
        let this = Self {
            address,
            ops_address,
            client,
            shutdown,
        };
        until("the app is ready", async || {
            this.get("/readyz").await.0 == StatusCode::OK
        })
        .await;
        this
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A request to the listener of its own that probes and scrapes have.
    pub fn ops(&self, path: &str) -> RequestBuilder {
        let address = self.ops_address.expect("OPS_ADDR is set");
        self.client.get(format!("http://{address}{path}"))
    }

    /// Tells it to stop, as SIGTERM does.
    pub fn stop(&self) {
        self.shutdown.cancel();
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    /// Opens a sale; the answer's status and body.
    pub async fn open(&self, product: &str, terms: &Value) -> (StatusCode, Value) {
        let put = self.request(Method::PUT, &format!("/products/{product}"));
        read(put.bearer_auth(TOKEN).json(terms).send().await.unwrap()).await
    }

    /// A new sale of so many units.
    pub async fn sale(&self, quantity: u32) -> String {
        let product = unique("p");
        let (status, body) = self.open(&product, &json!({"quantity": quantity})).await;
        assert_eq!(status, 201, "{body}");
        product
    }

    pub async fn order(&self, product: &str, user: &str, quantity: u32, key: &str) -> Response {
        let body = json!({"productId": product, "userId": user, "quantity": quantity});
        let post = self
            .request(Method::POST, "/orders")
            .header("Idempotency-Key", key);
        post.json(&body).send().await.unwrap()
    }

    /// A metric without labels.
    pub async fn metric(&self, name: &str) -> f64 {
        let metrics = self.request(Method::GET, "/metrics").send().await.unwrap();
        let metrics = metrics.text().await.unwrap();
        let value = metrics
            .lines()
            .find_map(|line| line.strip_prefix(&format!("ingest_api_{name} ")));
        value
            .unwrap_or_else(|| panic!("no {name} in\n{metrics}"))
            .parse()
            .unwrap()
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        read(self.request(Method::GET, path).send().await.unwrap()).await
    }
}

pub async fn read(response: Response) -> (StatusCode, Value) {
    (
        response.status(),
        response.json().await.unwrap_or(Value::Null),
    )
}

/// Waits for what is bound to happen; panics when it does not.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn create_topic(brokers: &str, topic: &str) {
    let mut config = ClientConfig::new();
    let config = config.set("bootstrap.servers", brokers);
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
    admin
        .create_topics(&[new], &AdminOptions::new())
        .await
        .unwrap()[0]
        .clone()
        .unwrap();
}
