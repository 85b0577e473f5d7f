//! A consumer group of workers, and which partitions each of them reads.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use tokio::time::sleep;

use super::STOP_LIMIT;
use crate::client::Client;
use crate::process::{Process, Settings, settings};
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
    workers: Vec<Worker>,
}

/// A worker, and a connection to it that is kept: it is asked many times a second.
#[derive(Debug)]
struct Worker {
    process: Process,
    client: Client,
}

/// Which worker, by its pid, reads each partition.
pub type Owners = BTreeMap<i32, u32>;

impl<'a> WorkerGroup<'a> {
    /// No workers yet. They will have `more` settings than the sandbox's.
    pub fn new(sandbox: &'a Sandbox, more: &[(&str, &str)]) -> Self {
        Self {
            sandbox,
            settings: settings(more),
            workers: Vec::new(),
        }
    }

    pub fn count(&self) -> usize {
        self.workers.len()
    }

    /// Starts or ends workers until there are `count`. Those that leave have ended when this
    /// returns; those that are new may not be ready yet. The oldest leave.
    pub async fn resize(&mut self, count: usize, leave: Leave) -> Result<()> {
        while self.workers.len() < count {
            let settings = self.settings.clone();
            let process = self
                .sandbox
                .spawn_with(Program::InventoryWorker, settings)?;
            let client = process.client()?;
            self.workers.push(Worker { process, client });
        }
        let leavers = self.workers.drain(..self.workers.len() - count);
        let ends = leavers.map(|worker| end(worker.process, leave));
        try_join_all(ends.collect::<Vec<_>>()).await?;
        Ok(())
    }

    /// Waits until every partition is read by exactly one worker, and every worker reads one.
    pub async fn settled(&mut self) -> Result<Owners> {
        // The first worker creates the topic.
        let topic = &self.sandbox.stores.topic;
        let ends = async || topic.ends().await;
        let partitions = wait_until("the topic exists", SETTLE_LIMIT, ends)
            .await?
            .len();
        let what = format!("{} workers share {partitions} partitions", self.count());
        wait_until(&what, SETTLE_LIMIT, async || {
            let owners = self.owners(partitions).await;
            if owners.is_err() {
                sleep(BETWEEN_READS).await;
            }
            owners
        })
        .await
    }

    async fn owners(&mut self, partitions: usize) -> Result<Owners> {
        let mut owners = Owners::new();
        for Worker { process, client } in &mut self.workers {
            let ended = process.has_ended()?;
            ensure!(ended.is_none(), "a worker ended: {}", process.output()?);
            let read = partitions_read(&client.metrics().await?)?;
            ensure!(!read.is_empty(), "worker {} reads nothing", process.pid());
            for partition in read {
                let other = owners.insert(partition, process.pid());
                ensure!(other.is_none(), "two workers read partition {partition}");
            }
        }
        ensure!(
            owners.len() == partitions,
            "{} of {partitions} are read",
            owners.len()
        );
        Ok(owners)
    }

    /// One of their metrics, by pid, summed over all labels.
    pub async fn metric(&self, name: &str) -> Result<BTreeMap<u32, f64>> {
        let mut values = BTreeMap::new();
        for Worker { process, client } in &self.workers {
            values.insert(process.pid(), client.metric(name).await?);
        }
        Ok(values)
    }
}

async fn end(mut worker: Process, leave: Leave) -> Result<()> {
    match leave {
        Leave::Sigkill => worker.kill(),
        Leave::Sigterm => worker.stop(STOP_LIMIT).await,
    }
}

/// The partitions of which a worker shows the lag: it does so for those that it reads. They are as
/// many as it says that it was assigned, or one of both figures is about to follow.
fn partitions_read(metrics: &str) -> Result<Vec<i32>> {
    const LAG: &str = "inventory_worker_lag_records{partition=\"";
    const ASSIGNED: &str = "inventory_worker_partitions_assigned ";
    let mut read = Vec::new();
    let mut assigned = None;
    for line in metrics.lines() {
        if let Some(rest) = line.strip_prefix(LAG) {
            let number = rest.split('"').next().context("a label has an end")?;
            read.push(number.parse()?);
        } else if let Some(number) = line.strip_prefix(ASSIGNED) {
            assigned = Some(number.parse::<f64>()?);
        }
    }
    let assigned = assigned.context("it does not say how many it was assigned")?;
    let shown = read.len();
    ensure!(
        assigned == shown as f64,
        "assigned {assigned}, shown {shown}"
    );
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_read_from_the_labels_and_counted() {
        let metrics = "inventory_worker_lag_records{partition=\"3\"} 0\n\
            inventory_worker_lag_records{partition=\"11\"} 7\n\
            inventory_worker_partitions_assigned 2\n";
        assert_eq!(partitions_read(metrics).unwrap(), [3, 11]);
        assert!(partitions_read(&metrics.replace(" 2", " 3")).is_err());
        assert!(partitions_read("").is_err());
    }
}
