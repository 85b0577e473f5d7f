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
use crate::lab::{Lab, PLENTY, Side};
use crate::load::{Requests, Schedule, constant, soon};
use crate::measure::statistics::slope;
use crate::measure::{Measurement, memory};

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
/// Orders that are accepted while Kafka is down, to measure the memory of an outbox entry.
const WAITING: u64 = 10_000;
const WAITING_PER_SECOND: u32 = 2_000;
const WRITTEN_LIMIT: Duration = Duration::from_secs(180);
/// The scenario fails if one of our services grows by more MiB per minute.
const GROWTH_MAX: f64 = 1.0;
/// The largest share of the sale's memory that may still be used after the sale has expired, in percent.
const PERCENT_LEFT_MAX: f64 = 5.0;

/// The processes whose memory is sampled, and how much they may grow.
const SAMPLED: [(&str, f64); 5] = [
    ("ingest-api", GROWTH_MAX),
    ("worker", GROWTH_MAX),
    ("Redis", f64::INFINITY),
    ("Kafka", f64::INFINITY),
    ("PostgreSQL", f64::INFINITY),
];

/// Minutes since the start, and MiB of each of [`SAMPLED`].
type Sample = (f64, [f64; 5]);

pub async fn measure(bench: &Bench<'_>) -> Result<Measurement> {
    let settings = [("ORDER_RECORD_TTL_SECONDS", RECORD_TTL_SECONDS)];
    let build = bench.side().build.clone();
    let mut side = bench.lab.start_side(build, &settings).await?;
    side.set_worker(true).await?;
    let soak = Soak::open(&side).await?;

    let per_second = bench.sizes.per_second.unwrap_or(PER_SECOND);
    let schedule = soon(per_second, bench.seconds.unwrap_or(SECONDS));
    let requests = Requests {
        every: TAKEN_EVERY,
        // Every user orders once, because Redis keeps a record per user.
        users: u64::MAX,
        ..Requests::orders(vec![soak.sale.product.to_string()], "soak")
    };
    let sending = constant(side.api.address()?, schedule, requests);
    let (end, mut samples) = (schedule.due(schedule.count), Vec::new());
    let sampling = async {
        while Instant::now() < end {
            let minutes = schedule.start.elapsed().as_secs_f64() / 60.0;
            samples.push((minutes, sample(bench.lab, &side).await?));
            sleep(PAUSE_BETWEEN_SAMPLES).await;
        }
        Ok(())
    };
    let both = async { Ok(try_join!(sending, sampling)?.0) };
    let mut measured = bench.told(&bench.lab.watched(&side)?, both).await?;
    add_memory(&samples, &mut measured);

    eprintln!("bench: what the orders left in Redis, and whether it is freed");
    let taken = schedule.count.div_ceil(TAKEN_EVERY);
    soak.weigh(&bench.lab.stack, taken, &mut measured).await?;
    soak.close(&mut measured).await?;
    side.close().await?;
    Ok(measured)
}

async fn sample(lab: &Lab, side: &Side) -> Result<[f64; 5]> {
    let kib = [
        memory::resident_kib(side.api.pid())?,
        memory::resident_kib(side.worker()?.pid())?,
        info(&side.sandbox.stores.redis, "used_memory").await? / 1_024,
        memory::resident_kib(lab.pid(Store::Kafka)?)?,
        memory::tree_kib(lab.pid(Store::Postgres)?)?,
    ];
    Ok(kib.map(|kib| kib as f64 / 1_024.0))
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
    for (of, (name, growth_max)) in SAMPLED.iter().enumerate() {
        let all: Vec<_> = samples.iter().map(|(at, mib)| (*at, mib[of])).collect();
        // In the first half caches and pools fill.
        let half = &all[all.len() / 2..];
        let mib = |point: Option<&(f64, f64)>| point.map_or(0.0, |(_, mib)| *mib);
        let most = all.iter().map(|(_, mib)| *mib).fold(0.0, f64::max);
        measured.add(format!("{name}, MiB: 1. first"), mib(all.first()));
        measured.add(format!("{name}, MiB: 2. half-way"), mib(half.first()));
        measured.add(format!("{name}, MiB: 3. last"), mib(half.last()));
        measured.add(format!("{name}, MiB: 4. most"), most);
        let growth = format!("{name}, MiB: 5. growth per minute, second half");
        let slope = slope(half).unwrap_or_default();
        measured.add_limited(&growth, slope, *growth_max);
    }
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
            sale: Sale { product, total },
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
        let entries: u64 = self.redis.command(&["XLEN", outbox]).await?;
        let waiting = weigh(outbox).await?;
        stack.bring_back(Store::Kafka).await?;
        self.is_written().await?;
        let emptied = weigh(outbox).await?;

        let mut add = |name: &str, bytes: u64, count: u64| {
            measured.add(format!("bytes {name}"), bytes as f64 / count.max(1) as f64);
        };
        add("of an order, in all", grown, taken);
        add(
            "of an order: its record, which answers retries",
            orders,
            taken,
        );
        add("of an order: the units of its user", users, taken);
        add(
            "of an outbox entry",
            waiting.saturating_sub(emptied),
            entries,
        );
        add("of the outbox: with orders that wait", waiting, 1);
        add("of the outbox: after they were published", emptied, 1);
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
        measured.add(
            "seconds until the sale expired",
            closing.elapsed().as_secs_f64(),
        );
        let [before, at_closing, expired] = [
            self.before,
            at_closing,
            info(self.redis, "used_memory").await?,
        ]
        .map(|it| it as f64);
        measured.add("bytes of Redis: 1. before the sale", before);
        measured.add("bytes of Redis: 2. when the sale was closed", at_closing);
        measured.add("bytes of Redis: 3. after the sale expired", expired);
        let left = 100.0 * (expired - before) / (at_closing - before);
        measured.add_limited(
            "% of the sale's memory that was not freed",
            left,
            PERCENT_LEFT_MAX,
        );
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
            let (api, worker) = (f64::from(10 + n), f64::from(20 + n.min(10)));
            (f64::from(n) / 12.0, [api, worker, api, 1.0, 1.0])
        };
        let samples: Vec<Sample> = (0..40).map(sample).collect();
        let mut measured = Measurement::default();
        add_memory(&samples, &mut measured);
        let growth = "ingest-api, MiB: 5. growth per minute, second half: 12.00, the limit is 1";
        assert_eq!(measured.failures, [growth]);
    }
}
