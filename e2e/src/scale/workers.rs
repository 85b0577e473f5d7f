//! Changes the number of workers under load, and checks that every partition is written by exactly one of them.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::pauses::{Moves, Watch, longest_around, longest_inside, pauses};
use super::worker_group::{Leave, Owners, WorkerGroup};
use super::{Protocol, UNITS_ENOUGH, WRITE_LIMIT, ms, open_on_each_partition, start_load, summary};
use crate::load::check::check;
use crate::load::history::{History, micros};
use crate::load::player::Running;
use crate::load::report::Report;
use crate::sandbox::Sandbox;
use crate::table::markdown;

/// A worker that loses a partition may commit its last batch a little later. The new owner then
/// finds that its position has moved, and reads it again: that is the fence, and no second writer.
const FENCING_TIME: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub struct Run {
    pub protocol: Protocol,
    pub leave: Leave,
    /// The first number of workers, and the following ones.
    pub counts: Vec<usize>,
    pub per_second: u32,
    /// How long each number of workers is kept once the group has settled.
    pub hold: Duration,
}

/// A change of the number of workers, and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub from: usize,
    pub to: usize,
    /// Until every partition was read by exactly one worker, and every worker read one.
    pub settled: Duration,
    /// Partitions that another worker reads now.
    pub moved: usize,
    /// The longest time in which a partition that moved had orders that waited, and none was written.
    pub pause_of_moved: Duration,
    /// The same of those that did not move; none if there are none.
    pub pause_of_stayed: Option<Duration>,
    /// The longest of all that began and ended while settled.
    pub pause_settled: Duration,
}

#[derive(Debug)]
pub struct Outcome {
    pub run: Run,
    pub changes: Vec<Change>,
    pub report: Report,
}

/// A change as it happened, in microseconds since the load began.
struct Observed {
    from: usize,
    to: usize,
    changing: Range<u64>,
    holding: Range<u64>,
    before: Owners,
    after: Owners,
}

/// Runs it.
///
/// # Errors
/// When a service fails, or a partition is not written by exactly one worker. What is wrong with
/// single orders is in the report.
pub async fn run(sandbox: &Sandbox, run: Run) -> Result<Outcome> {
    let mut group = WorkerGroup::new(sandbox, &[run.protocol.setting()]);
    let mut counts = run.counts.iter().copied();
    group.resize(counts.next().unwrap_or(1), run.leave).await?;
    let mut owners = group.settled().await?;
    let api = sandbox.api().await?;
    let deployment = sandbox.deployment(&[&api]);
    let sales = open_on_each_partition(&deployment.admin()?, UNITS_ENOUGH).await?;

    let load = start_load(&deployment, &sales, run.per_second)?;
    let start = load.begin();
    let watch = Watch::begin(&sandbox.stores, start).await?;
    load.continues_for(run.hold).await?;
    let mut observed = Vec::new();
    for to in counts {
        let (from, begin) = (group.count(), micros_since(start));
        group.resize(to, run.leave).await?;
        let after = group.settled().await?;
        let settled = micros_since(start);
        let before = std::mem::replace(&mut owners, after.clone());
        hold(&group, &load, run.hold).await?;
        ensure!(
            group.settled().await? == after,
            "partitions moved by themselves"
        );
        let (changing, holding) = (begin..settled, settled..micros_since(start));
        observed.push(Observed {
            from,
            to,
            changing,
            holding,
            before,
            after,
        });
    }
    load.stop();
    let history = load.finish().await?;
    let findings = check(&history, &sandbox.stores, WRITE_LIMIT).await?;
    let moves = watch.end().await?;
    let orders = orders_of_each_partition(&history);
    let changes = observed
        .iter()
        .map(|it| it.change(&moves, &orders))
        .collect();
    Ok(Outcome {
        changes,
        report: Report::of(&history, findings),
        run,
    })
}

/// Lets orders come while nothing changes. Meanwhile every worker writes, for each has partitions, and
/// no worker finds that another has written what it was about to write.
async fn hold(group: &WorkerGroup<'_>, load: &Running, time: Duration) -> Result<()> {
    let count = async || {
        let written = group.metric("inventory_worker_orders_total").await?;
        let mismatches = group
            .metric("inventory_worker_position_mismatches_total")
            .await?;
        anyhow::Ok((written, mismatches))
    };
    load.continues_for(FENCING_TIME).await?;
    let (written, mismatches) = count().await?;
    load.continues_for(time).await?;
    let (written_now, mismatches_now) = count().await?;
    for (worker, now) in &written_now {
        ensure!(now > &written[worker], "worker {worker} writes nothing");
    }
    ensure!(
        mismatches == mismatches_now,
        "two workers write one partition: {mismatches:?}, then {mismatches_now:?}"
    );
    Ok(())
}

/// When orders of each partition were answered 202, in order. There is one sale on each partition.
fn orders_of_each_partition(history: &History) -> Vec<Vec<u64>> {
    let mut orders = vec![Vec::new(); history.sales.len()];
    for it in history.tries.iter().filter(|it| it.is_accepted()) {
        orders[usize::from(it.sale)].push(it.done_us);
    }
    orders
}

impl Observed {
    fn change(&self, moves: &Moves, orders: &[Vec<u64>]) -> Change {
        let all: Vec<i32> = self.after.keys().copied().collect();
        let is_same = |it: &&i32| self.before.get(it) == self.after.get(it);
        let (stayed, moved): (Vec<i32>, Vec<i32>) = all.iter().partition(is_same);
        let pauses = |partitions: &[i32]| -> Vec<Range<u64>> {
            let each = partitions.iter().filter_map(|partition| {
                let orders = orders.get(usize::try_from(*partition).ok()?)?;
                Some(pauses(moves.get(partition)?, orders))
            });
            each.flatten().collect()
        };
        let around = |partitions: &[i32]| {
            Duration::from_micros(longest_around(&pauses(partitions), &self.changing))
        };
        Change {
            from: self.from,
            to: self.to,
            settled: Duration::from_micros(self.changing.end - self.changing.start),
            moved: moved.len(),
            pause_of_moved: around(&moved),
            pause_of_stayed: (!stayed.is_empty()).then(|| around(&stayed)),
            pause_settled: Duration::from_micros(longest_inside(&pauses(&all), &self.holding)),
        }
    }
}

impl Outcome {
    /// In Markdown. Which partitions a worker reads it shows with librdkafka's statistics, once a second.
    pub fn table(&self) -> String {
        let name = self.run.protocol.name();
        let leave = match self.run.leave {
            Leave::Sigterm => "SIGTERM",
            Leave::Sigkill => "kill -9",
        };
        let row = |it: &Change| {
            [
                name.to_owned(),
                format!("{} -> {}", it.from, it.to),
                if it.to < it.from { leave } else { "" }.to_owned(),
                format!("{:.1}", it.settled.as_secs_f64()),
                it.moved.to_string(),
                ms(it.pause_of_moved),
                it.pause_of_stayed.map_or("-".to_owned(), ms),
                ms(it.pause_settled),
            ]
        };
        let header = [
            "group protocol",
            "workers",
            "how they leave",
            "settled after s, ± 1",
            "partitions moved",
            "longest pause of those, ms",
            "of those that stayed, ms",
            "once settled, ms",
        ];
        let table = markdown(header, &self.changes.iter().map(row).collect::<Vec<_>>());
        format!("{table}\n\n{name}, {leave}: {}\n", summary(&self.report))
    }
}

fn micros_since(start: Instant) -> u64 {
    micros(start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_of_partitions_that_moved_and_of_those_that_stayed_are_told_apart() {
        let owners = |of: [u32; 3]| (0..).zip(of).collect();
        let observed = Observed {
            from: 1,
            to: 2,
            changing: 1_000..2_000,
            holding: 2_000..3_000,
            before: owners([1, 1, 1]),
            after: owners([1, 2, 2]),
        };
        let orders = vec![vec![1_100, 1_200, 2_100]; 3];
        let moves = [
            (0, vec![1_110, 1_230, 2_140]),
            (1, vec![1_110, 1_800, 2_150]),
            (2, vec![1_700, 2_105]),
        ];
        let micros = Duration::from_micros;
        let expected = Change {
            from: 1,
            to: 2,
            settled: micros(1_000),
            moved: 2,
            pause_of_moved: micros(600),
            pause_of_stayed: Some(micros(30)),
            pause_settled: micros(50),
        };
        assert_eq!(observed.change(&moves.into(), &orders), expected);
    }
}
