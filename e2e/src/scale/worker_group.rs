//! A consumer group of workers, and which partitions each of them reads.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use tokio::time::sleep;

use super::{PARTITIONS, STOP_LIMIT};
use crate::process::{Process, Settings, changed};
use crate::program::Program;
use crate::sandbox::Sandbox;
use crate::wait::wait_until;

/// Longest until a group has shared out its partitions: a session, and what forming the group anew takes.
const SETTLE_LIMIT: Duration = Duration::from_secs(90);
/// A worker takes time to print its metrics, and the others need that time.
const BETWEEN_READS: Duration = Duration::from_millis(80);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// It writes what it has, leaves the group and ends.
    Sigterm,
    /// The group misses it when its session is over.
    Sigkill,
}

#[derive(Debug)]
pub struct WorkerGroup<'a> {
    sandbox: &'a Sandbox,
    settings: Settings,
    pub workers: Vec<Process>,
}

/// Which worker, by its pid, reads each partition.
pub type Owners = BTreeMap<i32, u32>;

impl<'a> WorkerGroup<'a> {
    /// No workers yet. They will have `more` settings than the sandbox's.
    pub fn new(sandbox: &'a Sandbox, more: &[(&str, &str)]) -> Self {
        Self {
            sandbox,
            settings: changed(&sandbox.settings(), more),
            workers: Vec::new(),
        }
    }

    /// Starts or ends workers until there are `count`. Those that leave have ended when this
    /// returns; those that are new may not be ready yet. The oldest leave.
    pub async fn resize(&mut self, count: usize, leave: Leave) -> Result<()> {
        while self.workers.len() < count {
            let settings = self.settings.clone();
            let worker = self.sandbox.spawn(Program::InventoryWorker, settings);
            self.workers.push(worker?);
        }
        let leavers = self.workers.drain(..self.workers.len() - count);
        let ends = leavers.map(async |mut worker| match leave {
            Leave::Sigkill => worker.kill(),
            Leave::Sigterm => worker.stop(STOP_LIMIT).await,
        });
        try_join_all(ends.collect::<Vec<_>>()).await?;
        Ok(())
    }

    /// Waits until every partition is read by exactly one worker, and every worker reads one.
    pub async fn settled(&mut self) -> Result<Owners> {
        let what = format!(
            "{} workers share {PARTITIONS} partitions",
            self.workers.len()
        );
        wait_until(&what, SETTLE_LIMIT, async || {
            let owners = self.owners().await;
            if owners.is_err() {
                sleep(BETWEEN_READS).await;
            }
            owners
        })
        .await
    }

    async fn owners(&mut self) -> Result<Owners> {
        const LAG: &str = "inventory_worker_lag_records{partition=\"";
        const ASSIGNED: &str = "inventory_worker_partitions_assigned";
        let mut owners = Owners::new();
        for worker in &mut self.workers {
            worker.expect_running()?;
            // A worker shows the lag of the partitions that it reads, or one of both figures is about to follow.
            let metrics = worker.client()?.metrics().await?;
            let rest = metrics.lines().filter_map(|line| line.strip_prefix(LAG));
            let read: Vec<i32> = rest
                .map(|it| it.split('"').next().unwrap_or(it).parse())
                .collect::<Result<_, _>>()?;
            let (shown, assigned) = (read.len() as f64, worker.metric(ASSIGNED).await?);
            ensure!(
                shown > 0.0 && shown == assigned,
                "{assigned} assigned, {shown} shown"
            );
            for partition in read {
                let other = owners.insert(partition, worker.pid());
                ensure!(other.is_none(), "two workers read partition {partition}");
            }
        }
        let read = owners.len();
        ensure!(read == usize::from(PARTITIONS), "{read} are read");
        Ok(owners)
    }

    /// One of their metrics, by pid, summed over all labels.
    pub async fn metric(&self, name: &str) -> Result<BTreeMap<u32, f64>> {
        let mut values = BTreeMap::new();
        for worker in &self.workers {
            values.insert(worker.pid(), worker.metric(name).await?);
        }
        Ok(values)
    }
}
