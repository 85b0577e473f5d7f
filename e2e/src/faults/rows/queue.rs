//! A sale with a queue: something fails while people join, at the start, or while they are let through.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::super::queued_crowd::{QueuedCrowd, SEEN};
use super::{Component, Environment, Store, redis, services};
use crate::queue::{QueuedSale, number};
use crate::wait::wait_until;

const UNITS: u32 = 300;
const EARLY: u32 = 200;
/// Those who join before the start, and all; more than there are units.
const ALL: u32 = 340;
/// From the opening to the start: people join within half of it.
const START: Duration = Duration::from_secs(7);
/// Longer than it takes to rebuild the sales.
const START_AFTER_REBUILD: Duration = Duration::from_secs(40);
/// How long the turn clock is looked at.
const LOOKED_AT: Duration = Duration::from_secs(2);
/// Longest until the turn clock stops.
const STOPPED_LIMIT: Duration = Duration::from_secs(20);
/// How much is lost of what people do during their turns.
const LOST: Duration = Duration::from_secs(2);
/// How far Redis's clock is set back, to long before the start.
const SET_BACK_SECONDS: i64 = -60;

async fn open(env: &mut Environment, starts_in: Duration) -> Result<QueuedCrowd> {
    let queue = json!({"admitPerSecond": 40, "turnSeconds": 30});
    QueuedCrowd::open(env, UNITS, starts_in, queue).await
}

/// An instance is killed while people join, before the start and again after it.
pub async fn kill_while_joining(env: &mut Environment) -> Result<()> {
    let mut crowd = open(env, START).await?;
    tokio::try_join!(crowd.join_early(0..EARLY), kill_soon(env))?;
    crowd.expect_places().await?;
    crowd.until_started().await?;
    tokio::try_join!(crowd.join(EARLY..ALL), kill_soon(env))?;
    crowd.expect_places().await?;
    crowd.follow(ALL..ALL).await?;
    crowd.expect_right(env, None).await
}

/// An instance is killed while people are let through.
pub async fn kill_during_turns(env: &mut Environment) -> Result<()> {
    let mut crowd = open(env, START).await?;
    crowd.join_early(0..EARLY).await?;
    let queue = crowd.queue.clone();
    let killed = async {
        queue.start().await;
        env.wait_ms(3_000..4_000).await;
        kill_soon(env).await
    };
    tokio::try_join!(crowd.follow(EARLY..ALL), killed)?;
    crowd.expect_right(env, None).await
}

async fn kill_soon(env: &mut Environment) -> Result<()> {
    env.wait_ms(0..1_000).await;
    services::kill(env, Component::Api).await
}

/// The master dies while people are let through and others join.
pub async fn fail_over(env: &mut Environment) -> Result<()> {
    let mut crowd = open(env, START).await?;
    crowd.join_early(0..EARLY).await?;
    let queue = crowd.queue.clone();
    let failed_over = async {
        queue.start().await;
        env.wait_ms(2_000..5_000).await;
        let killed_at = Instant::now();
        redis::kill_master(env).await?;
        if env.reported_losses().await? > 0.0 {
            rebuild(env, &queue).await?;
        }
        anyhow::Ok(killed_at)
    };
    let ((), killed_at) = tokio::try_join!(crowd.follow(EARLY..ALL), failed_over)?;
    crowd.expect_right(env, Some(killed_at)).await
}

/// Redis loses who joined before the start, and later which numbers were given after it. Nothing is rebuilt before all have
/// ordered: the sale itself has lost nothing.
pub async fn roll_back_joins(env: &mut Environment) -> Result<()> {
    let half = EARLY / 2;
    let mut crowd = open(env, START + START).await?;
    crowd.join_early(0..half).await?;
    env.stack().save_redis()?;
    crowd.join_early(half..EARLY).await?;
    revert(env).await?;
    crowd.expect_places().await?;
    crowd.until_started().await?;
    crowd.join(EARLY..EARLY + 40).await?;
    env.stack().save_redis()?;
    crowd.join(EARLY + 40..EARLY + 80).await?;
    let lost_at = revert(env).await?;
    crowd.join(EARLY + 80..ALL).await?;
    crowd.expect_places().await?;
    redis::rebuild(env).await?;
    crowd.follow(ALL..ALL).await?;
    crowd.expect_right(env, Some(lost_at)).await
}

/// Redis comes back with the state and the time of before the start: who joins now must not join early.
pub async fn roll_back_start(env: &mut Environment) -> Result<()> {
    let durable = env.sandbox.stores.redis.clone();
    durable.configure("appendfsync", "always").await?;
    env.stack().restart_redis_with_clock().await?;
    let mut crowd = open(env, START).await?;
    crowd.join_early(0..EARLY).await?;
    env.stack().save_redis()?;
    crowd.until_started().await?;
    crowd.join(EARLY..EARLY + 40).await?;
    env.stack().shift_redis_clock(SET_BACK_SECONDS)?;
    let lost_at = revert(env).await?;
    crowd.join(EARLY + 40..EARLY + 80).await?;
    crowd.expect_places().await?;
    env.stack().shift_redis_clock(0)?;
    env.mark("Redis's clock is right");
    rebuild(env, &crowd.queue).await?;
    crowd.follow(EARLY + 80..ALL).await?;
    crowd.expect_right(env, Some(lost_at)).await
}

/// Redis loses how far the queue was served, and orders: the turn clock stops until the sale is rebuilt.
pub async fn roll_back_turns(env: &mut Environment) -> Result<()> {
    let mut crowd = open(env, START).await?;
    crowd.join_early(0..EARLY).await?;
    let queue = crowd.queue.clone();
    let rolled_back = async {
        queue.start().await;
        env.wait_ms(3_500..4_500).await;
        env.stack().save_redis()?;
        sleep(LOST).await;
        let lost_at = revert(env).await?;
        clock_stops(&queue).await?;
        rebuild(env, &queue).await?;
        anyhow::Ok(lost_at)
    };
    let ((), lost_at) = tokio::try_join!(crowd.follow(EARLY..ALL), rolled_back)?;
    crowd.expect_right(env, Some(lost_at)).await
}

/// Redis loses that the queue was paused, which the ledger knows: the rebuilt queue is paused, until the shop lets it go on.
pub async fn roll_back_pause(env: &mut Environment) -> Result<()> {
    let mut crowd = open(env, START).await?;
    crowd.join_early(0..EARLY).await?;
    let queue = crowd.queue.clone();
    let rolled_back = async {
        queue.start().await;
        env.wait_ms(2_000..3_000).await;
        env.stack().save_redis()?;
        pause(&queue, 0, "pause", true).await?;
        let lost_at = revert(env).await?;
        rebuild(env, &queue).await?;
        let before = number(&paused(&queue).await?, "clock")?;
        // The key is known: this changes nothing.
        pause(&queue, 1, "pause", true).await?;
        sleep(LOOKED_AT).await;
        let after = number(&paused(&queue).await?, "clock")?;
        ensure!(before == after, "it went on from {before} to {after}");
        pause(&queue, 1, "continue", false).await?;
        anyhow::Ok(lost_at)
    };
    let ((), lost_at) = tokio::try_join!(crowd.follow(EARLY..ALL), rolled_back)?;
    crowd.expect_right(env, Some(lost_at)).await
}

async fn pause(queue: &QueuedSale, instance: usize, key: &str, paused: bool) -> Result<()> {
    let patch = json!({"paused": paused});
    wait_until("a queue is changed", STOPPED_LIMIT, async || {
        let client = queue.client(instance);
        let (status, answer) = client
            .change_queue(&queue.sale.product, key, &patch)
            .await?;
        ensure!(
            status == 200 && answer["queue"]["paused"] == paused,
            "{answer}"
        );
        Ok(())
    })
    .await
}

/// The state of a queue that every instance shows as paused.
async fn paused(queue: &QueuedSale) -> Result<Value> {
    wait_until(
        "every instance shows the pause",
        STOPPED_LIMIT,
        async || {
            let states = (0..queue.clients.len()).map(|n| queue.state(n));
            let mut states = try_join_all(states).await?;
            ensure!(
                states.iter().all(|it| it["state"] == "paused"),
                "{states:?}"
            );
            states.pop().context("no instance")
        },
    )
    .await
}

/// Redis loses everything before the start, also how many have joined: people join again, and others for the first time.
pub async fn blank(env: &mut Environment) -> Result<()> {
    let mut crowd = open(env, START_AFTER_REBUILD).await?;
    crowd.join_early(0..EARLY / 2).await?;
    sleep(SEEN).await;
    redis::blank(env).await?;
    env.rebuild([&crowd.queue.sale.product]).await?;
    crowd.expect_places().await?;
    crowd.join_again().await?;
    crowd.join_early(EARLY / 2..EARLY).await?;
    crowd.follow(EARLY..ALL).await?;
    crowd.expect_right(env, None).await
}

/// Redis loses everything while people are let through: only the instances know how far the queue was served.
pub async fn blank_during_turns(env: &mut Environment) -> Result<()> {
    let mut crowd = open(env, START).await?;
    crowd.join_early(0..EARLY).await?;
    let queue = crowd.queue.clone();
    let lost = async {
        queue.start().await;
        env.wait_ms(3_500..4_500).await;
        let lost_at = Instant::now();
        redis::blank(env).await?;
        env.rebuild([&queue.sale.product]).await?;
        anyhow::Ok(lost_at)
    };
    let ((), lost_at) = tokio::try_join!(crowd.follow(EARLY..ALL), lost)?;
    crowd.expect_right(env, Some(lost_at)).await
}

/// Kafka is away at the start, until the outbox is full and the turn clock stops.
pub async fn start_without_kafka(env: &mut Environment) -> Result<()> {
    let mut crowd = open(env, START).await?;
    crowd.join_early(0..EARLY).await?;
    env.stack().kill(Store::Kafka)?;
    env.mark("Kafka killed");
    let queue = crowd.queue.clone();
    let back = async {
        queue.start().await;
        clock_stops(&queue).await?;
        env.bring_back(Store::Kafka).await
    };
    tokio::try_join!(crowd.follow(EARLY..ALL), back)?;
    crowd.expect_right(env, None).await
}

async fn rebuild(env: &mut Environment, queue: &QueuedSale) -> Result<()> {
    redis::rebuild(env).await?;
    env.rebuild([&queue.sale.product]).await
}

/// Takes Redis back to what was saved, once every instance has seen what it loses. When the loss began.
async fn revert(env: &Environment) -> Result<Instant> {
    sleep(SEEN).await;
    let lost_at = Instant::now();
    env.stack().revert_redis().await?;
    env.mark("rolled back");
    Ok(lost_at)
}

/// Waits until the turn clock stops while there are units left.
async fn clock_stops(queue: &QueuedSale) -> Result<()> {
    let clock = async || {
        let state = queue.state(0).await?;
        ensure!(state["state"] == "open", "{state}");
        number(&state, "clock")
    };
    wait_until("the turn clock stops", STOPPED_LIMIT, async || {
        let before = clock().await?;
        sleep(LOOKED_AT).await;
        let after = clock().await?;
        ensure!(before == after, "it went on from {before} to {after}");
        Ok(())
    })
    .await
}
