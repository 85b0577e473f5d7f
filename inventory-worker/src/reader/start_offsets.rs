use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;
use fluxgate_ledger::{Ledger, LedgerError};
use fluxgate_log::{LogError, TopicReader};
use tokio::sync::mpsc;

use super::Command;
use crate::lag_tracker::LagTracker;
use crate::retry::retry_delays;

/// How often a log that does not contain its position is checked again.
const HALTED_RECHECK: Duration = Duration::from_secs(5);

/// Finds the offset at which reading a partition starts: PostgreSQL's position, if the log contains it.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct StartOffsets {
    pub log: Arc<TopicReader>,
    pub ledger: Ledger,
    pub topic: String,
    pub lag: LagTracker,
    pub commands: mpsc::Sender<Command>,
}

/// Why reading cannot start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("PostgreSQL: {0}")]
    Ledger(#[from] LedgerError),
    #[error("Kafka: {0}")]
    Kafka(#[from] LogError),
    #[error("the log contains offsets {begin}..{end}, but the position is {position}")]
    OutsideLog { begin: i64, end: i64, position: i64 },
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

impl StartOffsets {
    /// Retries until it has found the offset, then sends it to the reader. Runs until then, or until it is aborted.
    pub async fn find(self, partition: i32, generation: u64) {
        let mut delays = retry_delays().build();
        let mut was_halted = false;
        let offset = loop {
            let delay = match self.position(partition).await {
                Ok(offset) => break offset,
                Err(error @ StartError::OutsideLog { .. }) => {
                    if !was_halted {
                        tracing::error!(kafka.partition = partition, %error, "partition halted");
                        self.lag.halted(partition);
                        was_halted = true;
                    }
                    HALTED_RECHECK
                }
                Err(error) => {
                    tracing::warn!(kafka.partition = partition, %error, "failed to load the position; retrying");
                    delays.next().expect("the delays have no end")
                }
            };
            tokio::time::sleep(delay).await;
        };
        let start = Command::Start {
            partition,
            generation,
            offset,
        };
        // Fails only after the reader has stopped.
        let _ = self.commands.send(start).await;
    }

    /// A position outside the log means lost records: nothing may be skipped silently.
    async fn position(&self, partition: i32) -> Result<i64, StartError> {
        let position = self.ledger.position(&self.topic, partition).await?;
        let log = Arc::clone(&self.log);
        let bounds = tokio::task::spawn_blocking(move || log.bounds(partition));
        let (begin, end) = bounds.await??;
        if (begin..=end).contains(&position) {
            Ok(position)
        } else {
            Err(StartError::OutsideLog {
                begin,
                end,
                position,
            })
        }
    }
}
