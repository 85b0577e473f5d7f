//! From the moment an order was due until another connection to PostgreSQL sees its row, order by
//! order. The ids are derived, so they are known before anything is answered, and the rows can be
//! asked for by their primary key. What is told is too long by up to the pause between two looks,
//! never too short.

use std::time::{Duration, Instant};

use anyhow::Result;
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, Tag, UserId};
use tokio_postgres::Client;
use uuid::Uuid;

use super::{Bench, Scenario};
use crate::cpu;
use crate::load::constant::{self, Schedule};
use crate::load::request;
use crate::measurement::{Latency, Measurement, over_time};
use crate::schema::connect;

const PER_SECOND: u32 = 2_000;
/// Longer than the other scenarios: it is shown over time.
const TIMES: u32 = 2;
const STEP_SECONDS: f64 = 0.25;
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(4);
/// After the last order was due.
const GRACE: Duration = Duration::from_secs(20);

pub async fn measure(scenario: &Scenario, bench: Bench<'_>) -> Result<Measurement> {
    let (lab, seconds) = (bench.lab, bench.seconds * TIMES);
    let product = scenario.unique(bench.round);
    let opened_at_ms = lab.open_sale(&product).await?.as_millisecond();
    let address = lab.api_address()?;
    let ids: Result<Vec<Uuid>> = (0..u64::from(PER_SECOND * seconds))
        .map(|n| id(&product, opened_at_ms, n))
        .collect();
    let (ids, database) = (ids?, connect(lab.stack.database_url()?).await?);

    let watched = lab.watched()?;
    let (before, told) = (watched.sample()?, WorkersOwn::ask(lab.worker()?).await?);
    let schedule = constant::soon(PER_SECOND, seconds);
    let sending = constant::send(address, schedule, move |n| {
        request::order(address, &product, &user(n), &key(n))
    });
    let (sent, committed) = tokio::try_join!(sending, watch(&database, schedule, &ids))?;
    let after = watched.sample()?;
    let told = WorkersOwn::ask(lab.worker()?).await?.mean_ms_since(&told);

    let by_time: Vec<(f64, f64)> = committed
        .iter()
        .enumerate()
        .filter_map(|(n, latency)| {
            let due = schedule.due_after(n as u64).as_secs_f64();
            Some((due, latency.as_ref()?.as_secs_f64() * 1_000.0))
        })
        .collect();
    let refused = sent.iter().filter(|sent| sent.status != Some(202)).count();
    let missing = ids.len() - by_time.len();
    let mut more = std::collections::BTreeMap::from([
        ("without a row".to_owned(), missing as f64),
        (
            "worker's own mean from Redis to commit, ms".to_owned(),
            told,
        ),
    ]);
    if let Some(http) = Latency::of(sent.iter().map(constant::Sent::latency_ms).collect()) {
        more.insert("HTTP answer p50, ms".to_owned(), http.p50);
        more.insert("HTTP answer p99, ms".to_owned(), http.p99);
    }
    Ok(Measurement {
        count: schedule.count,
        seconds: f64::from(seconds),
        errors: refused.max(missing) as u64,
        latency_ms: Latency::of(by_time.iter().map(|(_, ms)| *ms).collect()),
        cpu_us: cpu::between(&before, &after),
        more,
        over_time: over_time(&by_time, STEP_SECONDS),
        ..scenario.measurement(bench.round)
    })
}

/// For each order how long after it was due its row was seen, if it was.
async fn watch(
    database: &Client,
    schedule: Schedule,
    ids: &[Uuid],
) -> Result<Vec<Option<Duration>>> {
    let look = database
        .prepare("SELECT order_id FROM orders WHERE order_id = ANY($1)")
        .await?;
    let deadline = schedule.due(schedule.count) + GRACE;
    let mut latencies = vec![None; ids.len()];
    let (mut awaited, mut due): (Vec<usize>, usize) = (Vec::new(), 0);
    while (due < ids.len() || !awaited.is_empty()) && Instant::now() < deadline {
        let now_due = usize::try_from(schedule.due_by(Instant::now()))?;
        awaited.extend(due..now_due);
        due = now_due;
        let asked: Vec<Uuid> = awaited.iter().map(|n| ids[*n]).collect();
        let seen = database.query(&look, &[&asked]).await?;
        let seen_at = Instant::now();
        let seen: Result<std::collections::HashSet<Uuid>, _> =
            seen.iter().map(|row| row.try_get(0)).collect();
        let seen = seen?;
        awaited.retain(|n| {
            let is_seen = seen.contains(&ids[*n]);
            if is_seen {
                latencies[*n] = Some(seen_at.duration_since(schedule.due(*n as u64)));
            }
            !is_seen
        });
        tokio::time::sleep(PAUSE_BETWEEN_LOOKS).await;
    }
    Ok(latencies)
}

/// What the worker says: seconds from taking the units to the commit, and of how many orders.
struct WorkersOwn {
    seconds: f64,
    orders: f64,
}

impl WorkersOwn {
    async fn ask(worker: &e2e::process::Process) -> Result<Self> {
        let metric = "inventory_worker_end_to_end_seconds";
        Ok(Self {
            seconds: worker.metric(&format!("{metric}_sum")).await?,
            orders: worker.metric(&format!("{metric}_count")).await?,
        })
    }

    fn mean_ms_since(&self, earlier: &Self) -> f64 {
        let orders = (self.orders - earlier.orders).max(1.0);
        (self.seconds - earlier.seconds) / orders * 1_000.0
    }
}

fn user(number: u64) -> String {
    format!("user-{}", number % 1_000)
}

fn key(number: u64) -> String {
    format!("end-to-end-{number}")
}

fn id(product: &str, opened_at_ms: i64, number: u64) -> Result<Uuid> {
    let product = ProductId::parse(product)?;
    let user = UserId::parse(&user(number))?;
    let key = IdempotencyKey::parse(&key(number))?;
    let id = OrderId::derive(&product, Tag::of(&product), opened_at_ms, &user, &key);
    Ok(id.as_uuid())
}
