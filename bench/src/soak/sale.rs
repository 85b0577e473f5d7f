//! What a sale leaves in Redis, and that it goes.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::until::until;
use fluxgate_domain::ids::ProductId;
use serde::Serialize;
use serde_json::json;

use super::RECORD_TTL_SECONDS;
use crate::lab::{Lab, PLENTY};
use crate::load::constant::{self, Schedule};
use crate::load::request;
use crate::redis::{Redis, keys};

pub const PRODUCT: &str = "soak";
/// With a limit, Redis keeps the units of each user.
const UNITS_PER_USER: u32 = 2;
/// Orders that are taken while Kafka is away, to see what a waiting one takes.
const WAITING: u64 = 10_000;
const WAITING_PER_SECOND: u32 = 2_000;
const EMPTY_LIMIT: Duration = Duration::from_secs(60);
/// After the TTL: the sweeper looks once a second, and Redis expires ten times a second.
const EXPIRY_GRACE: Duration = Duration::from_secs(20);

pub struct Sale {
    /// Sale, orders, outbox, users.
    keys: [String; 4],
    before_bytes: u64,
}

/// Bytes.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct InRedis {
    /// Taken while memory was watched.
    pub taken: u64,
    /// All of Redis, before the first of them and once all are cleared.
    pub before: u64,
    pub after: u64,
    /// Of the parts of the sale.
    pub orders: u64,
    pub users: u64,
    /// Of all entries that waited, and of the outbox once they were gone.
    pub waiting: u64,
    pub entries: u64,
    pub emptied: u64,
    /// With all orders, just before the sale was closed.
    pub at_closing: u64,
    /// Once the keys have expired.
    pub expired: u64,
    pub expired_after_seconds: f64,
}

impl Sale {
    pub async fn open(lab: &Lab, redis: &Redis) -> Result<Self> {
        let terms = json!({"quantity": PLENTY, "perUserLimit": UNITS_PER_USER});
        let opened_at = lab.open_sale_on(PRODUCT, &terms).await?;
        let product = ProductId::parse(PRODUCT)?;
        Ok(Self {
            keys: keys(&product, opened_at.as_millisecond()),
            before_bytes: redis.used_bytes().await?,
        })
    }

    /// Weighs it, lets orders wait, closes it, and waits until nothing is left.
    pub async fn end(self, lab: &Lab, redis: &Redis, taken: u64) -> Result<InRedis> {
        let [_, orders, outbox, users] = &self.keys;
        self.outbox_is_empty(redis).await?;
        let weigh = async |key: &str| {
            redis
                .number(&["MEMORY", "USAGE", key, "SAMPLES", "0"])
                .await
        };
        let mut all = InRedis {
            taken,
            before: self.before_bytes,
            after: redis.used_bytes().await?,
            orders: weigh(orders).await?,
            users: weigh(users).await?,
            ..InRedis::default()
        };
        lab.stack.stop("kafka")?;
        order_more(lab).await?;
        all.entries = redis.number(&["XLEN", outbox]).await?;
        all.waiting = weigh(outbox).await?;
        lab.stack.start("kafka")?;
        self.outbox_is_empty(redis).await?;
        all.emptied = weigh(outbox).await?;
        lab.worker_has_written().await?;

        all.at_closing = redis.used_bytes().await?;
        let closing = Instant::now();
        let path = format!("/products/{PRODUCT}/close");
        let (status, answer) = lab.client.change(&path, "soak", &json!({})).await?;
        ensure!(status == 200, "closing: {status} {answer}");
        let limit = Duration::from_secs(RECORD_TTL_SECONDS.into()) + EXPIRY_GRACE;
        until("the sale's keys expire", limit, async || {
            let [sale, orders, outbox, users] = &self.keys;
            let left = redis
                .number(&["EXISTS", sale, orders, outbox, users])
                .await?;
            let unfreed = redis.to_be_freed().await?;
            ensure!(
                left + unfreed == 0,
                "{left} are there, {unfreed} to be freed"
            );
            Ok(())
        })
        .await?;
        all.expired_after_seconds = closing.elapsed().as_secs_f64();
        all.expired = redis.used_bytes().await?;
        Ok(all)
    }

    async fn outbox_is_empty(&self, redis: &Redis) -> Result<()> {
        until("the outbox is empty", EMPTY_LIMIT, async || {
            let waiting = redis.number(&["XLEN", &self.keys[2]]).await?;
            ensure!(waiting == 0, "{waiting} entries");
            Ok(())
        })
        .await
    }
}

/// All of them are taken, each by a user of its own.
async fn order_more(lab: &Lab) -> Result<()> {
    let address = lab.api_address()?;
    let schedule = Schedule {
        count: WAITING,
        ..constant::soon(WAITING_PER_SECOND, 1)
    };
    let sent = constant::send(address, schedule, move |n| {
        let name = format!("waiting-{n}");
        request::order(address, PRODUCT, &name, &name)
    });
    let refused = sent
        .await?
        .iter()
        .filter(|it| it.status != Some(202))
        .count();
    ensure!(
        refused == 0,
        "{refused} orders were refused while Kafka was away"
    );
    Ok(())
}
