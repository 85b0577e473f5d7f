//! How fast one worker gets from Kafka to committed rows: fills a topic of its own, starts the
//! worker, and watches the positions in PostgreSQL.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use fluxgate_core::events::{Event, OrderReserved, SaleOpened, headers};
use fluxgate_core::ids::{IdempotencyKey, OrderId, ProductId, Quantity, Tag, Total, UserId};
use jiff::Timestamp;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use tokio_postgres::NoTls;

/// Measures how fast one worker drains a topic
#[derive(Parser)]
struct Arguments {
    /// Orders on the topic
    #[arg(long, default_value_t = 600_000)]
    orders: u32,
    /// Partitions, with one sale on each
    #[arg(long, default_value_t = 12)]
    partitions: i32,
    /// The worker's binary
    #[arg(long, default_value = "target/release/inventory-worker")]
    worker: String,
    /// Bootstrap brokers
    #[arg(long, env = "KAFKA_BROKERS")]
    kafka_brokers: String,
    /// PostgreSQL
    #[arg(long, env = "DATABASE_URL")]
    database_url: String,
}

/// The worker must be done by then.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let name = format!("drain_{}", Timestamp::now().as_millisecond());
    let (database, connection) = tokio_postgres::connect(&arguments.database_url, NoTls).await?;
    tokio::spawn(connection);
    database
        .batch_execute(&format!("CREATE SCHEMA {name}; SET search_path = {name}"))
        .await?;

    fill(&arguments, &name).await?;
    let mut worker = start_worker(&arguments, &name)?;
    let measured = watch(&arguments, &database).await;
    let memory = peak_memory_kib(&worker);
    worker.kill()?;
    worker.wait()?;
    database
        .batch_execute(&format!("DROP SCHEMA {name} CASCADE"))
        .await?;

    let seconds = measured?.as_secs_f64();
    let rate = f64::from(arguments.orders) / seconds;
    println!(
        "drained {} orders in {seconds:.2} s: {rate:.0} rows/s, worker's peak memory {} MiB",
        arguments.orders,
        memory? / 1_024
    );
    Ok(())
}

const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);

async fn fill(arguments: &Arguments, topic: &str) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &arguments.kafka_brokers);
    let admin: AdminClient<DefaultClientContext> = config.create()?;
    let new = NewTopic::new(topic, arguments.partitions, TopicReplication::Fixed(1));
    for created in admin.create_topics(&[new], &AdminOptions::new()).await? {
        created.map_err(|(topic, code)| anyhow::anyhow!("{topic}: {code}"))?;
    }
    let producer: ThreadedProducer<DefaultProducerContext> =
        config.set("linger.ms", "20").create()?;
    let now = Timestamp::now();
    for partition in 0..arguments.partitions {
        let product = ProductId::parse(&format!("drain-{partition}"))?;
        let opened = Event::SaleOpened(SaleOpened {
            product_id: product,
            total: Total::try_from(i64::from(arguments.orders))?,
            opens_at: now,
            closes_at: None,
            per_user_limit: None,
            epoch: 1,
            partition,
        });
        send(&producer, topic, partition, &opened)?;
    }
    // As the API does it: an order comes after its sale's opening is acknowledged. A topic this
    // young may refuse its first messages, and a repeated one comes behind those after it.
    producer
        .flush(FLUSH_TIMEOUT)
        .context("no sale was opened")?;
    for n in 0..arguments.orders {
        let partition = i32::try_from(n)? % arguments.partitions;
        let product = ProductId::parse(&format!("drain-{partition}"))?;
        let user = UserId::parse(&format!("user-{n}"))?;
        let key = IdempotencyKey::parse(&n.to_string())?;
        let order = Event::OrderReserved(OrderReserved {
            order_id: OrderId::derive(
                &product,
                Tag::of(&product),
                now.as_millisecond(),
                &user,
                &key,
            ),
            product_id: product,
            user_id: user,
            quantity: Quantity::ONE,
            epoch: 1,
            sequence: n + 1,
            placed_at: now,
        });
        send(&producer, topic, partition, &order)?;
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
    loop {
        let attributes = headers(event);
        let headers = attributes
            .iter()
            .fold(OwnedHeaders::new(), |all, (key, value)| {
                let value = Some(value.as_bytes());
                all.insert(Header { key, value })
            });
        let record = BaseRecord::to(topic)
            .partition(partition)
            .key(key)
            .payload(&value);
        match producer.send(record.headers(headers)) {
            Ok(()) => return Ok(()),
            Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

fn start_worker(arguments: &Arguments, name: &str) -> Result<Child> {
    let joint = if arguments.database_url.contains('?') {
        '&'
    } else {
        '?'
    };
    let url = format!(
        "{}{joint}options=-c%20search_path%3D{name}",
        arguments.database_url
    );
    Command::new(&arguments.worker)
        .env("DATABASE_URL", url)
        .env("KAFKA_BROKERS", &arguments.kafka_brokers)
        .env("KAFKA_TOPIC", name)
        .env("KAFKA_DLQ_TOPIC", format!("{name}.dlq"))
        .env("KAFKA_GROUP", name)
        .env("HTTP_ADDR", "127.0.0.1:0")
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("{} could not be started", arguments.worker))
}

/// From the moment the positions begin to move until they have passed everything.
async fn watch(arguments: &Arguments, database: &tokio_postgres::Client) -> Result<Duration> {
    let expected = i64::from(arguments.orders) + i64::from(arguments.partitions);
    let started = Instant::now();
    let mut moving_since = None;
    while started.elapsed() < PATIENCE {
        // The worker makes the table; until then the question is an error.
        let sum = "SELECT coalesce(sum(next_offset), 0)::bigint FROM positions";
        let read: i64 = match database.query_one(sum, &[]).await {
            Ok(row) => row.try_get(0)?,
            Err(_) => 0,
        };
        if read == 0 {
            moving_since = Some(Instant::now());
        }
        if read >= expected {
            let rows: i64 = database
                .query_one(
                    "SELECT count(*) FROM orders WHERE status = 'confirmed'",
                    &[],
                )
                .await?
                .try_get(0)?;
            ensure!(rows == i64::from(arguments.orders), "only {rows} rows");
            return Ok(moving_since.unwrap_or(started).elapsed());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    anyhow::bail!("not drained after {PATIENCE:?}")
}

fn peak_memory_kib(worker: &Child) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.context("no VmHWM")?.parse()?)
}
