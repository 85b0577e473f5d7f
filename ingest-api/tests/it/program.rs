//! The program: settings, exit codes, log lines.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::fixture::{Stores, read, until};

fn run_with(settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ingest-api"));
    program.env_clear().envs(settings.iter().copied());
    let output = program.output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn an_invalid_or_missing_setting_ends_the_program_with_its_name() {
    let valid = [
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("KAFKA_BROKERS", "127.0.0.1:1"),
    ];
    for (name, value) in [
        ("REDIS_URL", None),
        ("KAFKA_BROKERS", None),
        ("REDIS_URL", Some("nonsense")),
        ("IN_FLIGHT_MAX", Some("many")),
        ("CONNECTIONS_MAX", Some("0")),
        ("REQUEST_TIMEOUT_SECONDS", Some("14")),
        ("HTTP_ADDR", Some("here")),
        ("LOG_FORMAT", Some("xml")),
        ("READ_DATABASE_URL", Some("postgres://u:secret@[")),
        ("COMPAT_ROUTES", Some("maybe")),
        ("ADMIN_TOKEN", Some("")),
        ("ADMIN_TOKEN", Some("only-15-secrets")),
        ("ADMIN_TOKEN", Some("a-long-secret,but-with-a-comma")),
        ("ADMIN_TOKEN", Some("a-long-secret with a space")),
        ("OPS_ADDR", Some("there")),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", Some("collector:4318")),
    ] {
        let mut settings: Vec<_> = valid
            .iter()
            .copied()
            .filter(|(known, _)| *known != name)
            .collect();
        settings.extend(value.map(|value| (name, value)));
        let (code, stderr) = run_with(&settings);
        assert_eq!(code, Some(2), "{name}: {stderr}");
        let said = match value {
            None => format!("error: {name} is not set: "),
            Some(_) => "error: invalid value ".to_owned(),
        };
        let mut lines = stderr.lines();
        let is_named = lines.any(|line| line.starts_with(&said) && line.contains(name));
        assert!(is_named, "{name}: {stderr}");
        assert!(!stderr.contains("secret"), "{stderr}");
    }
}

#[test]
fn changed_settings_are_logged_without_secrets_and_misspelled_ones_are_warned_about() {
    let in_use = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = in_use.local_addr().unwrap().to_string();
    // The port in use ends the program after it has read its settings.
    let (_, stderr) = run_with(&[
        ("REDIS_URL", "redis://:secret@127.0.0.1:1"),
        ("KAFKA_BROKERS", "127.0.0.1:1"),
        ("HTTP_ADDR", &address),
        ("IN_FLIGHT_MAX", "7"),
        ("BODY_LIMIT_BYTES", "16384"),
        ("IN_FLIGTH_MAX", "13579"),
        ("REDIS_SERVICE_HOST", "10.0.0.1"),
        ("REDIS_PORT_6379_TCP", "tcp://10.0.0.1:6379"),
        ("REDIS_PORT", "tcp://10.0.0.1:6379"),
    ]);
    let lines = |text: &str| stderr.lines().filter(|line| line.contains(text)).count();
    let expected = format!(
        r#"settings="HTTP_ADDR={address} IN_FLIGHT_MAX=7 REDIS_URL=(set) KAFKA_BROKERS=127.0.0.1:1""#
    );
    assert_eq!(lines(&expected), 1, "{stderr}");
    assert_eq!(lines("resembles"), 1, "{stderr}");
    assert_eq!(
        lines(r#"variable="IN_FLIGTH_MAX" setting="IN_FLIGHT_MAX""#),
        1,
        "{stderr}"
    );
    assert!(
        !stderr.contains("secret") && !stderr.contains("13579"),
        "{stderr}"
    );
}

#[test]
fn a_port_in_use_ends_the_program_with_the_name_of_the_setting() {
    let in_use = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = in_use.local_addr().unwrap().to_string();
    let (code, stderr) = run_with(&[
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("KAFKA_BROKERS", "127.0.0.1:1"),
        ("HTTP_ADDR", &address),
    ]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(
        stderr.contains("HTTP_ADDR") && stderr.contains(&address),
        "{stderr}"
    );
}

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
    fn start(stores: &Stores) -> Self {
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
            .env("OTEL_TRACES_SAMPLER_ARG", "1");
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
    let running = Running::start(&stores);
    let ops = running.logged("ops.address").await;
    until("the program is ready", async || {
        let response = running.client.get(format!("http://{ops}/readyz")).send();
        response.await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;

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
