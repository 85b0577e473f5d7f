//! Measures whether memory stays constant under a long load, how much of it an order takes in Redis, and whether it is
//! freed afterwards.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::wait::wait_until;
use fluxgate_domain::ids::ProductId;
use serde_json::json;
use tokio::time::sleep;
use tokio::try_join;

use super::{Bench, Outcome, sampled, told};
use crate::lab::redis::{Redis, keys};
use crate::lab::{PLENTY, Side, Stack};
use crate::load::{Requests, Schedule, constant, soon};
use crate::measure::memory;
use crate::measure::statistics::slope;
use crate::result::Table;

const NAME: &str = "soak";
const SECONDS: u32 = 600;
const PER_SECOND: u32 = 1_000;
/// One order in this many is accepted.
const TAKEN_EVERY: u64 = 10;
/// How long Redis keeps the records of a closed sale in this scenario.
const RECORD_TTL_SECONDS: u32 = 5;
const PAUSE_BETWEEN_SAMPLES: Duration = Duration::from_secs(5);
/// If a sale has a limit per user, Redis stores the units of each user.
const UNITS_PER_USER: u32 = 2;
/// Orders that are accepted while Kafka is down, to measure the memory of an outbox entry.
const WAITING: u64 = 10_000;
const WAITING_PER_SECOND: u32 = 2_000;
const EMPTY_LIMIT: Duration = Duration::from_secs(60);
/// Time for the memory to be freed after the TTL: the relay makes one pass per second, and Redis expires keys ten times
/// per second.
const EXPIRY_GRACE: Duration = Duration::from_secs(20);
/// The scenario fails if one of our services grows by more MiB per minute.
const GROWTH_MAX: f64 = 1.0;
/// The share of the sale's memory that must be freed after the sale has expired.
const FREED_MIN: f64 = 0.95;

/// The processes whose memory is sampled; the first two are ours.
const SAMPLED: [&str; 5] = ["ingest-api", "worker", "Redis", "Kafka", "PostgreSQL"];
const OURS: usize = 2;

/// Seconds since the start, and MiB of each of [`SAMPLED`].
type Sample = (f64, [f64; 5]);

pub async fn measure(bench: &mut Bench<'_>) -> Result<Outcome> {
    let (ttl, build) = (RECORD_TTL_SECONDS.to_string(), bench.side().build.clone());
    let settings = [("ORDER_RECORD_TTL_SECONDS", ttl.as_str())];
    let mut side = bench.lab.start_side(build, &settings).await?;
    side.set_worker(true).await?;
    let redis = Redis::at(side.setting("REDIS_URL"))?;
    let terms = json!({"quantity": PLENTY, "perUserLimit": UNITS_PER_USER});
    let opened_at = side.open_sale_on(NAME, &terms).await?;
    let keys = keys(&ProductId::parse(NAME)?, opened_at.as_millisecond());
    let before = redis.memory("used_memory").await?;

    let per_second = bench.sizes.per_second.unwrap_or(PER_SECOND);
    let schedule = soon(per_second, bench.seconds.unwrap_or(SECONDS));
    // Every user orders once, because Redis keeps a record per user.
    let requests = Requests::mixed_of(NAME, NAME, TAKEN_EVERY, u64::MAX);
    let sending = constant(side.api.address, schedule, requests);
    let (end, mut samples) = (schedule.due(schedule.count), Vec::new());
    let sampling = async {
        while Instant::now() < end {
            let at = schedule.start.elapsed().as_secs_f64();
            samples.push((at, look(&bench.lab.stack, &side, &redis).await?));
            sleep(PAUSE_BETWEEN_SAMPLES).await;
        }
        Ok(())
    };
    let both = async { Ok(try_join!(sending, sampling)?.0) };
    let sent = sampled(&bench.lab.watched(&side)?, both).await?;
    let mut measured = told(sent, bench.empty(NAME, ""));
    side.everything_is_written().await?;

    eprintln!("bench: what the orders left in Redis, and whether it is freed");
    let sale = (keys, before, schedule.count.div_ceil(TAKEN_EVERY));
    let (figures, freed) = weigh_and_close(&bench.lab.stack, &side, &redis, sale).await?;
    side.close().await?;
    measured.more = figures;
    Ok(Outcome {
        measurements: vec![measured],
        tables: vec![memory_table(&samples)],
        failures: failures(&samples, freed),
    })
}

async fn look(stack: &Stack, side: &Side, redis: &Redis) -> Result<[f64; 5]> {
    let kib = [
        memory::resident_kib(side.api.pid())?,
        memory::resident_kib(side.worker()?.pid())?,
        redis.memory("used_memory").await? / 1_024,
        memory::resident_kib(stack.pid("kafka")?)?,
        memory::tree_kib(stack.pid("postgres")?)?,
    ];
    Ok(kib.map(|kib| kib as f64 / 1_024.0))
}

/// Growth in MiB per minute in the second half: in the first half, caches and pools fill.
fn growth(samples: &[Sample], of: usize) -> f64 {
    let half = samples[samples.len() / 2..].iter();
    let points: Vec<_> = half.map(|(at, mib)| (at / 60.0, mib[of])).collect();
    slope(&points).unwrap_or_default()
}

fn failures(samples: &[Sample], freed: f64) -> Vec<String> {
    let mut failures = Vec::new();
    for (of, name) in SAMPLED.iter().enumerate().take(OURS) {
        let growth = growth(samples, of);
        if growth > GROWTH_MAX {
            failures.push(format!("{name} grows by {growth:.2} MiB a minute"));
        }
    }
    if freed < FREED_MIN {
        let percent = freed * 100.0;
        failures.push(format!(
            "only {percent:.1} % of the sale's memory was freed"
        ));
    }
    failures
}

fn memory_table(samples: &[Sample]) -> Table {
    let row = |(of, name): (usize, &&str)| {
        let all: Vec<f64> = samples.iter().map(|(_, mib)| mib[of]).collect();
        let at = |index: usize| all.get(index).copied().unwrap_or_default();
        let [first, half, last] = [0, all.len() / 2, all.len().saturating_sub(1)].map(at);
        let most = all.iter().copied().fold(0.0, f64::max);
        let cells = [first, half, last, most, growth(samples, of)].map(|it| format!("{it:.2}"));
        [vec![(*name).to_owned()], cells.into()].concat()
    };
    let title = format!("Memory in MiB; the limit of our services is {GROWTH_MAX} MiB a minute");
    let head = "process|first|half-way|last|most|growth in the second half, MiB a minute";
    Table::new(&title, head, SAMPLED.iter().enumerate().map(row))
}

/// Measures the memory of a sale in Redis, with and without orders that wait for Kafka, closes the sale, and waits until
/// it has expired. Returns the figures, and the share of the growth until closing that was freed.
async fn weigh_and_close(
    stack: &Stack,
    side: &Side,
    redis: &Redis,
    (keys, before, taken): ([String; 4], u64, u64),
) -> Result<(BTreeMap<&'static str, f64>, f64)> {
    let [_, orders, outbox, users] = &keys;
    let weigh = async |key: &str| {
        redis
            .number(&["MEMORY", "USAGE", key, "SAMPLES", "0"])
            .await
    };
    let used = async || redis.memory("used_memory").await;
    outbox_is_empty(redis, outbox).await?;
    let after = used().await?;
    let [orders, users] = [weigh(orders).await?, weigh(users).await?];

    stack.script("stop kafka")?;
    let schedule = Schedule {
        count: WAITING,
        ..soon(WAITING_PER_SECOND, 1)
    };
    let sent = constant(side.api.address, schedule, Requests::known(NAME)).await?;
    ensure!(sent.errors == 0, "while Kafka was down: {:?}", sent.wrong);
    let entries = redis.number(&["XLEN", outbox]).await?;
    let waiting = weigh(outbox).await?;
    stack.script("start kafka")?;
    outbox_is_empty(redis, outbox).await?;
    let emptied = weigh(outbox).await?;
    side.everything_is_written().await?;

    let (at_closing, closing) = (used().await?, Instant::now());
    let path = format!("/products/{NAME}/close");
    let (status, answer) = side.client.change(&path, NAME, &json!({})).await?;
    ensure!(status == 200, "closing: {status} {answer}");
    let limit = Duration::from_secs(RECORD_TTL_SECONDS.into()) + EXPIRY_GRACE;
    wait_until("the sale's keys expire", limit, async || {
        let [sale, orders, outbox, users] = &keys;
        let left = redis
            .number(&["EXISTS", sale, orders, outbox, users])
            .await?;
        let unfreed = redis.memory("lazyfree_pending_objects").await?;
        ensure!(left + unfreed == 0, "{left} keys, {unfreed} unfreed values");
        Ok(())
    })
    .await?;
    let (expired_after, expired) = (closing.elapsed(), used().await?);

    let each = |bytes: u64, count: u64| bytes as f64 / count.max(1) as f64;
    let figures = [
        (
            "bytes of an order, in all",
            each(after.saturating_sub(before), taken),
        ),
        (
            "bytes of an order: its record, which answers retries",
            each(orders, taken),
        ),
        (
            "bytes of an order: the units of its user",
            each(users, taken),
        ),
        (
            "bytes of an outbox entry",
            each(waiting.saturating_sub(emptied), entries),
        ),
        ("bytes of the outbox: with orders that wait", waiting as f64),
        (
            "bytes of the outbox: after they were published",
            emptied as f64,
        ),
        ("bytes of Redis: 1. before the sale", before as f64),
        (
            "bytes of Redis: 2. when the sale was closed",
            at_closing as f64,
        ),
        ("bytes of Redis: 3. after the sale expired", expired as f64),
        (
            "seconds until the sale expired",
            expired_after.as_secs_f64(),
        ),
    ];
    let grown = at_closing.saturating_sub(before);
    Ok((
        figures.into(),
        each(at_closing.saturating_sub(expired), grown),
    ))
}

async fn outbox_is_empty(redis: &Redis, outbox: &str) -> Result<()> {
    wait_until("the outbox is empty", EMPTY_LIMIT, async || {
        let waiting = redis.number(&["XLEN", outbox]).await?;
        ensure!(waiting == 0, "{waiting} entries");
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_grows_fails_and_one_that_only_warms_up_does_not() {
        let sample = |n: u32| {
            let (api, worker) = (f64::from(10 + n), f64::from(20 + n.min(10)));
            (f64::from(n) * 5.0, [api, worker, 1.0, 1.0, 1.0])
        };
        let samples: Vec<Sample> = (0..40).map(sample).collect();
        assert_eq!(
            failures(&samples, 1.0),
            ["ingest-api grows by 12.00 MiB a minute"]
        );
        assert_eq!(failures(&samples[..20], 0.9).len(), 2);
    }
}
