//! How fast a backlog is written by how many workers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
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

/// Longest that one drain may take.
const LIMIT: Duration = Duration::from_secs(120);
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
    pub rounds: usize,
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
            let time = drain(sandbox, count, &sales, &heard).await?;
            let speed = f64::from(run.orders) / time.as_secs_f64();
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

    let api = sandbox.api().await?;
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
    Ok((sales, heard))
}

/// From the moment in which workers may write until the last position has moved. Until then they have shared out the
/// partitions and read what they hold in memory.
async fn drain(sandbox: &Sandbox, count: usize, sales: &[Sale], heard: &Heard) -> Result<Duration> {
    let stores = &sandbox.stores;
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
    while positions.now().await? != ends {
        ensure!(begin.elapsed() < LIMIT, "not drained within {LIMIT:?}");
        sleep(BETWEEN_LOOKS).await;
    }
    let time = begin.elapsed();
    expect_right(&check(heard, stores, sales, LIMIT).await?)?;
    crew.become_many(0, Leave::Asked).await?;
    Ok(time)
}

fn expect_right(findings: &Findings) -> Result<()> {
    let (faults, words) = (findings.faults, findings.words.join("\n"));
    ensure!(faults == 0, "{faults} faults:\n{words}");
    Ok(())
}
