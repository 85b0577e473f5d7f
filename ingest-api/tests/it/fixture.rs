//! A running app with names of its own.

use std::net::SocketAddr;

use clap::Parser;
use ingest_api::app::Application;
use ingest_api::config::Config;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub const TOKEN: &str = "secret";

/// An app in this process; it stops with this.
pub struct App {
    address: SocketAddr,
    client: Client,
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
    pub async fn start(more: &[&str]) -> Self {
        let (redis, kafka) = (address_of("REDIS_URL"), address_of("KAFKA_BROKERS"));
        let topic = unique("orders");
        create_topic(&kafka, &topic).await;
        let given = [
            "ingest-api",
            "--http-addr",
            "127.0.0.1:0",
            "--http-threads",
            "1",
            "--redis-url",
            &redis,
            "--kafka-brokers",
            &kafka,
            "--kafka-topic",
            &topic,
            "--admin-token",
            TOKEN,
        ];
        let config = Config::parse_from(given.iter().chain(more));
        let app = Application::build(config).unwrap();
        let address = app.addresses()[0];
        let shutdown = CancellationToken::new();
        tokio::spawn(app.run_until_stopped(shutdown.clone()));
        let client = Client::new();
        let this = Self {
            address,
            client,
            shutdown,
        };
        while this
            .request(Method::GET, "/readyz")
            .send()
            .await
            .unwrap()
            .status()
            != 200
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        this
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

async fn create_topic(brokers: &str, topic: &str) {
    let mut config = ClientConfig::new();
    let config = config.set("bootstrap.servers", brokers);
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let new = NewTopic::new(topic, 3, TopicReplication::Fixed(1));
    admin
        .create_topics(&[new], &AdminOptions::new())
        .await
        .unwrap()[0]
        .clone()
        .unwrap();
}
