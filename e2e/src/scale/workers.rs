//! Workers come and go while orders come in, and every partition is written by one of them.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::crew::{Crew, Leave, Owners};
use super::load::Load;
use super::market::open_on_each_partition;
use super::pauses::{longest_around, longest_inside, pauses};
use super::positions::{Moves, Watch};
use super::{PARTITIONS, Protocol};
use crate::rehearsal::check::check;
use crate::rehearsal::heard::{Heard, micros};
use crate::rehearsal::report::Report;
use crate::sandbox::Sandbox;

/// Longest that writing what is left may take.
const WRITE_LIMIT: Duration = Duration::from_secs(120);

/// What a worker was writing when it lost the partition may be committed a little later. Whoever has it now then finds that
/// its position has moved, and reads it again: the fence at work, and no second writer.
const AFTERMATH: Duration = Duration::from_secs(2);

/// What is done.
#[derive(Debug, Clone)]
pub struct Run {
    /// How the group shares out its partitions.
    pub protocol: Protocol,
    /// How workers leave.
    pub leave: Leave,
    /// Workers to begin with, and then.
    pub counts: Vec<usize>,
    /// Orders a second.
    pub per_second: u32,
    /// How long each number of workers is kept once the group has settled.
    pub hold: Duration,
}

/// A change of the number of workers, and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Workers before.
    pub from: usize,
    /// Workers after.
    pub to: usize,
    /// Until every partition was read by exactly one worker, and every worker read one.
    pub settled: Duration,
    /// Partitions that another worker reads now.
    pub moved: usize,
    /// The longest time in which a partition that moved had orders that waited, and none was written.
    pub pause_of_moved: Duration,
    /// The same of those that stayed where they were; none if there are none.
    pub pause_of_stayed: Option<Duration>,
    /// The longest of all that began and ended while settled.
    pub pause_settled: Duration,
}

/// What came out.
#[derive(Debug)]
pub struct Outcome {
    /// What was done.
    pub run: Run,
    /// How each change went.
    pub changes: Vec<Change>,
    /// Everything that the buyers were told, held against the stores.
    pub report: Report,
}

/// A change as it happened, in microseconds since the load began.
struct Seen {
    from: usize,
    to: usize,
    changing: Range<u64>,
    holding: Range<u64>,
    before: Owners,
    after: Owners,
}

/// Does it.
///
/// # Errors
/// When a service does not do as it should, a partition is not written by exactly one worker, or a store does not
/// answer. What is wrong with single orders stands in the report.
pub async fn run(sandbox: &Sandbox, run: Run) -> Result<Outcome> {
    let settings = run.protocol.settings();
    let mut crew = Crew::new(sandbox, settings);
    let mut counts = run.counts.iter().copied();
    crew.become_many(counts.next().unwrap_or(1), run.leave)
        .await?;
    let mut owners = crew.settled().await?;
    let api = sandbox.api().await?;
    let deployment = sandbox.deployment(&[&api]);
    let sales =
        open_on_each_partition(&deployment.admin()?, PARTITIONS, super::UNITS_ENOUGH).await?;

    let load = Load::start(&deployment, &sales, run.per_second)?;
    let start = load.start_of();
    let watch = Watch::begin(&sandbox.stores, start).await?;
    load.goes_on_for(run.hold).await?;
    let mut seen = Vec::new();
    for to in counts {
        let (from, begin) = (crew.len(), micros_since(start));
        crew.become_many(to, run.leave).await?;
        let after = crew.settled().await?;
        let settled = micros_since(start);
        let before = std::mem::replace(&mut owners, after.clone());
        hold(&crew, &load, run.hold).await?;
        ensure!(
            crew.settled().await? == after,
            "partitions moved by themselves"
        );
        seen.push(Seen {
            from,
            to,
            changing: begin..settled,
            holding: settled..micros_since(start),
            before,
            after,
        });
    }
    let heard = load.end().await?;
    let findings = check(&heard, &sandbox.stores, &sales, WRITE_LIMIT).await?;
    let moves = watch.end().await?;
    let orders = orders_of_each_partition(&heard, sales.len());
    let change = |it: &Seen| it.change(&moves, &orders);
    Ok(Outcome {
        changes: seen.iter().map(change).collect(),
        report: Report::of(&heard, findings),
        run,
    })
}

/// Lets orders come while nothing changes. Meanwhile every worker writes, for each has partitions, and no worker
/// finds that somebody else has written what it was about to.
async fn hold(crew: &Crew<'_>, load: &Load, time: Duration) -> Result<()> {
    let count = async || {
        let written = crew.metric("inventory_worker_orders_total").await?;
        let missed = crew
            .metric("inventory_worker_position_mismatches_total")
            .await?;
        anyhow::Ok((written, missed))
    };
    load.goes_on_for(AFTERMATH).await?;
    let (written, missed) = count().await?;
    load.goes_on_for(time).await?;
    let (written_now, missed_now) = count().await?;
    for (worker, now) in &written_now {
        ensure!(now > &written[worker], "worker {worker} writes nothing");
    }
    ensure!(
        missed == missed_now,
        "two workers write one partition: {missed:?}, then {missed_now:?}"
    );
    Ok(())
}

/// When orders of each partition were answered 202, in order. The sales are one on each partition.
fn orders_of_each_partition(heard: &Heard, partitions: usize) -> Vec<Vec<u64>> {
    let mut orders = vec![Vec::new(); partitions];
    for told in heard.ordered() {
        orders[told.order as usize % partitions].push(told.done_us);
    }
    orders.iter_mut().for_each(|all| all.sort_unstable());
    orders
}

impl Seen {
    fn change(&self, moves: &Moves, orders: &[Vec<u64>]) -> Change {
        let all: Vec<i32> = self.after.keys().copied().collect();
        let (stayed, moved): (Vec<i32>, Vec<i32>) = all
            .iter()
            .partition(|it| self.before.get(it) == self.after.get(it));
        let pauses = |partitions: &[i32]| -> Vec<Range<u64>> {
            let each = partitions.iter().filter_map(|partition| {
                let moves = moves.get(partition)?;
                let orders = orders.get(usize::try_from(*partition).ok()?)?;
                Some(pauses(moves, orders))
            });
            each.flatten().collect()
        };
        let around = |partitions: &[i32]| longest_around(&pauses(partitions), &self.changing);
        let settled = longest_inside(&pauses(&all), &self.holding);
        Change {
            from: self.from,
            to: self.to,
            settled: Duration::from_micros(self.changing.end - self.changing.start),
            moved: moved.len(),
            pause_of_moved: Duration::from_micros(around(&moved)),
            pause_of_stayed: (!stayed.is_empty()).then(|| Duration::from_micros(around(&stayed))),
            pause_settled: Duration::from_micros(settled),
        }
    }
}

fn micros_since(start: Instant) -> u64 {
    micros(start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(of: [u32; 3]) -> Owners {
        (0..).zip(of).collect()
    }

    #[test]
    fn pauses_of_partitions_that_moved_and_of_those_that_stayed_are_told_apart() {
        let seen = Seen {
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
        let change = seen.change(&moves.into(), &orders);
        assert_eq!(change.moved, 2);
        let micros = Duration::from_micros;
        assert_eq!(change.settled, micros(1_000));
        assert_eq!(change.pause_of_moved, micros(600));
        assert_eq!(change.pause_of_stayed, Some(micros(30)));
        assert_eq!(change.pause_settled, micros(50));
    }
}
