use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;
use fluxgate_domain::batch::Position;
use fluxgate_ledger::{Ledger, LedgerError, StoredPosition};
use fluxgate_log::{Evidence, HaltReason, LogBounds, LogCheck, LogError, RecordReader, check_log};
use tokio::sync::mpsc;

use super::Command;
use crate::metrics::Metrics;
use crate::retry::retry_delays;

/// A halt does not end by itself, so a log is asked twice. The first answer may come from a broker that lags behind.
const SECOND_ANSWER_AFTER: Duration = Duration::from_secs(5);

/// Finds where reading a partition starts: at PostgreSQL's position, if the log contains it. Otherwise halts the
/// partition.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct StartOffsets {
    pub log: Arc<RecordReader>,
    pub ledger: Ledger,
    pub topic: String,
    pub metrics: Metrics,
    pub commands: mpsc::Sender<Command>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("PostgreSQL: {0}")]
    Ledger(#[from] LedgerError),
    #[error("Kafka: {0}")]
    Kafka(#[from] LogError),
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

/// What was found out about a partition.
enum Found {
    Start(Position),
    /// It is halted in PostgreSQL.
    Halted(String),
    /// It should be halted.
    OtherLog(Position, HaltReason),
}

impl StartOffsets {
    /// Retries until it is known how to go on, then tells the reader. Runs until then, or until it is aborted. `seen` is
    /// what the log had instead of the last record when it was read before.
    pub async fn find(self, partition: i32, generation: u64, seen: Option<Evidence>) {
        let mut delays = retry_delays().build();
        let mut first_answer = None;
        if seen.is_some_and(|seen| seen.is_uncertain()) {
            tokio::time::sleep(SECOND_ANSWER_AFTER).await;
        }
        let command = loop {
            let found = match self.look(partition, seen.as_ref()).await {
                Ok(Found::OtherLog(position, because)) => {
                    let answer = (position, std::mem::discriminant(&because));
                    if first_answer != Some(answer) && seen.is_none_or(|it| it.is_uncertain()) {
                        first_answer = Some(answer);
                        tracing::warn!(
                            kafka.partition = partition,
                            %because,
                            "the log is not the one that was read; asking again before the partition is halted"
                        );
                        tokio::time::sleep(SECOND_ANSWER_AFTER).await;
                        continue;
                    }
                    self.halt(partition, &position, because).await
                }
                found => found,
            };
            match found {
                Ok(Found::Start(position)) => {
                    break Command::Start {
                        partition,
                        generation,
                        position,
                    };
                }
                Ok(Found::Halted(reason)) => {
                    break Command::Halted {
                        partition,
                        generation,
                        reason,
                    };
                }
                // Its position has changed.
                Ok(Found::OtherLog(..)) => {}
                Err(error) => {
                    tracing::warn!(kafka.partition = partition, %error, "failed to load the position; retrying");
                    if matches!(error, StartError::Kafka(_)) {
                        self.metrics.count_log_check("undecided");
                    }
                    let delay = delays.next().expect("the delays have no end");
                    tokio::time::sleep(delay).await;
                }
            }
        };
        // Fails only after the reader has stopped.
        let _ = self.commands.send(command).await;
    }

    async fn look(&self, partition: i32, seen: Option<&Evidence>) -> Result<Found, StartError> {
        let mut position = match self.ledger.position(&self.topic, partition).await? {
            StoredPosition::Read(position) => position,
            StoredPosition::Halted(because) => return Ok(Found::Halted(because)),
        };
        let log = Arc::clone(&self.log);
        let bounds = tokio::task::spawn_blocking(move || log.bounds(partition));
        let bounds = bounds.await??;
        match check_log(&position, bounds, seen) {
            LogCheck::Read => {}
            LogCheck::Shortened => {
                self.shortened(partition, &position, bounds);
                position.last = None;
            }
            LogCheck::Halt(because) => return Ok(Found::OtherLog(position, because)),
        }
        Ok(Found::Start(position))
    }

    /// Writes the halt, unless the position has changed.
    async fn halt(
        &self,
        partition: i32,
        position: &Position,
        because: HaltReason,
    ) -> Result<Found, StartError> {
        let reason = because.to_string();
        let halt = self.ledger.halt(&self.topic, partition, position, &reason);
        if halt.await? {
            self.metrics.count_log_check("halted");
            return Ok(Found::Halted(reason));
        }
        Ok(Found::OtherLog(*position, because))
    }

    fn shortened(&self, partition: i32, position: &Position, log: LogBounds) {
        self.metrics.count_log_check("shortened");
        tracing::warn!(
            kafka.partition = partition,
            position = position.next,
            log.begin = log.begin,
            "retention has removed the record that was read last; reading on"
        );
    }
}
