//! Changes the number of workers under load, and checks that every partition is written by exactly one of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};

use super::worker_group::{Leave, Owners, WorkerGroup};
use super::{Outcome, Plan, ms, summary, under_load};
use crate::load::player::Running;
use crate::sandbox::Sandbox;
use crate::stores::Postgres;
use crate::table::markdown;

/// A worker that loses a partition may commit its last batch a little later. The new owner then
/// finds that its position has moved, and reads it again: that is the fence, and no second writer.
const FENCING_TIME: Duration = Duration::from_secs(2);

/// Which partitions a worker reads it shows with librdkafka's statistics, once a second.
const HEADER: [&str; 7] = [
    "group protocol",
    "workers",
    "stopped by",
    "settled after s (± 1)",
    "partitions moved",
    "longest wait where moved, ms",
    "elsewhere, ms",
];

/// A change of the number of workers, and how it went.
#[derive(Debug)]
struct Change {
    from: usize,
    to: usize,
    /// Until every partition was read by exactly one worker, and every worker read one.
    settling: Range<SystemTime>,
    /// Partitions that another worker reads now.
    moved: Vec<i32>,
}

/// Gives the group these numbers of workers in turn, and keeps each for a while.
///
/// # Errors
/// When a service fails, or a partition is not written by exactly one worker. What is wrong with
/// single orders is in the report.
pub async fn run(
    sandbox: &Sandbox,
    plan: &Plan,
    protocol: &str,
    leave: Leave,
    counts: &[usize],
) -> Result<Outcome> {
    let postgres = &sandbox.stores.postgres;
    let (first, others) = counts.split_first().context("there is a first number")?;
    let mut group = WorkerGroup::new(sandbox, &[("KAFKA_GROUP_PROTOCOL", protocol)]);
    group.resize(*first, leave).await?;
    let mut owners = group.settled().await?;
    record_times(postgres).await?;
    let api = sandbox.api().await?;
    let deployment = sandbox.deployment(&[&api]);
    let mut changes = Vec::new();
    let report = under_load(&deployment, plan.workers_rate, async |load| {
        load.continues_for(plan.hold()).await?;
        for &to in others {
            changes.push(change(&mut group, &mut owners, to, leave).await?);
            hold(&group, load, plan.hold()).await?;
            let now = group.settled().await?;
            ensure!(now == owners, "partitions moved by themselves");
        }
        Ok(())
    })
    .await?;
    let leave = match leave {
        Leave::Sigterm => "SIGTERM",
        Leave::Sigkill => "kill -9",
    };
    let mut rows = Vec::new();
    for change in &changes {
        let waits = longest_waits(postgres, &change.settling).await?;
        rows.push(change.row(protocol, leave, &waits));
    }
    let (table, summary) = (markdown(HEADER, &rows), summary(&report));
    let table = format!("{table}\n\n{protocol}, {leave}: {summary}\n");
    Ok(Outcome { table, report })
}

async fn change(
    group: &mut WorkerGroup<'_>,
    owners: &mut Owners,
    to: usize,
    leave: Leave,
) -> Result<Change> {
    let (from, begin) = (group.workers.len(), SystemTime::now());
    group.resize(to, leave).await?;
    let before = std::mem::replace(owners, group.settled().await?);
    let settling = begin..SystemTime::now();
    let has_moved = |(it, pid): &(&i32, &u32)| before.get(it) != Some(pid);
    let moved = owners.iter().filter(has_moved);
    let moved: Vec<_> = moved.map(|(partition, _)| *partition).collect();
    ensure!(!moved.is_empty(), "{from} -> {to} moved no partition");
    Ok(Change {
        from,
        to,
        settling,
        moved,
    })
}

/// Lets orders come while nothing changes. Meanwhile every worker writes, for each has partitions, and
/// no worker finds that another has written what it was about to write.
async fn hold(group: &WorkerGroup<'_>, load: &Running, time: Duration) -> Result<()> {
    const WRITTEN: &str = "inventory_worker_orders_total";
    const MISMATCHES: &str = "inventory_worker_position_mismatches_total";
    load.continues_for(FENCING_TIME).await?;
    let (written, mismatches) = (
        group.metric(WRITTEN).await?,
        group.metric(MISMATCHES).await?,
    );
    load.continues_for(time).await?;
    for (worker, now) in group.metric(WRITTEN).await? {
        ensure!(now > written[&worker], "worker {worker} writes nothing");
    }
    let now = group.metric(MISMATCHES).await?;
    let same = now == mismatches;
    ensure!(
        same,
        "two workers write one partition: {mismatches:?}, then {now:?}"
    );
    Ok(())
}

/// Adds a column in which PostgreSQL notes when it wrote each row. The tables must exist.
async fn record_times(postgres: &Postgres) -> Result<()> {
    let sql = "ALTER TABLE orders
        ADD COLUMN written_at timestamptz NOT NULL DEFAULT clock_timestamp()";
    postgres.execute(sql).await
}

/// The longest that an order of each partition waited for its row, of all that waited within `window`.
async fn longest_waits(
    postgres: &Postgres,
    window: &Range<SystemTime>,
) -> Result<BTreeMap<i32, Duration>> {
    let sql = "SELECT partition, extract(epoch FROM max(written_at - placed_at))::float8
        FROM orders JOIN stock_ledger USING (product_id)
        WHERE placed_at < $2 AND written_at > $1 GROUP BY partition";
    let rows = postgres.query(sql, &[&window.start, &window.end]).await?;
    let waits = rows.iter().map(|row| {
        let seconds = row.try_get::<_, f64>(1)?;
        Ok((row.try_get(0)?, Duration::from_secs_f64(seconds.max(0.0))))
    });
    waits.collect()
}

impl Change {
    /// A line of the table. `waits` are the longest that an order of each partition waited for its row meanwhile.
    fn row(&self, protocol: &str, leave: &str, waits: &BTreeMap<i32, Duration>) -> [String; 7] {
        let Range { start, end } = self.settling;
        let settled_after = end.duration_since(start).unwrap_or_default();
        let longest_wait = |moved| {
            let waits = waits.iter();
            let waits = waits.filter(|(partition, _)| self.moved.contains(partition) == moved);
            let longest = waits.map(|(_, wait)| *wait).max();
            longest.map_or("-".to_owned(), ms)
        };
        [
            protocol.to_owned(),
            format!("{} -> {}", self.from, self.to),
            if self.to < self.from { leave } else { "" }.to_owned(),
            format!("{:.1}", settled_after.as_secs_f64()),
            self.moved.len().to_string(),
            longest_wait(true),
            longest_wait(false),
        ]
    }
}
