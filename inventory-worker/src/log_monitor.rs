//! Watches the log of each partition while it is read.

mod missing_partitions;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use fluxgate_ledger::{Ledger, LedgerError};
use fluxgate_log::{HaltReason, LogError, RecordReader, check_anchor};
use fluxgate_service::ops::Check;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use crate::lag_tracker::{LagTracker, WrittenMark};
use crate::metrics::Metrics;
use crate::reader::Command;
use missing_partitions::MissingPartitions;

const INTERVAL: Duration = Duration::from_secs(5);

/// Checks that the topic exists with all its partitions, and notices a log that is exchanged for another one while it is
/// read: the reader goes on in it where it was in the old one. Every five seconds it looks again at the record that was
/// the last one five seconds before. The newest one proves nothing, because it may be of the new log already. When a
/// partition has another leader, the reader looks at once.
#[allow(missing_docs)]
pub struct LogMonitor {
    pub records: Arc<RecordReader>,
    pub ledger: Ledger,
    pub topic: String,
    /// Whether the topic exists.
    pub check: Check,
    pub lag: LagTracker,
    pub metrics: Metrics,
    pub commands: mpsc::Sender<Command>,
}

/// A record that is looked at again.
#[derive(Clone, Copy)]
struct Anchor {
    written: WrittenMark,
    /// How often in a row the log did not have it.
    missed: u32,
}

#[derive(Debug, thiserror::Error)]
enum MonitorError {
    #[error("Kafka: {0}")]
    Kafka(#[from] LogError),
    #[error("PostgreSQL: {0}")]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Task(#[from] JoinError),
}

impl LogMonitor {
    /// Checks every five seconds until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let (mut known, mut anchors) = (None, HashMap::new());
        let mut missing = MissingPartitions::default();
        loop {
            match self.leaders().await {
                Ok(Some(leaders)) => {
                    self.check.pass();
                    self.follow_leaders(&mut known, &leaders).await;
                    self.look_at_logs(&mut anchors).await;
                    missing.look(&self, &leaders).await;
                    self.report_halted().await;
                }
                Ok(None) => {
                    self.check
                        .fail(format!("topic {} does not exist", self.topic));
                    // Once it exists again, all its leaders are new.
                    known = Some(BTreeMap::new());
                }
                Err(error) => {
                    self.metrics.count_log_check("undecided");
                    tracing::warn!(%error, "failed to look at the topic; trying again");
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    async fn leaders(&self) -> Result<Option<BTreeMap<i32, i32>>, MonitorError> {
        let records = Arc::clone(&self.records);
        Ok(tokio::task::spawn_blocking(move || records.leaders()).await??)
    }

    /// Has the reader check the partitions whose leader is another one than the last that was known.
    async fn follow_leaders(
        &self,
        known: &mut Option<BTreeMap<i32, i32>>,
        now: &BTreeMap<i32, i32>,
    ) {
        let elected = now.iter().filter(|(_, leader)| **leader >= 0);
        let Some(known) = known else {
            // The reader has just started where it checks by itself.
            *known = Some(elected.map(|(it, leader)| (*it, *leader)).collect());
            return;
        };
        for (&partition, &leader) in elected {
            if known.insert(partition, leader) != Some(leader) {
                self.tell_reader(Command::CheckInPlace { partition }).await;
            }
        }
    }

    /// Tells how much of halted logs will be read once they are accepted.
    async fn report_halted(&self) {
        for partition in self.lag.halted_partitions() {
            let records = Arc::clone(&self.records);
            let bounds = tokio::task::spawn_blocking(move || records.bounds(partition)).await;
            let bounds = bounds.ok().and_then(Result::ok);
            self.lag.report_halted(partition, bounds);
        }
    }

    /// Fails only after the reader has ended.
    async fn tell_reader(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    async fn look_at_logs(&self, anchors: &mut HashMap<i32, Anchor>) {
        let newest = self.lag.marks();
        anchors.retain(|partition, _| newest.contains_key(partition));
        for (partition, written) in newest {
            let anchor = anchors.get(&partition).copied();
            let anchor = anchor.filter(|it| it.written.log_number == written.log_number);
            let missed = match anchor {
                None => 0,
                Some(anchor) => match self.check(partition, anchor).await {
                    Ok(missed) => missed,
                    Err(error) => {
                        self.metrics.count_log_check("undecided");
                        tracing::warn!(
                            kafka.partition = partition,
                            %error,
                            "no answer whether the log is the one that was read; checking again"
                        );
                        continue;
                    }
                },
            };
            let written = match anchor {
                Some(anchor) if missed > 0 => anchor.written,
                _ => written,
            };
            anchors.insert(partition, Anchor { written, missed });
        }
    }

    /// Looks for the anchor; returns how often in a row it was not there. The second time, the partition is halted.
    async fn check(&self, partition: i32, anchor: Anchor) -> Result<u32, MonitorError> {
        let Some(because) = self.missing(partition, anchor).await? else {
            return Ok(0);
        };
        let missed = anchor.missed + 1;
        tracing::warn!(
            kafka.partition = partition,
            %because,
            missed,
            "the log is not the one that was read"
        );
        if missed >= 2 {
            let log_number = anchor.written.log_number;
            let because = because.to_string();
            let halt = self
                .ledger
                .halt_log(&self.topic, partition, log_number, &because);
            if halt.await? {
                self.metrics.count_log_check("halted");
            }
            self.tell_reader(Command::PositionChanged { partition })
                .await;
        }
        Ok(missed)
    }

    async fn missing(
        &self,
        partition: i32,
        anchor: Anchor,
    ) -> Result<Option<HaltReason>, MonitorError> {
        let (records, mark) = (Arc::clone(&self.records), anchor.written.mark);
        let looking = tokio::task::spawn_blocking(move || {
            let bounds = records.bounds(partition)?;
            let is_there = bounds.contains(mark.offset);
            let found = is_there.then(|| records.record_at(partition, mark.offset));
            Ok::<_, LogError>(check_anchor(&mark, bounds, found.transpose()?))
        });
        Ok(looking.await??)
    }
}
