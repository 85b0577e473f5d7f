//! Measures whether memory stays constant under a long load, how much of it an order takes in Redis, and whether it is
//! freed afterwards.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::order::{Action, Sale};
use e2e::stack::{Stack, Store};
use e2e::stores::{Redis, sale_keys};
use e2e::wait::wait_until;
use fluxgate_domain::ids::ProductId;
use serde_json::json;
use tokio::time::sleep;
use tokio::try_join;

use super::Bench;
use super::bench::told;
use crate::lab::{PLENTY, Side};
use crate::load::{Requests, Schedule, constant, soon};
use crate::measure::Measurement;
use crate::measure::processes::{ByPart, Part};

const SECONDS: u32 = 600;
const PER_SECOND: u32 = 1_000;
/// One order in this many is accepted.
const TAKEN_EVERY: u64 = 10;
/// How long Redis keeps the records of a closed sale in this scenario.
const RECORD_TTL_SECONDS: &str = "5";
/// Time for the memory to be freed after the TTL: the relay makes one pass per second, and Redis expires keys ten times
/// per second.
const EXPIRY_LIMIT: Duration = Duration::from_secs(25);
const PAUSE_BETWEEN_SAMPLES: Duration = Duration::from_secs(5);
/// Orders that are accepted while Kafka is down, to measure the memory of the outbox.
const WAITING: u64 = 10_000;
const WAITING_PER_SECOND: u32 = 2_000;
const WRITTEN_LIMIT: Duration = Duration::from_secs(180);
/// The scenario fails if one of our services grows by more MiB per minute; the memory of the stores is only shown.
const GROWTH_MAX: [(Part, f64); 5] = [
    (Part::Api, 1.0),
    (Part::Worker, 1.0),
    (Part::Redis, f64::INFINITY),
    (Part::Kafka, f64::INFINITY),
    (Part::Postgres, f64::INFINITY),
];
/// The largest share of the sale's memory that may still be used after the sale has expired, in percent.
const PERCENT_LEFT_MAX: f64 = 5.0;

/// Minutes since the start, and the memory of each part.
type Sample = (f64, ByPart);

pub async fn measure(bench: &Bench<'_>) -> Result<Measurement> {
    let settings = [("ORDER_RECORD_TTL_SECONDS", RECORD_TTL_SECONDS)];
    let mut side = Side::start(&bench.lab.stack, bench.side.build.clone(), &settings).await?;
    side.set_worker(true).await?;
    let soak = Soak::open(&side).await?;

    let per_second = bench.per_second.unwrap_or(PER_SECOND);
    let schedule = soon(per_second, bench.seconds.unwrap_or(SECONDS));
    let requests = Requests {
        every: TAKEN_EVERY,
        // Every user orders once, because Redis keeps a record per user.
        users: u64::MAX,
        ..Requests::orders(vec![soak.sale.product.to_string()], "soak")
    };
    let sending = constant(side.api.address()?, schedule, requests);
    let (end, mut samples) = (schedule.due(schedule.count), Vec::new());
    let watched = bench.lab.watched(&side)?;
    let sampling = async {
        while Instant::now() < end {
            let minutes = schedule.start.elapsed().as_secs_f64() / 60.0;
            samples.push((minutes, watched.memory_kib()?));
            sleep(PAUSE_BETWEEN_SAMPLES).await;
        }
        Ok(())
    };
    let both = async { Ok(try_join!(sending, sampling)?.0) };
    let mut measured = told(&watched, both).await?;
    add_memory(&samples, &mut measured);

    eprintln!("bench: what the orders left in Redis, and whether it is freed");
    let taken = schedule.count.div_ceil(TAKEN_EVERY);
    soak.weigh(&bench.lab.stack, taken, &mut measured).await?;
    soak.close(&mut measured).await?;
    side.close().await?;
    Ok(measured)
}

/// A field of `INFO memory`, such as `used_memory`. It covers all databases.
async fn info(redis: &Redis, field: &str) -> Result<u64> {
    let info: String = redis.command(&["INFO", "memory"]).await?;
    let mut fields = info.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields
        .find(|(name, _)| *name == field)
        .context("no field")?;
    Ok(value.trim().parse()?)
}

fn add_memory(samples: &[Sample], measured: &mut Measurement) {
    for (part, growth_max) in GROWTH_MAX {
        let mib = |(at, kib): &Sample| (*at, kib[&part] as f64 / 1_024.0);
        let all: Vec<_> = samples.iter().map(mib).collect();
        // In the first half caches and pools fill.
        let half = &all[all.len() / 2..];
        let name = part.name();
        let mut add = |what: &str, point: Option<&(f64, f64)>| {
            let mib = point.map_or(0.0, |(_, mib)| *mib);
            measured.add(format!("{name}, MiB: {what}"), mib);
        };
        add("1. first", all.first());
        add("2. half-way", half.first());
        add("3. last", half.last());
        add("4. most", all.iter().max_by(|a, b| a.1.total_cmp(&b.1)));
        let growth = format!("{name}, MiB: 5. growth per minute, second half");
        measured.add_limited(&growth, slope(half).unwrap_or_default(), growth_max);
    }
}

/// The slope of y over x, by least squares; `None` if x does not change.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let square: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let product = |(x, y): &(f64, f64)| (x - mean_x) * (y - mean_y);
    let sum: f64 = points.iter().map(product).sum();
    (square > 0.0).then(|| sum / square)
}

/// The sale whose orders are taken.
struct Soak<'a> {
    side: &'a Side,
    redis: &'a Redis,
    sale: Sale,
    /// Its keys in Redis: sale, orders, outbox, users.
    keys: [String; 4],
    /// Bytes of Redis before it was opened.
    before: u64,
}

impl<'a> Soak<'a> {
    async fn open(side: &'a Side) -> Result<Self> {
        let (product, total) = (ProductId::parse("soak")?, PLENTY);
        let redis = &side.sandbox.stores.redis;
        let before = info(redis, "used_memory").await?;
        // If a sale has a limit per user, Redis stores the units of each user.
        let terms = json!({"quantity": total, "perUserLimit": 2});
        let opened_at = side.open_sale_on(product.as_str(), &terms).await?;
        Ok(Self {
            side,
            redis,
            keys: sale_keys(&product, opened_at.as_millisecond()),
            sale: Sale::of(product, total),
            before,
        })
    }

    /// Measures the memory of an order in Redis, and of one that waits for Kafka.
    async fn weigh(&self, stack: &Stack, taken: u64, measured: &mut Measurement) -> Result<()> {
        let [_, orders, outbox, users] = &self.keys;
        let weigh = async |key: &str| {
            let usage = ["MEMORY", "USAGE", key, "SAMPLES", "0"];
            let bytes: Option<u64> = self.redis.command(&usage).await?;
            anyhow::Ok(bytes.unwrap_or_default())
        };
        self.is_written().await?;
        let grown = info(self.redis, "used_memory").await?;
        let grown = grown.saturating_sub(self.before);
        let [orders, users] = [weigh(orders).await?, weigh(users).await?];

        stack.shut_down(Store::Kafka).await?;
        let schedule = Schedule {
            count: WAITING,
            ..soon(WAITING_PER_SECOND, 1)
        };
        let requests = Requests::known(self.sale.product.as_str());
        let sent = constant(self.side.api.address()?, schedule, requests).await?;
        ensure!(sent.errors == 0, "while Kafka was down: {:?}", sent.wrong);
        let waiting = weigh(outbox).await?;
        stack.bring_back(Store::Kafka).await?;
        self.is_written().await?;
        let emptied = weigh(outbox).await?;

        let freed = waiting.saturating_sub(emptied);
        for (of, bytes, count) in [
            ("an order, in all", grown, taken),
            ("an order: its record, which answers retries", orders, taken),
            ("an order: the units of its user", users, taken),
            ("an order in the outbox", freed, WAITING),
        ] {
            let each = bytes as f64 / count.max(1) as f64;
            measured.add(format!("bytes of {of}"), each);
        }
        Ok(())
    }

    /// Closes the sale and waits until it is gone.
    async fn close(&self, measured: &mut Measurement) -> Result<()> {
        let (at_closing, closing) = (info(self.redis, "used_memory").await?, Instant::now());
        let client = &self.side.client;
        client.expect_done(&self.sale, Action::Close).await?;
        wait_until("the sale's keys expire", EXPIRY_LIMIT, async || {
            let [sale, orders, outbox, users] = &self.keys;
            let exist = ["EXISTS", sale, orders, outbox, users];
            let left: u64 = self.redis.command(&exist).await?;
            let unfreed = info(self.redis, "lazyfree_pending_objects").await?;
            ensure!(left + unfreed == 0, "{left} keys, {unfreed} unfreed values");
            Ok(())
        })
        .await?;
        let seconds = closing.elapsed().as_secs_f64();
        measured.add("seconds until the sale expired", seconds);
        let expired = info(self.redis, "used_memory").await?;
        let [before, at_closing, expired] = [self.before, at_closing, expired].map(|it| it as f64);
        let left = 100.0 * (expired - before) / (at_closing - before);
        let name = "% of the sale's memory that was not freed";
        measured.add_limited(name, left, PERCENT_LEFT_MAX);
        Ok(())
    }

    /// Waits until its outbox is empty and all its orders are in PostgreSQL.
    async fn is_written(&self) -> Result<()> {
        let (sales, stores) = ([self.sale.clone()], &self.side.sandbox.stores);
        stores.written(&sales, WRITTEN_LIMIT).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_ours_that_grows_fails_and_one_that_only_warms_up_does_not() {
        let sample = |n: u32| {
            let mut kib: ByPart = GROWTH_MAX
                .map(|(part, _)| (part, u64::from(n) * 1_024))
                .into();
            kib.insert(Part::Worker, 1_024 * u64::from(n.min(10)));
            (f64::from(n) / 12.0, kib)
        };
        let samples: Vec<Sample> = (0..40).map(sample).collect();
        let mut measured = Measurement::default();
        add_memory(&samples, &mut measured);
        let growth = "API, MiB: 5. growth per minute, second half: 12.00, the limit is 1";
        assert_eq!(measured.failures, [growth]);
    }
}
