use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::sync::mpsc;

use super::{Command, Log};
use crate::progress::Progress;
use crate::store::Store;

/// How often a log that does not fit its position is looked at again.
const HALTED_RECHECK: Duration = Duration::from_secs(5);

/// Finds out where reading a partition starts.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct Loader {
    pub log: Arc<Log>,
    pub store: Store,
    pub topic: String,
    pub progress: Progress,
    pub commands: mpsc::Sender<Command>,
}

/// Why reading cannot start.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("PostgreSQL: {0}")]
    Store(#[from] crate::store::WriteError),
    #[error("Kafka: {0}")]
    Kafka(#[from] rdkafka::error::KafkaError),
    #[error("the log holds offsets {begin}..{end}, but the position is {position}")]
    Log { begin: i64, end: i64, position: i64 },
    #[error("{0}")]
    Task(#[from] tokio::task::JoinError),
}

impl Loader {
    /// Asks until it knows, then tells the reader. Runs until then, or until it is aborted.
    pub async fn load(self, partition: i32, generation: u64) {
        let delays = || {
            ExponentialBuilder::default()
                .with_min_delay(Duration::from_millis(100))
                .with_max_delay(Duration::from_secs(1))
                .with_jitter()
                .without_max_times()
                .build()
        };
        let mut delay = delays();
        let mut was_halted = false;
        let offset = loop {
            let pause = match self.position(partition).await {
                Ok(offset) => break offset,
                Err(error @ LoadError::Log { .. }) => {
                    if !was_halted {
                        tracing::error!(kafka.partition = partition, %error, "partition halted");
                        self.progress.halted(partition);
                        was_halted = true;
                    }
                    HALTED_RECHECK
                }
                Err(error) => {
                    tracing::warn!(kafka.partition = partition, %error, "position not known yet");
                    delay.next().unwrap_or(HALTED_RECHECK)
                }
            };
            tokio::time::sleep(pause).await;
        };
        let start = Command::Start {
            partition,
            generation,
            offset,
        };
        // Nobody listens any more: the reader has stopped.
        let _ = self.commands.send(start).await;
    }

    /// A position outside the log means lost records: nothing may be skipped in silence.
    async fn position(&self, partition: i32) -> Result<i64, LoadError> {
        let position = self.store.position(&self.topic, partition).await?;
        let log = Arc::clone(&self.log);
        let bounds = tokio::task::spawn_blocking(move || log.bounds(partition));
        let (begin, end) = bounds.await??;
        if (begin..=end).contains(&position) {
            Ok(position)
        } else {
            Err(LoadError::Log {
                begin,
                end,
                position,
            })
        }
    }
}
