//! Workers that come and go, and which partitions each of them has.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use tokio::time::sleep;

use crate::client::Client;
use crate::process::{Process, Settings};
use crate::program::Program;
use crate::sandbox::Sandbox;
use crate::until::until;

/// Longest until a group has shared out its partitions: a session, and what forming the group anew takes.
const SETTLE_LIMIT: Duration = Duration::from_secs(90);
/// A worker takes time to show its metrics, and time is what the others need.
const BETWEEN_LOOKS: Duration = Duration::from_millis(80);
/// Longest a worker may take to leave in good order.
const LEAVE_LIMIT: Duration = Duration::from_secs(30);

/// How a worker leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// SIGTERM: it writes what it has, says good-bye to the group and ends.
    Asked,
    /// SIGKILL: the group misses it when its session is over.
    Killed,
}

/// The workers of a run.
#[derive(Debug)]
pub struct Crew<'a> {
    sandbox: &'a Sandbox,
    settings: Settings,
    workers: Vec<Worker>,
}

/// A worker, and a connection to it that is kept: it is looked at many times a second.
#[derive(Debug)]
struct Worker {
    process: Process,
    client: Client,
}

/// Which worker, by its pid, reads each partition.
pub type Owners = BTreeMap<i32, u32>;

impl<'a> Crew<'a> {
    /// Nobody yet. Workers will have `settings` on top of the sandbox's.
    pub fn new(sandbox: &'a Sandbox, settings: Settings) -> Self {
        Self {
            sandbox,
            settings,
            workers: Vec::new(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.workers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// Starts or ends workers until there are `count`. Those who are asked to leave have left when this returns; those
    /// who come may not be ready yet. The eldest leave.
    ///
    /// # Errors
    /// When one does not start, or does not end as it should.
    pub async fn become_many(&mut self, count: usize, leave: Leave) -> Result<()> {
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

    /// Waits until every partition is read by exactly one worker, and every worker reads one; who reads which.
    ///
    /// # Errors
    /// When that does not come true in time.
    pub async fn settled(&mut self) -> Result<Owners> {
        // The first worker makes the topic.
        let log = &self.sandbox.stores.log;
        let ends = async || log.ends().await;
        let partitions = until("the topic is there", SETTLE_LIMIT, ends).await?.len();
        let what = format!(
            "{} workers share {partitions} partitions",
            self.workers.len()
        );
        until(&what, SETTLE_LIMIT, async || {
            let owners = self.owners(partitions).await;
            if owners.is_err() {
                sleep(BETWEEN_LOOKS).await;
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
        let read = owners.len();
        ensure!(read == partitions, "{read} of {partitions} are read");
        Ok(owners)
    }

    /// One of their metrics, by pid, summed over all labels.
    ///
    /// # Errors
    /// When one does not answer.
    pub async fn metric(&self, name: &str) -> Result<BTreeMap<u32, f64>> {
        let values = self.workers.iter();
        let values =
            values.map(async |it| anyhow::Ok((it.process.pid(), it.client.metric(name).await?)));
        let values = try_join_all(values.collect::<Vec<_>>()).await?;
        Ok(values.into_iter().collect())
    }
}

async fn end(mut worker: Process, leave: Leave) -> Result<()> {
    match leave {
        Leave::Killed => worker.kill(),
        Leave::Asked => {
            let status = worker.terminate(LEAVE_LIMIT).await?;
            ensure!(status.success(), "a worker ended with {status}");
            Ok(())
        }
    }
}

/// The partitions of which a worker shows the lag: it does so for those that it reads. They are as many as it says
/// that it was assigned, or one of both figures is about to follow.
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
    ensure!(
        assigned == read.len() as f64,
        "assigned {assigned}, shown {}",
        read.len()
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
