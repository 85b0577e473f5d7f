use std::time::{Duration, Instant};

use fluxgate_domain::batch::Batch;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::partitions::Partitions;
use crate::batch::BatchBuilder;

/// How long a full batch may wait for its writer before the partitions are paused. Pausing discards
/// what librdkafka has prefetched, so a short delay must not trigger it.
const PAUSE_AFTER: Duration = Duration::from_secs(1);

/// Builds batches and hands them to the writers. All records of a partition go to the same writer, so they keep their
/// order, and a writer that is stuck holds up only its own partitions.
#[derive(Debug)]
pub struct PartitionDispatcher {
    queues: Vec<WriterQueue>,
    /// Between two batches of a writer that are not due.
    interval: Duration,
}

#[derive(Debug)]
struct WriterQueue {
    builder: BatchBuilder,
    batches: mpsc::Sender<Batch>,
    /// From when on a batch is handed over as soon as no more records are waiting: an interval after the batch before.
    rested_at: Instant,
    /// When a full batch began to wait for the writer.
    full_since: Option<Instant>,
    /// Whether partitions may be paused for this writer.
    may_have_paused: bool,
}

/// Which partitions to pause because their writer does not keep up, or to resume because it does again.
#[derive(Debug, PartialEq, Eq)]
pub enum Pressure {
    /// Stop reading these. `begins` if no other partition of the writer was paused.
    Pause { partitions: Vec<i32>, begins: bool },
    /// Read these again.
    Resume { partitions: Vec<i32> },
}

impl PartitionDispatcher {
    /// One queue per writer, with an empty batch. `interval` is the shortest time between two batches of a writer that are
    /// neither full nor aged.
    ///
    /// # Panics
    /// When there is no writer.
    pub fn new(
        writers: impl IntoIterator<Item = (BatchBuilder, mpsc::Sender<Batch>)>,
        interval: Duration,
    ) -> Self {
        let queues = writers.into_iter().map(|(builder, batches)| WriterQueue {
            builder,
            batches,
            rested_at: Instant::now(),
            full_since: None,
            may_have_paused: false,
        });
        let queues: Vec<_> = queues.collect();
        assert!(!queues.is_empty(), "there is a writer");
        Self { queues, interval }
    }

    /// The number of writers.
    pub fn writers(&self) -> usize {
        self.queues.len()
    }

    /// The batch that a writer gets next.
    pub fn builder(&mut self, writer: usize) -> &mut BatchBuilder {
        &mut self.queues[writer].builder
    }

    /// Hands over what is due to writers that are free; if `is_drained`, because no record is waiting to be read, also what
    /// is not due yet to writers that have had no batch for a while. While its writer is busy, an aged batch may grow.
    pub fn hand_over(&mut self, now: Instant, is_drained: bool, partitions: &mut Partitions) {
        for queue in &mut self.queues {
            let is_rested = is_drained && queue.rested_at <= now && queue.builder.has_slices();
            if !is_rested && !queue.builder.is_due(now) {
                queue.full_since = None;
                continue;
            }
            match queue.batches.try_reserve() {
                Ok(permit) => {
                    let batch = queue.builder.take();
                    partitions.handed_over(&batch);
                    permit.send(batch);
                    queue.rested_at = now + self.interval;
                    queue.full_since = None;
                }
                Err(TrySendError::Full(())) if queue.builder.is_full() => {
                    queue.full_since.get_or_insert(now);
                }
                Err(TrySendError::Full(())) => queue.full_since = None,
                // The writer has panicked, and the worker is shutting down.
                Err(TrySendError::Closed(())) => drop(queue.builder.take()),
            }
        }
    }

    /// Whether a full batch is waiting that should not have to wait for long.
    pub fn is_waiting(&self, now: Instant) -> bool {
        let mut full_since = self.queues.iter().filter_map(|queue| queue.full_since);
        full_since.any(|since| now < since + PAUSE_AFTER)
    }

    /// What to pause or resume now. `partitions` are marked as if that was done.
    pub fn relieve(&mut self, now: Instant, partitions: &mut Partitions) -> Vec<Pressure> {
        let mut all = Vec::new();
        for (writer, queue) in self.queues.iter_mut().enumerate() {
            if let Some(since) = queue.full_since {
                if now < since + PAUSE_AFTER {
                    continue;
                }
                let begins = !partitions.has_paused(writer);
                let paused = partitions.pause(writer);
                queue.may_have_paused = true;
                if !paused.is_empty() {
                    let partitions = paused;
                    all.push(Pressure::Pause { partitions, begins });
                }
            } else if std::mem::take(&mut queue.may_have_paused) {
                let partitions = partitions.resume(writer);
                if !partitions.is_empty() {
                    all.push(Pressure::Resume { partitions });
                }
            }
        }
        all
    }

    /// How long the first of the batches may still wait if no more records come, if any holds a record.
    pub fn time_left(&self, now: Instant) -> Option<Duration> {
        let moving = self.queues.iter().filter(|it| it.full_since.is_none());
        let left = moving.filter_map(|it| {
            let until_rested = it.rested_at.saturating_duration_since(now);
            Some(it.builder.time_left(now)?.min(until_rested))
        });
        left.min()
    }

    /// Hands over everything that is left. Blocks while writers are busy.
    pub fn finish(self) {
        let mut waiting = Vec::new();
        for mut queue in self.queues {
            let rest = queue.builder.take();
            if rest.is_empty() {
                continue;
            }
            if let Err(TrySendError::Full(rest)) = queue.batches.try_send(rest) {
                waiting.push((rest, queue.batches));
            }
        }
        for (rest, batches) in waiting {
            // The shutdown's timeout may end the writer first.
            let _ = batches.blocking_send(rest);
        }
    }
}

#[cfg(test)]
mod tests;
