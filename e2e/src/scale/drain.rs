//! Measures how fast different numbers of workers write a backlog.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;

use super::worker_group::{Leave, WorkerGroup};
use super::{PARTITIONS, STOP_LIMIT, open_on_each_partition};
use crate::load::check::expect_right;
use crate::load::history::History;
use crate::load::{Player, once};
use crate::sandbox::Sandbox;
use crate::table::{markdown, thousands};
use crate::wait::wait_until;

/// The slowest drain that is waited for, in orders a second after a start.
const SLOWEST_PER_SECOND: u64 = 2_000;
const START_LIMIT: Duration = Duration::from_secs(60);
/// The longest time that the API may take to publish what was not on Kafka when it answered.
const OUTBOX_LIMIT: Duration = Duration::from_secs(60);
const BETWEEN_READS: Duration = Duration::from_millis(5);

#[derive(Debug, Clone)]
pub struct Run {
    pub counts: Vec<usize>,
    /// Orders on the topic, the same number on each partition.
    pub orders: u32,
    pub per_second: u32,
    /// How often each number of workers drains them all.
    pub rounds: u32,
}

/// Orders a second of each round, by the number of workers.
pub type Speeds = BTreeMap<usize, Vec<f64>>;

/// Puts orders on the topic once, and lets each number of workers write them into empty tables.
///
/// # Errors
/// When a service fails, or what is written is not what was ordered.
pub async fn run(sandbox: &Sandbox, run: &Run) -> Result<Speeds> {
    let history = fill(sandbox, run).await?;
    let mut speeds = Speeds::new();
    // All counts before the next round: the machine's speed changes by the minute.
    for _ in 0..run.rounds {
        for &count in &run.counts {
            let speed = drain(sandbox, count, &history).await?;
            speeds.entry(count).or_default().push(speed);
        }
    }
    Ok(speeds)
}

/// Orders through the API while no worker writes them.
async fn fill(sandbox: &Sandbox, run: &Run) -> Result<History> {
    // The first worker creates topics and tables.
    let mut first = WorkerGroup::new(sandbox, &[]);
    first.resize(1, Leave::Sigterm).await?;
    first.settled().await?;
    first.resize(0, Leave::Sigterm).await?;

    let mut api = sandbox.api().await?;
    let deployment = sandbox.deployment(&[&api]);
    let sales = open_on_each_partition(&deployment.admin()?, run.orders).await?;
    let player = Player::constant_rate(run.per_second, deployment.urls.clone());
    let history = player
        .play(&sales, once(0..PARTITIONS, 0..run.orders))
        .await?;
    let accepted = history.order_ids().count();
    ensure!(
        accepted == usize::try_from(run.orders)?,
        "only {accepted} orders were accepted"
    );
    // An order may have been accepted before it was on Kafka, and only this API would publish it.
    wait_until("the outboxes are empty", OUTBOX_LIMIT, async || {
        sandbox.stores.expect_empty_outboxes(&sales).await
    })
    .await?;
    api.stop(STOP_LIMIT).await?;
    Ok(history)
}

/// Orders a second of the second half. Workers share out the partitions and read before they may
/// write, and what they hold in memory by then says nothing about reading: each partition's queue has
/// up to three batches, so many workers hold most of the first half.
async fn drain(sandbox: &Sandbox, count: usize, history: &History) -> Result<f64> {
    let stores = &sandbox.stores;
    let limit = START_LIMIT + Duration::from_secs(history.sent.orders / SLOWEST_PER_SECOND);
    stores.postgres.truncate().await?;
    let lock = stores.postgres.lock_orders().await?;
    // They wait for the lock and do not give up.
    let patient = [("FLUSH_TIMEOUT_MS", "300000"), ("MIGRATE_ON_START", "off")];
    let mut group = WorkerGroup::new(sandbox, &patient);
    group.resize(count, Leave::Sigterm).await?;
    group.settled().await?;

    let positions = stores.postgres.watch_positions(stores.topic.name()).await?;
    let ends = stores.topic.ends().await?;
    let begin = Instant::now();
    drop(lock);
    let mut seen = Vec::new();
    loop {
        let now = positions.now().await?;
        seen.push((begin.elapsed(), now.values().sum::<i64>()));
        if now == ends {
            break;
        }
        ensure!(begin.elapsed() < limit, "not drained within {limit:?}");
        sleep(BETWEEN_READS).await;
    }
    expect_right(history, stores, limit).await?;
    group.resize(0, Leave::Sigterm).await?;
    let speed = speed_of_second_half(&seen);
    speed.context("drained between two reads: the backlog is too small")
}

/// From the first read at which half was written to the last, which saw all; nothing where that was one read.
fn speed_of_second_half(seen: &[(Duration, i64)]) -> Option<f64> {
    let &(end, all) = seen.last()?;
    let &(half, written) = seen.iter().find(|(_, written)| written * 2 >= all)?;
    let time = end.saturating_sub(half);
    (!time.is_zero()).then(|| (all - written) as f64 / time.as_secs_f64())
}

pub fn table(run: &Run, speeds: &Speeds) -> String {
    let one = speeds.values().next().map_or(1.0, |rounds| median(rounds));
    let row = |(workers, rounds): (&usize, &Vec<f64>)| {
        let median = median(rounds);
        let each = rounds
            .iter()
            .map(|it| thousands(*it as i64))
            .collect::<Vec<_>>();
        let times = format!("{:.2}", median / one);
        [
            workers.to_string(),
            thousands(median as i64),
            times,
            each.join("; "),
        ]
    };
    let header = ["workers", "orders/s, median", "x one", "each round"];
    let table = markdown(header, &speeds.iter().map(row).collect::<Vec<_>>());
    let orders = thousands(run.orders);
    format!("A backlog of {orders} orders on 12 partitions, its second half:\n\n{table}\n")
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_in_memory_at_the_beginning_does_not_count() {
        let seen = [(0, 0), (1, 500), (100, 520), (600, 900), (1_100, 1_000)];
        let seen = seen.map(|(ms, written)| (Duration::from_millis(ms), written));
        let speed = speed_of_second_half(&seen).unwrap();
        assert_eq!(speed.round(), 455.0, "500 in 1.099 s");
        assert_eq!(speed_of_second_half(&seen[..1]), None);
    }
}
