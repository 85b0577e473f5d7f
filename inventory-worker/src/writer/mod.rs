//! Writes batches one after another, retrying each until PostgreSQL has it.

mod batch_trace;
mod failing_writes;
mod flush;
mod order_log;

pub use failing_writes::FailingWrites;
pub use flush::Flusher;

use std::sync::Arc;
use std::time::Instant;

use fluxgate_domain::batch::{Batch, Slice};
use fluxgate_log::GroupMembership;
use fluxgate_service::crash_points::crash_point;
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::lag_tracker::{LagTracker, WrittenMark};
use crate::metrics::Metrics;
use batch_trace::BatchTrace;

/// Takes batches from the reader and writes them.
pub struct Writer {
    /// The batches that the reader hands over.
    pub batches: mpsc::Receiver<Batch>,
    /// Writes one batch.
    pub flusher: Flusher,
    /// Commits what is written.
    pub membership: Arc<GroupMembership>,
    /// Tracks the lag.
    pub lag: LagTracker,
    /// Metrics of the service.
    pub metrics: Metrics,
}

impl Writer {
    /// Writes until the reader has ended and everything it handed over is written.
    pub async fn run(mut self) {
        while let Some(batch) = self.batches.recv().await {
            let started = Instant::now();
            let rows = batch.len();
            self.observe_queue(&batch);
            let slices = batch.slices.iter();
            let slices: Vec<_> = slices
                .map(|it| (it.partition, it.generation, it.next, written_mark(it)))
                .collect();

            let trace = BatchTrace::begin(&batch);
            let written = self.flusher.flush(batch).await;
            if let Some(trace) = trace {
                trace.end(&written);
            }
            crash_point("before_offsets");
            for (partition, generation, next, mark) in slices {
                if let Some(&written) = written.get(&partition) {
                    // The slice may have been written only in part.
                    let mark = mark.filter(|_| written == next);
                    self.lag.written(partition, written, mark);
                    self.membership.commit(partition, written);
                }
                self.lag.slice_ended(partition, generation);
            }
            let seconds = started.elapsed().as_secs_f64();
            self.metrics.batch_rows.observe(rows as f64);
            self.metrics.flush_seconds.observe(seconds);
            tracing::debug!(batch.rows = rows, flush.seconds = seconds, "batch written");
        }
    }

    fn observe_queue(&self, batch: &Batch) {
        let now_ms = Timestamp::now().as_millisecond();
        for (_, record) in batch.records() {
            let waited_ms = (now_ms - record.timestamp_ms).max(0);
            let seconds = waited_ms as f64 / 1_000.0;
            self.metrics.queue_seconds.observe(seconds);
        }
    }
}

fn written_mark(slice: &Slice) -> Option<WrittenMark> {
    Some(WrittenMark {
        mark: slice.last?,
        log_number: slice.log_number,
    })
}
