//! What the calls of one sale cost Redis while it is small, and when it has a million orders and half of them wait in its
//! outbox. A call that reads or removes more the larger the sale is shows here.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::stores::{Redis, sale_keys};
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, Quantity, Tag, Total, UserId};
use fluxgate_domain::order_facts::CancelledBy;
use fluxgate_domain::{SequenceNumber, Terms};
use fluxgate_gate::{
    Ack, Change, ChangeContext, GateMetrics, IndexedSale, ORDERS_PER_CALL_MAX, OutboxEntry,
    RefusalLease, Reservation, ReservationContext, ReservationRequest, ReservationStore, SaleAcks,
    SaleKeys,
};
use jiff::Timestamp;
use prometheus::Registry;

use super::Bench;
use crate::measure::Measurement;
use fluxgate_service::essential_tasks::EssentialTasks;
use fluxgate_service::settings::{OnRedisLoss, RedisSettings};

const SMALL: u32 = 10_000;
const LARGE: u32 = 1_000_000;
/// How often each call is measured.
const CALLS: u32 = 2_000;
/// A call that reads a page or removes one.
const PAGE_CALLS: u32 = 200;
const PAGE: u32 = 500;
/// Orders that share an outbox entry, and entries that one call acknowledges: about a page of orders.
const ENTRY: u32 = ORDERS_PER_CALL_MAX as u32;
const ENTRIES: u32 = 8;
/// A call may cost this multiple of what it costs in the small sale: hash tables that do not fit into the CPU's cache are
/// slower.
const COST_MAX: f64 = 1.5;
const OUTBOX_MAX: u32 = 10 * LARGE;

/// A sale with so many orders, of which the first half has been acknowledged.
struct Sale {
    store: ReservationStore,
    product: ProductId,
    keys: SaleKeys,
    opened_at: Timestamp,
    orders: u32,
}

/// Microseconds of Redis's main thread per call, by name.
type Costs = Vec<(&'static str, f64)>;

pub async fn measure(bench: &Bench<'_>) -> Result<Measurement> {
    let redis = &bench.side.sandbox.stores.redis;
    let mut costs = Vec::new();
    let started = Instant::now();
    redis.command::<String>(&["SLOWLOG", "RESET"]).await?;
    for orders in [SMALL, LARGE] {
        let product = ProductId::parse(&format!("{}-{orders}", bench.unique()))?;
        let sale = Sale::fill(bench, product, orders).await?;
        costs.push(sale.costs(redis).await?);
        let keys = sale_keys(&sale.product, sale.opened_at.as_millisecond());
        let _: u64 = redis
            .command(&["UNLINK", &keys[0], &keys[1], &keys[2], &keys[3]])
            .await?;
    }
    let mut measured = Measurement {
        count: u64::from(SMALL + LARGE),
        seconds: started.elapsed().as_secs_f64(),
        ..Measurement::default()
    };
    for ((name, small), (_, large)) in costs[0].iter().zip(&costs[1]) {
        measured.add(format!("{name}: us per call, {SMALL} orders"), *small);
        measured.add_limited(
            &format!("{name}: with {LARGE} orders, x"),
            large / small,
            COST_MAX,
        );
    }
    measured.add("slowest command, ms", slowest_ms(redis).await?);
    Ok(measured)
}

impl Sale {
    async fn fill(bench: &Bench<'_>, product: ProductId, orders: u32) -> Result<Self> {
        let settings = RedisSettings {
            redis_url: bench.side.settings["REDIS_URL"].clone(),
            redis_ca_file: None,
            redis_timeout_ms: 10_000,
            redis_connections: 1,
            redis_wait_replicas: 0,
            on_redis_loss: OnRedisLoss::Stop,
        };
        let store = ReservationStore::connect(
            &settings,
            GateMetrics::register(&Registry::new(), "bench"),
            &EssentialTasks::default(),
        )?;
        store.load_scripts().await?;
        let terms = Terms {
            per_user_limit: Some(10),
            ..Terms::of(Total::try_from(i64::from(2 * LARGE))?)
        };
        store.claim(&product, &terms, 0).await?;
        // The side's relay must not publish these orders.
        let indexed = IndexedSale {
            product: product.clone(),
            retirements: Vec::new(),
        };
        store.unindex(&indexed, 1).await?;
        let view = store.sale(&product).await?.context("the sale is gone")?;
        let opened_at = view.facts.opens_at;
        let keys = view.facts.keys();
        let sale = Self {
            store,
            product,
            keys,
            opened_at,
            orders,
        };
        let opening = number(0).into();
        sale.store.ack_and_apply(&sale.keys, opening).await?;
        for first in (0..orders).step_by(ENTRY as usize) {
            sale.reserve(first..orders.min(first + ENTRY)).await?;
        }
        for first in (0..orders / 2 / ENTRY).step_by(ENTRIES as usize) {
            sale.acknowledge(first).await?;
        }
        Ok(sale)
    }

    /// Measures the calls that the API, the relay and the reconciler make for a sale.
    async fn costs(&self, redis: &Redis) -> Result<Costs> {
        let (keys, store, count) = (&self.keys, &self.store, self.orders);
        let (half, context) = (count / 2, self.context());
        let change = ChangeContext {
            product: &self.product,
            keys,
            high_water_mark: number(0),
            outbox_max: OUTBOX_MAX,
        };
        let reserve = cost(redis, CALLS, async |n| {
            let first = count + n * 4;
            self.reserve(first..first + 4).await
        });
        let replay = cost(redis, CALLS, async |n| {
            let answers = store.reserve(&context, vec![self.request(n)?]).await?;
            let answers: Vec<_> = answers
                .into_iter()
                .flatten()
                .map(|it| it.reservation)
                .collect();
            let known = matches!(answers[..], [Reservation::Known { waiting: false, .. }]);
            ensure!(known, "a replay: {answers:?}");
            Ok(())
        });
        let order = cost(redis, CALLS, async |n| {
            let found = store.order(self.request(half + n)?.order_id).await?;
            found.map(drop).context("an order is gone")
        });
        let view = cost(redis, CALLS, async |_| {
            let found = store.sale(&self.product).await?;
            found.map(drop).context("the sale is gone")
        });
        let page = cost(redis, PAGE_CALLS, async |n| {
            let after = number(half + n);
            let page = store
                .read_outbox(keys, Some(after), number(u32::MAX), PAGE)
                .await?;
            ensure!(
                page.events.len() >= PAGE as usize,
                "a page: {}",
                page.events.len()
            );
            Ok(())
        });
        // The pages, and the call that checks them.
        let calls = f64::from(half / PAGE + 1);
        let snapshot = cost(redis, 1, async |_| {
            let snapshot = store.snapshot(keys).await?;
            snapshot.map(drop).context("the sale is gone")
        });
        let lease = cost(redis, CALLS, async |_| {
            let lease = store
                .grant_refusal_lease(&context, Duration::ZERO, None)
                .await?;
            ensure!(lease == RefusalLease::Denied, "a lease: {lease:?}");
            Ok(())
        });
        let cancel = cost(redis, CALLS, async |n| {
            let id = self.request(half + n)?.order_id;
            let change = store.cancel(change, id, CancelledBy::Shop).await?;
            let is_noted = matches!(change, Change::Noted { .. });
            ensure!(is_noted, "a cancel: {change:?}");
            Ok(())
        });
        let acknowledge = cost(redis, PAGE_CALLS / 25, async |n| {
            self.acknowledge(half / ENTRY + (n + 1) * ENTRIES).await
        });
        Ok(vec![
            ("4 new orders", reserve.await?),
            ("replay", replay.await?),
            ("order", order.await?),
            ("view", view.await?),
            ("page of the outbox", page.await?),
            ("snapshot of the audit", snapshot.await? / calls),
            ("refusal lease", lease.await?),
            ("cancel", cancel.await?),
            ("acknowledgement of a page", acknowledge.await?),
        ])
    }

    fn context(&self) -> ReservationContext<'_> {
        ReservationContext {
            keys: &self.keys,
            opened_at: self.opened_at,
            is_limited: false,
            high_water_mark: number(0),
            outbox_max: OUTBOX_MAX,
            shares_entries: true,
        }
    }

    /// An order of a user of its own.
    fn request(&self, n: u32) -> Result<ReservationRequest> {
        let user = UserId::parse(&format!("user-{n}"))?;
        let key = IdempotencyKey::parse("key")?;
        let (tag, opened_at_ms) = (Tag::of(&self.product), self.opened_at.as_millisecond());
        Ok(ReservationRequest {
            order_id: OrderId::derive(&self.product, tag, opened_at_ms, &user, &key),
            user,
            quantity: Quantity::try_from(1)?,
        })
    }

    async fn reserve(&self, orders: Range<u32>) -> Result<()> {
        let requests = orders
            .map(|n| self.request(n))
            .collect::<Result<Vec<_>>>()?;
        for answer in self.store.reserve(&self.context(), requests).await? {
            let order = answer?.reservation;
            let is_reserved = matches!(order, Reservation::Reserved { .. });
            ensure!(is_reserved, "an order: {order:?}");
        }
        Ok(())
    }

    /// Acknowledges [`ENTRIES`] from this one on.
    async fn acknowledge(&self, first: u32) -> Result<()> {
        let entry = |index| OutboxEntry {
            id: number(1 + index * ENTRY),
            events: ENTRY as u8,
        };
        let acks = (first..first + ENTRIES).map(|index| Ack::Entry(entry(index)));
        let (keys, acks) = (&self.keys, &acks.collect::<Vec<_>>()[..]);
        let mut removed = self.store.ack_all(&[SaleAcks { keys, acks }]).await?;
        let removed = removed.remove(0)?;
        ensure!(
            removed == u64::from(ENTRIES),
            "{removed} entries were removed"
        );
        Ok(())
    }
}

fn number(sequence: u32) -> SequenceNumber {
    SequenceNumber { epoch: 1, sequence }
}

/// CPU of Redis's main thread, which executes the calls, in microseconds per call.
async fn cost(redis: &Redis, calls: u32, work: impl AsyncFn(u32) -> Result<()>) -> Result<f64> {
    let before = main_thread_us(redis).await?;
    for n in 0..calls {
        work(n).await?;
    }
    Ok((main_thread_us(redis).await? - before) / f64::from(calls))
}

async fn main_thread_us(redis: &Redis) -> Result<f64> {
    let info: String = redis.command(&["INFO", "cpu"]).await?;
    let used = info.lines().filter_map(|line| {
        let (name, seconds) = line.trim().split_once(':')?;
        let is_main = name.starts_with("used_cpu_") && name.ends_with("_main_thread");
        seconds.parse::<f64>().ok().filter(|_| is_main)
    });
    let used: Vec<f64> = used.collect();
    ensure!(
        used.len() == 2,
        "INFO cpu has {} times of the main thread",
        used.len()
    );
    Ok(used.iter().sum::<f64>() * 1e6)
}

/// The slowest command that Redis has logged since the last reset: those above 10 ms by default.
async fn slowest_ms(redis: &Redis) -> Result<f64> {
    type Entry = (u64, u64, u64, Vec<String>, String, String);
    let entries: Vec<Entry> = redis.command(&["SLOWLOG", "GET", "128"]).await?;
    let longest_us = entries.iter().map(|(_, _, us, ..)| *us).max();
    Ok(longest_us.unwrap_or_default() as f64 / 1_000.0)
}
