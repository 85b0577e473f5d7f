//! How fast a backlog is written by how many workers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;

use super::PARTITIONS;
use super::crew::{Crew, Leave};
use super::market::open_on_each_partition;
use crate::order::Sale;
use crate::process::Settings;
use crate::rehearsal::check::{Findings, check};
use crate::rehearsal::heard::Heard;
use crate::rehearsal::traffic::Traffic;
use crate::sandbox::Sandbox;
use crate::until::until;

/// The slowest drain that is waited for: so many orders a second, after a start.
const SLOWEST_PER_SECOND: u32 = 2_000;
const START_LIMIT: Duration = Duration::from_secs(60);
/// Longest that the API may take to publish what was not on Kafka when it answered.
const OUTBOX_LIMIT: Duration = Duration::from_secs(60);
/// Longest that it may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// What is drained.
#[derive(Debug, Clone)]
pub struct Run {
    /// Workers.
    pub counts: Vec<usize>,
    /// Orders that lie on the topic, the same number on each partition.
    pub orders: u32,
    /// Orders a second that are put there.
    pub per_second: u32,
    /// How often each number of workers drains them all.
    pub rounds: u32,
}

/// How it went: orders a second of each round, by the number of workers.
pub type Speeds = BTreeMap<usize, Vec<f64>>;

/// Puts orders on the topic once, and lets each number of workers write them into empty tables.
///
/// # Errors
/// When a service does not do as it should, or what is written is not what was ordered.
pub async fn run(sandbox: &Sandbox, run: &Run) -> Result<Speeds> {
    let (sales, heard) = fill(sandbox, run).await?;
    let mut speeds = Speeds::new();
    // All counts before the next round: the machine's speed changes by the minute.
    for _ in 0..run.rounds {
        for &count in &run.counts {
            let speed = drain(sandbox, count, &sales, &heard).await?;
            speeds.entry(count).or_default().push(speed);
        }
    }
    Ok(speeds)
}

/// Orders through the API, with no worker there to write them.
async fn fill(sandbox: &Sandbox, run: &Run) -> Result<(Vec<Sale>, Heard)> {
    // It makes topics and tables, and leaves.
    let mut first = Crew::new(sandbox, Settings::new());
    first.become_many(1, Leave::Asked).await?;
    first.settled().await?;
    first.become_many(0, Leave::Asked).await?;

    let mut api = sandbox.api().await?;
    let deployment = sandbox.deployment(&[&api]);
    let sales = open_on_each_partition(&deployment.admin()?, PARTITIONS, run.orders).await?;
    let traffic = Traffic {
        per_second: run.per_second,
        count: run.orders.into(),
        connections: 64,
        tries: 20,
        patience: Duration::from_secs(5),
    };
    let heard = traffic.start(&deployment, &sales)?.finish().await?;
    let ordered = heard.ordered().count();
    ensure!(
        ordered == usize::try_from(run.orders)?,
        "only {ordered} orders were accepted"
    );
    // An order may have been accepted before it was on Kafka, and nobody else publishes it.
    until("the outboxes are empty", OUTBOX_LIMIT, async || {
        sandbox.stores.expect_empty_outboxes(&sales).await
    })
    .await?;
    let status = api.terminate(STOP_LIMIT).await?;
    ensure!(status.success(), "the API ended with {status}");
    Ok((sales, heard))
}

/// Orders a second of the second half. Workers share out the partitions and read before they may write, and what they
/// hold in memory by then says nothing about reading: each lane has up to three batches, so many workers have most of the first half.
async fn drain(sandbox: &Sandbox, count: usize, sales: &[Sale], heard: &Heard) -> Result<f64> {
    let stores = &sandbox.stores;
    let limit = START_LIMIT + Duration::from_secs((heard.sent / SLOWEST_PER_SECOND).into());
    stores.database.forget_everything().await?;
    let lock = stores.database.lock_orders().await?;
    // They wait for the lock, and do not give up.
    let patient = [("FLUSH_TIMEOUT_MS", "300000"), ("MIGRATE_ON_START", "off")];
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let mut crew = Crew::new(sandbox, patient.map(own).into());
    crew.become_many(count, Leave::Asked).await?;
    crew.settled().await?;

    let positions = stores.database.watch_positions(stores.log.topic()).await?;
    let ends = stores.log.ends().await?;
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
        sleep(BETWEEN_LOOKS).await;
    }
    let speed = speed_of_second_half(&seen);
    expect_right(&check(heard, stores, sales, limit).await?)?;
    crew.become_many(0, Leave::Asked).await?;
    speed.context("drained between two looks: the backlog is too small")
}

/// From the first look at which half was written to the last, which saw all; nothing where that was one look.
fn speed_of_second_half(seen: &[(Duration, i64)]) -> Option<f64> {
    let &(end, all) = seen.last()?;
    let &(half, written) = seen.iter().find(|(_, written)| written * 2 >= all)?;
    let time = end.saturating_sub(half);
    (!time.is_zero()).then(|| (all - written) as f64 / time.as_secs_f64())
}

fn expect_right(findings: &Findings) -> Result<()> {
    let (faults, words) = (findings.faults, findings.words.join("\n"));
    ensure!(faults == 0, "{faults} faults:\n{words}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lay_in_memory_at_the_beginning_does_not_count() {
        let seen = [(0, 0), (1, 500), (100, 520), (600, 900), (1_100, 1_000)];
        let seen = seen.map(|(ms, written)| (Duration::from_millis(ms), written));
        let speed = speed_of_second_half(&seen).unwrap();
        assert_eq!(speed.round(), 455.0, "500 in 1.099 s");
        assert_eq!(speed_of_second_half(&seen[..1]), None);
    }
}
