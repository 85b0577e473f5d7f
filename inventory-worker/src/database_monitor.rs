//! Watches PostgreSQL while nothing is written.

use std::time::Duration;

use fluxgate_ledger::{Ledger, LedgerError, StoredPosition};
use fluxgate_service::ops::Check;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::lag_tracker::LagTracker;
use crate::reader::Command;
use crate::writer::FailingWrites;

const INTERVAL: Duration = Duration::from_secs(1);
/// How long a batch may be refused before the worker is no longer ready.
const FAILING_MAX: Duration = Duration::from_secs(3);

/// Sets the database check of `/readyz`, also by what the writers see, and notices a database that was restored from an
/// older backup and halts that have ended.
#[allow(missing_docs)]
pub struct DatabaseMonitor {
    pub ledger: Ledger,
    pub topic: String,
    pub check: Check,
    pub failing: FailingWrites,
    pub lag: LagTracker,
    pub commands: mpsc::Sender<Command>,
}

impl DatabaseMonitor {
    /// Checks every second until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            let observed = self.observe().await;
            match (observed, self.failing.longer_than(FAILING_MAX)) {
                (Err(error), _) => self.check.fail(error.to_string()),
                (Ok(()), Some(error)) => {
                    self.check.fail(format!("batches are not written: {error}"))
                }
                (Ok(()), None) => self.check.pass(),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    /// The next write to a partition would notice a restored database, too; on a partition without new records there is
    /// no next write.
    async fn observe(&self) -> Result<(), LedgerError> {
        self.ledger.probe().await?;
        // Read before those of PostgreSQL: positions only grow, unless the database was restored.
        let ours = self.lag.positions();
        let halted = self.lag.halted_partitions();
        let held = self.ledger.positions(&self.topic).await?;
        for partition in halted {
            if matches!(held.get(&partition), Some(StoredPosition::Read(_))) {
                // The reader ignores it if the partition is halted for another reason than its log.
                self.tell_reader(partition).await;
            }
        }
        for (partition, written) in ours {
            let position = match held.get(&partition) {
                Some(StoredPosition::Read(position)) => position.next,
                Some(StoredPosition::Halted(_)) => -1,
                None => 0,
            };
            if position < written {
                tracing::warn!(
                    kafka.partition = partition,
                    position,
                    written,
                    "PostgreSQL was restored from an older backup, or the partition is halted; loading its position"
                );
                self.tell_reader(partition).await;
            }
        }
        Ok(())
    }

    /// Fails only after the reader has ended.
    async fn tell_reader(&self, partition: i32) {
        let _ = self
            .commands
            .send(Command::PositionChanged { partition })
            .await;
    }
}

/// Logs that another task failed to read from PostgreSQL. Without a connection, [`DatabaseMonitor`] reports it; any other
/// error may be of this call alone, such as a query that takes too long.
pub fn log_failed_read(error: &LedgerError, task: &str) {
    if error.is_without_connection() {
        tracing::debug!(%error, task, "failed to read from PostgreSQL; trying again");
    } else {
        tracing::warn!(%error, task, "failed to read from PostgreSQL; trying again");
    }
}
