//! What the program logs.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::fixture::tokens::{AUDIENCE, ISSUER, ProviderKey};
use crate::fixture::{Stores, TOKEN, read, unique, until};

/// A running program with its log lines; it is killed when this is dropped.
struct Running {
    process: Child,
    lines: Arc<Mutex<Vec<Value>>>,
    client: Client,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Running {
    /// Starts it with JSON logs at `info`. Every request is traced, to a collector that is not there.
    fn start(stores: &Stores, more: &[(&str, &str)]) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_ingest-api"));
        program
            .env_clear()
            .env("HTTP_ADDR", "127.0.0.1:0")
            .env("OPS_ADDR", "127.0.0.1:0")
            .env("HTTP_THREADS", "1")
            .env("REDIS_URL", &stores.redis_url)
            .env("KAFKA_BROKERS", &stores.kafka)
            .env("KAFKA_TOPIC", &stores.topic)
            .env("READ_DATABASE_URL", &stores.database_url)
            .env("LOG_FORMAT", "json")
            .env("RUST_LOG", "info")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
            .env("OTEL_TRACES_SAMPLER_ARG", "1")
            .envs(more.iter().copied());
        let mut process = program.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let lines = Arc::<Mutex<Vec<Value>>>::default();
        let collected = Arc::clone(&lines);
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                collected.lock().unwrap().push(line);
            }
        });
        Self {
            process,
            lines,
            client: Client::new(),
        }
    }

    fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for an address in the log.
    async fn logged(&self, field: &str) -> String {
        let find = || {
            let lines = self.lines();
            let found = lines.iter().find_map(|line| line[field].as_str());
            found.map(str::to_owned)
        };
        until("the address is logged", async || find().is_some()).await;
        find().unwrap()
    }

    async fn until_ready(&self) {
        let ops = self.logged("ops.address").await;
        until("the program is ready", async || {
            let response = self.client.get(format!("http://{ops}/readyz")).send();
            response.await.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
    }

    async fn order(&self, product: &str, request_id: &str, key: &str) -> Response {
        let address = self.logged("http.address").await;
        let post = self.client.post(format!("http://{address}/orders"));
        let post = post
            .header("Idempotency-Key", key)
            .header("X-Request-Id", request_id);
        let body = json!({"productId": product, "userId": "ada"});
        post.json(&body).send().await.unwrap()
    }
}

#[tokio::test]
async fn a_failed_order_is_logged_with_its_ids_and_refused_orders_are_not() {
    let stores = Stores::new().await;
    let (damaged, sold_out) = {
        let app = stores.app(&[]).await;
        (app.sale(2).await, app.sale(1).await)
    };
    let running = Running::start(&stores, &[]);
    running.until_ready().await;

    let (_, order) = read(running.order(&damaged, "first", "k").await).await;
    let id = order["orderId"].as_str().unwrap().to_owned();
    assert_eq!(running.order(&sold_out, "first", "k").await.status(), 202);
    // A log line per order would add a hundred lines.
    let before = running.lines().len();
    for n in 0..100 {
        let answer = running.order(&sold_out, "late", &format!("k{n}")).await;
        assert_eq!(answer.status(), 409);
    }

    let keys = stores.keys("fg:*:orders:*").await;
    for key in keys {
        if stores.redis::<bool>("HEXISTS", &[&key, &id]).await {
            stores.redis::<()>("HSET", &[&key, &id, "nonsense"]).await;
        }
    }
    assert_eq!(running.order(&damaged, "mine-7", "k").await.status(), 503);
    let failed = |line: &Value| line["message"] == "request failed";
    until("the failed order is logged", async || {
        running.lines().iter().any(failed)
    })
    .await;

    let lines = running.lines();
    let line = lines.iter().find(|line| failed(line)).unwrap();
    assert_eq!(line["level"], "WARN", "{line}");
    assert_eq!(line["request.id"], "mine-7", "{line}");
    assert_eq!(line["order.id"], id.as_str(), "{line}");
    assert_eq!(line["trace.id"].as_str().map(str::len), Some(32), "{line}");
    assert!(lines.iter().all(Value::is_object), "{lines:#?}");
    let added = lines.len() - before;
    assert!(added < 100, "{added} lines");
}

#[tokio::test]
async fn admin_calls_are_logged_with_the_name_of_the_token_and_refused_ones_and_reads_are_not() {
    let stores = Stores::new().await;
    let secret = "0123456789abcdef0123456789abcdef";
    let running = Running::start(
        &stores,
        &[
            ("ADMIN_TOKEN", "board only-for-these-tests"),
            ("AUTH_HS256_SECRET", secret),
            ("AUTH_ISSUER", ISSUER),
            ("AUTH_AUDIENCE", AUDIENCE),
        ],
    );
    running.until_ready().await;
    let provider = ProviderKey::secret(secret.as_bytes());
    let (shop, buyer) = (provider.shop("backend"), provider.buyer("ada"));
    let address = running.logged("http.address").await;
    let product = unique("p");
    let tokens = [("wrong", 401), (&*buyer, 403), (TOKEN, 201), (&*shop, 200)];
    for (n, (token, status)) in tokens.into_iter().enumerate() {
        let url = format!("http://{address}/products/{product}");
        let figures = running.client.get(format!("{url}/figures"));
        figures.bearer_auth(token).send().await.unwrap();
        let put = running.client.put(url);
        let put = put
            .header("X-Request-Id", format!("call-{n}"))
            .bearer_auth(token);
        let answer = put.json(&json!({"quantity": 5})).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    let calls = || {
        let mut lines = running.lines();
        lines.retain(|line| line["message"] == "admin call");
        lines
    };
    until("two calls are logged", async || calls().len() == 2).await;
    let calls = calls();
    let path = format!("/products/{product}");
    for (line, (field, name), (id, status)) in [
        (&calls[0], ("admin.token", "board"), ("call-2", 201)),
        (&calls[1], ("admin.sub", "backend"), ("call-3", 200)),
    ] {
        assert_eq!(line["level"], "INFO", "{line}");
        assert_eq!(line[field], name, "{line}");
        assert_eq!(line["request.id"], id, "{line}");
        assert_eq!(line["http.method"], "PUT", "{line}");
        assert_eq!(line["url.path"], path.as_str(), "{line}");
        assert_eq!(line["http.status"], status, "{line}");
    }
    let all = format!("{:?}", running.lines());
    for token in [TOKEN, &*shop, &*buyer, secret] {
        assert!(!all.contains(token), "{all}");
    }
}
