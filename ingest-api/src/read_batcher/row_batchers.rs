use fluxgate_ledger::ReadClass;
use fluxgate_service::essential_tasks::EssentialTasks;

use super::{BatchRead, ReadBatcher, ReadLimits};
use crate::metrics::Metrics;

/// Reads of rows in PostgreSQL, with a queue for each class, so that reads of what Redis does not know hold up no others.
pub struct RowBatchers<R: BatchRead> {
    known: ReadBatcher<R>,
    unknown: ReadBatcher<R>,
}

impl<R: BatchRead> RowBatchers<R> {
    /// Starts a batcher for each class; `reads` makes its reads.
    pub fn start(
        reads: impl Fn(ReadClass) -> R,
        limits: ReadLimits,
        metrics: &Metrics,
        tasks: &EssentialTasks,
    ) -> Self {
        let start = |class| ReadBatcher::start(reads(class), limits.rows(class), metrics, tasks);
        Self {
            known: start(ReadClass::Known),
            unknown: start(ReadClass::Unknown),
        }
    }

    /// Reads one key.
    ///
    /// # Errors
    /// When the call that it was part of failed, or none was made for it.
    pub async fn read(&self, class: ReadClass, key: R::Key) -> Result<R::Value, R::Error> {
        let batcher = match class {
            ReadClass::Known => &self.known,
            ReadClass::Unknown => &self.unknown,
        };
        batcher.read(key).await
    }
}
