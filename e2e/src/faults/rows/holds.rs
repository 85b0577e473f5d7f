//! Orders that have to be paid: something fails between an order, its payment and the end of its hold.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;

use super::super::held_sale::HeldSale;
use super::{Environment, Store, redis};
use crate::answer::Status;
use crate::order::Action;
use crate::stores::sale_key;
use crate::wait::wait_until;

const UNITS: u32 = 200;
const BUYERS: u32 = 150;
/// Those of the buyers who pay.
const PAID: usize = 70;
/// Longer than what counts as an interruption, after which nothing expires for one grace.
const INTERRUPTION: Duration = Duration::from_secs(11);
/// Longer than an expiry takes when all is well.
const LATE: Duration = Duration::from_secs(3);
/// How long Redis's clock is wrong in each direction.
const SHIFTED: Duration = Duration::from_secs(6);
/// Longest until a closed sale is retired.
const RETIRE_LIMIT: Duration = Duration::from_secs(40);

/// Orders are completed, and the master dies before the holds of the others end.
pub async fn fail_over(env: &mut Environment) -> Result<()> {
    let mut sale = HeldSale::open(env, UNITS, 6, 1).await?;
    let placed = Instant::now();
    let orders = sale.place(0..BUYERS).await?;
    sale.complete(&orders[..PAID]).await?;
    redis::kill_master(env).await?;
    sale.until_ended(placed, LATE).await;
    if env.reported_losses().await? > 0.0 {
        redis::rebuild(env).await?;
        sale.rebuild(env).await?;
    }
    sale.expect_right(env).await.map(drop)
}

/// Redis comes back without completions that are in their rows: it is behind, and lets nothing expire until it is rebuilt.
pub async fn lose_completions(env: &mut Environment) -> Result<()> {
    let mut sale = HeldSale::open(env, UNITS, 5, 1).await?;
    let placed = Instant::now();
    let orders = sale.place(0..BUYERS).await?;
    env.stack().save_redis()?;
    sale.complete(&orders[..PAID]).await?;
    env.stack().revert_redis().await?;
    env.mark("rolled back");
    sale.until_ended(placed, LATE).await;
    let expired = sale.count(env, Status::Expired).await?;
    ensure!(
        expired == 0,
        "{expired} orders expired in a Redis that is behind"
    );
    redis::rebuild(env).await?;
    sale.rebuild(env).await?;
    sale.expect_right(env).await.map(drop)
}

/// Redis is away past the ends of all holds. Who has paid meanwhile has one grace more.
pub async fn miss_all_ends(env: &mut Environment) -> Result<()> {
    let durable = env.sandbox.stores.redis.clone();
    durable.configure("appendfsync", "always").await?;
    let sale = HeldSale::open(env, UNITS, 3, 5).await?;
    let placed = Instant::now();
    let orders = sale.place(0..BUYERS).await?;
    env.stack().kill(Store::Redis)?;
    env.mark("Redis killed");
    sleep(INTERRUPTION).await;
    sale.until_ended(placed, LATE).await;
    env.bring_back(Store::Redis).await?;
    sale.complete(&orders[..PAID]).await?;
    sale.expect_right(env).await.map(drop)
}

/// Redis's clock is an hour ahead, then an hour behind, while all holds end: it lets nothing expire, early or late.
pub async fn shift_clock(env: &mut Environment) -> Result<()> {
    let durable = env.sandbox.stores.redis.clone();
    durable.configure("appendfsync", "always").await?;
    env.stack().restart_redis_with_clock().await?;
    let sale = HeldSale::open(env, UNITS, 5, 4).await?;
    let placed = Instant::now();
    let orders = sale.place(0..BUYERS).await?;
    for seconds in [3_600, -3_600] {
        env.stack().shift_redis_clock(seconds)?;
        env.mark(&format!("Redis's clock is {seconds} s ahead"));
        sleep(SHIFTED).await;
    }
    sale.until_ended(placed, LATE).await;
    let expired = sale.count(env, Status::Expired).await?;
    env.stack().shift_redis_clock(0)?;
    env.mark("Redis's clock is right");
    ensure!(expired == 0, "{expired} orders expired by a wrong clock");
    // Nobody could let orders expire for more than ten seconds, so that there is one grace more.
    sale.complete(&orders[..PAID]).await?;
    sale.expect_right(env).await.map(drop)
}

/// Kafka is away while all holds end: completions are not answered 200, and nothing expires.
pub async fn end_without_kafka(env: &mut Environment) -> Result<()> {
    let sale = HeldSale::open(env, UNITS, 4, 1).await?;
    let placed = Instant::now();
    let orders = sale.place(0..BUYERS).await?;
    env.stack().freeze(Store::Kafka)?;
    env.mark("Kafka frozen");
    let completions = orders[..PAID].iter().copied().map(Action::Complete);
    sale.ask_once(completions.collect()).await?;
    sale.until_ended(placed, LATE).await;
    let remaining = remaining(env, &sale).await?;
    let (completed, expired) = (
        sale.count(env, Status::Completed).await?,
        sale.count(env, Status::Expired).await?,
    );
    env.stack().thaw(Store::Kafka)?;
    env.mark("resumed");
    ensure!(
        (completed, expired, remaining) == (0, 0, i64::from(UNITS - BUYERS)),
        "without Kafka, {completed} orders were completed, {expired} expired, {remaining} units remain"
    );
    let contents = sale.expect_right(env).await?;
    let completed = contents.units(|status| status == Status::Completed);
    ensure!(completed == PAID as i64, "{completed} orders are completed");
    Ok(())
}

/// The sale is rebuilt while orders are held.
pub async fn rebuild_held(env: &mut Environment) -> Result<()> {
    let mut sale = HeldSale::open(env, UNITS, 20, 1).await?;
    let orders = sale.place(0..BUYERS).await?;
    let (before, rest) = orders.split_at(PAID / 2);
    let (refunded, rest) = rest.split_at(PAID / 2);
    sale.complete(before).await?;
    let cancels = refunded.iter().chain(&before[..5]).copied();
    sale.ask(cancels.map(Action::Cancel).collect()).await?;
    sale.rebuild(env).await?;
    // They are still held in the sale that was rebuilt.
    sale.complete(&rest[..PAID / 2]).await?;
    sale.expect_right(env).await.map(drop)
}

/// A sale is closed while orders are held, and retired only when none is. Afterwards orders are refunded.
pub async fn refund_retired(env: &mut Environment) -> Result<()> {
    let sale = HeldSale::open(env, UNITS, 6, 1).await?;
    let placed = Instant::now();
    let orders = sale.place(0..BUYERS).await?;
    sale.complete(&orders[..PAID]).await?;
    sale.ask(vec![Action::Close]).await?;
    while placed.elapsed() < Duration::from_secs(sale.holds.seconds.into()) {
        let left = expiry_ms(env, &sale).await?;
        ensure!(left == -1, "retired with orders that are held");
        sleep(Duration::from_millis(200)).await;
    }
    wait_until("the sale is retired", RETIRE_LIMIT, async || {
        let left = expiry_ms(env, &sale).await?;
        ensure!(left >= 0, "its keys do not expire");
        Ok(())
    })
    .await?;
    let refunds = orders[..PAID / 2].iter().copied().map(Action::Cancel);
    sale.ask(refunds.collect()).await?;
    let contents = sale.expect_right(env).await?;
    let completed = contents.redis.and_then(|it| it.holds);
    let completed = completed.context("Redis has no holds")?.completed;
    ensure!(
        completed == PAID as i64 / 2,
        "{completed} units are completed"
    );
    Ok(())
}

/// The milliseconds that the keys of the sale have left; -1: they do not expire.
async fn expiry_ms(env: &Environment, sale: &HeldSale) -> Result<i64> {
    let key = sale_key(&sale.sale.product);
    env.sandbox.stores.redis.command(&["PTTL", &key]).await
}

async fn remaining(env: &Environment, sale: &HeldSale) -> Result<i64> {
    let held = env.sandbox.stores.redis.sale(&sale.sale.product).await?;
    Ok(held.context("Redis does not have the sale")?.remaining)
}
