use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::fixture::{World, read, until};

fn stderr_of(settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ingest-api"));
    program.env_clear().envs(settings.iter().copied());
    let output = program.output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_bad_or_missing_setting_ends_the_program_with_its_name() {
    let good = [
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("KAFKA_BROKERS", "127.0.0.1:1"),
    ];
    for (name, value) in [
        ("REDIS_URL", None),
        ("KAFKA_BROKERS", None),
        ("REDIS_URL", Some("nonsense")),
        ("IN_FLIGHT_MAX", Some("many")),
        ("CONNECTIONS_MAX", Some("0")),
        ("HTTP_ADDR", Some("here")),
        ("LOG_FORMAT", Some("xml")),
        ("READ_DATABASE_URL", Some("postgres://u:secret@[")),
        ("COMPAT_ROUTES", Some("maybe")),
        ("OPS_ADDR", Some("there")),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", Some("collector:4318")),
    ] {
        let mut settings: Vec<_> = good
            .iter()
            .copied()
            .filter(|(known, _)| *known != name)
            .collect();
        settings.extend(value.map(|value| (name, value)));
        let (code, stderr) = stderr_of(&settings);
        assert_eq!(code, Some(2), "{name}: {stderr}");
        assert!(stderr.contains(name), "{name}: {stderr}");
        assert!(!stderr.contains("secret"), "{stderr}");
    }
}

#[test]
fn a_port_that_is_taken_ends_the_program_with_the_settings_name() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, stderr) = stderr_of(&[
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

/// The program, with what it has logged so far; it is killed with this.
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
    /// Logs JSON at `info`, and traces every request to a receiver that is away.
    fn start(world: &World) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_ingest-api"));
        program
            .env_clear()
            .env("HTTP_ADDR", "127.0.0.1:0")
            .env("OPS_ADDR", "127.0.0.1:0")
            .env("HTTP_THREADS", "1")
            .env("REDIS_URL", &world.redis_url)
            .env("KAFKA_BROKERS", &world.kafka)
            .env("KAFKA_TOPIC", &world.topic)
            .env("READ_DATABASE_URL", &world.database_url)
            .env("LOG_FORMAT", "json")
            .env("RUST_LOG", "info")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
            .env("OTEL_TRACES_SAMPLER_ARG", "1");
        let mut process = program.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let lines = Arc::<Mutex<Vec<Value>>>::default();
        let written = Arc::clone(&lines);
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                written.lock().unwrap().push(line);
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

    /// An address that it has logged.
    async fn logged(&self, field: &str) -> String {
        let find = || {
            let lines = self.lines();
            let found = lines.iter().find_map(|line| line[field].as_str());
            found.map(str::to_owned)
        };
        until("it has logged its address", async || find().is_some()).await;
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
async fn a_failed_order_is_logged_with_its_ids_and_refused_ones_are_not() {
    let world = World::new().await;
    let (damaged, sold_out) = {
        let app = world.app(&[]).await;
        (app.sale(2).await, app.sale(1).await)
    };
    let running = Running::start(&world);
    let ops = running.logged("ops.address").await;
    until("it is ready", async || {
        let asked = running.client.get(format!("http://{ops}/readyz")).send();
        asked.await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;

    let (_, order) = read(running.order(&damaged, "first", "k").await).await;
    let id = order["orderId"].as_str().unwrap().to_owned();
    assert_eq!(running.order(&sold_out, "first", "k").await.status(), 202);
    // A line per order, if there were one, would be one of the hundred.
    let before = running.lines().len();
    for n in 0..100 {
        let answer = running.order(&sold_out, "late", &format!("k{n}")).await;
        assert_eq!(answer.status(), 409);
    }

    let keys = world.keys("fg:*:orders:*").await;
    for key in keys {
        if world.redis::<bool>("HEXISTS", &[&key, &id]).await {
            world.redis::<()>("HSET", &[&key, &id, "nonsense"]).await;
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
    let meanwhile = lines.len() - before;
    assert!(meanwhile < 100, "{meanwhile} lines");
}
