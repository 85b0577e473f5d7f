use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use backon::{BackoffBuilder, ExponentialBackoff};
use fluxgate_domain::batch::{Batch, PartitionOffset};
use fluxgate_ledger::{Ledger, LedgerError, WrittenBatch};
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::failing_writes::FailingWrites;
use super::order_log::{log_paid_without_unit, log_rejected};
use crate::dead_letters::log_dead_letters;
use crate::metrics::Metrics;
use crate::reader::Command;
use crate::retry::retry_delays;

/// What PostgreSQL has decided about a batch.
enum Decision {
    Written(WrittenBatch),
    /// It holds other positions of these partitions.
    PositionMismatch(Vec<i32>),
    /// These records cannot be applied, each for a reason.
    NotApplied(Vec<(PartitionOffset, &'static str)>),
    /// It refuses a record, for this reason.
    Refused(String),
}

/// Writes one batch, retrying until PostgreSQL has it.
///
/// | outcome | reaction |
/// |---|---|
/// | written | positions and counters are updated |
/// | PostgreSQL holds another position | the partition is read again from there, the rest is written |
/// | records do not fit their sale | they become dead letters, the batch is written again |
/// | a record is refused | the batch is halved until the record is alone; it becomes a dead letter |
/// | too many dead letters | that partition is halted, the rest is written |
/// | anything else | the batch is retried after a delay |
#[derive(Clone)]
pub struct Flusher {
    /// PostgreSQL.
    pub ledger: Ledger,
    /// The topic that is read.
    pub topic: String,
    /// Told when dead letters are written.
    pub dead_letters_written: Arc<Notify>,
    /// Most dead letters of one partition in one batch.
    pub dead_letters_max: usize,
    /// To the reader.
    pub commands: mpsc::Sender<Command>,
    /// For the readiness check: what PostgreSQL does not accept.
    pub failing: FailingWrites,
    /// Metrics of the service.
    pub metrics: Metrics,
    /// Ends retrying.
    pub shutdown: CancellationToken,
}

impl Flusher {
    /// Writes a batch; returns the new position of each partition that was written. After `shutdown` a
    /// batch that PostgreSQL does not accept is left to the next owner of its partitions.
    pub async fn flush(&self, batch: Batch) -> HashMap<i32, i64> {
        let mut written = HashMap::new();
        let mut dead_letters: HashMap<i32, usize> = HashMap::new();
        let mut work = VecDeque::from([batch]);
        while let Some(mut batch) = work.pop_front() {
            self.halt_partitions_with_too_many(&mut batch, &dead_letters)
                .await;
            if batch.is_empty() {
                continue;
            }
            match self.write_until_decided(&batch).await {
                None => break,
                Some(Decision::Written(outcome)) => {
                    self.count(&batch, &outcome);
                    if outcome.dead_letters > 0 {
                        self.dead_letters_written.notify_one();
                    }
                    let slices = batch.slices.iter();
                    written.extend(slices.map(|slice| (slice.partition, slice.next)));
                }
                Some(Decision::PositionMismatch(partitions)) => {
                    self.reload(&batch, &partitions).await;
                    batch.remove(&partitions);
                    work.iter_mut().for_each(|rest| rest.remove(&partitions));
                    work.push_front(batch);
                }
                Some(Decision::NotApplied(records)) => {
                    batch.mark_dead_letters(&records);
                    work.push_front(batch);
                }
                Some(Decision::Refused(reason)) => {
                    isolate(batch, &reason, &mut work, &mut dead_letters)
                }
            }
        }
        written
    }

    /// Writes the batch again and again while PostgreSQL cannot say what becomes of it; `None` on shutdown.
    async fn write_until_decided(&self, batch: &Batch) -> Option<Decision> {
        let mut delays = retry_delays().build();
        let mut failing = self.failing.begin();
        loop {
            match self.write(batch).await {
                Ok(outcome) => return Some(Decision::Written(outcome)),
                Err(LedgerError::PositionMismatch(partitions)) => {
                    return Some(Decision::PositionMismatch(partitions));
                }
                Err(LedgerError::Refused(records)) => return Some(Decision::NotApplied(records)),
                Err(LedgerError::Data(reason)) => return Some(Decision::Refused(reason)),
                Err(error) => {
                    failing.failed(&error);
                    if !self.wait_to_retry(&error, &mut delays).await {
                        return None;
                    }
                }
            }
        }
    }

    async fn write(&self, batch: &Batch) -> Result<WrittenBatch, LedgerError> {
        let began = Instant::now();
        let outcome = self.ledger.write(&self.topic, batch).await;
        let label = match &outcome {
            Ok(_) => "committed",
            Err(LedgerError::PositionMismatch(_)) => "position_mismatch",
            Err(LedgerError::Data(_) | LedgerError::Refused(_)) => "refused",
            Err(_) => "failed",
        };
        self.metrics
            .transaction_seconds
            .with_label_values(&[label])
            .observe(began.elapsed().as_secs_f64());
        outcome
    }

    /// Halts partitions that have more dead letters than allowed, and removes them from the batch.
    async fn halt_partitions_with_too_many(
        &self,
        batch: &mut Batch,
        dead_letters: &HashMap<i32, usize>,
    ) {
        let mut halted = Vec::new();
        for slice in &batch.slices {
            let dead = slice
                .records
                .iter()
                .filter(|record| record.dead_letter_reason().is_some());
            let earlier = dead_letters
                .get(&slice.partition)
                .copied()
                .unwrap_or_default();
            // A record that is alone in its slice was counted when it became a dead letter.
            let count = dead.count().max(earlier);
            if count > self.dead_letters_max {
                let max = self.dead_letters_max;
                let reason = format!(
                    "too_many_dead_letters: {count} in one batch, DEAD_LETTERS_MAX_PER_BATCH is {max}"
                );
                let halt = Command::Halt {
                    partition: slice.partition,
                    generation: slice.generation,
                    reason,
                };
                self.tell(halt).await;
                halted.push(slice.partition);
            }
        }
        batch.remove(&halted);
    }

    async fn reload(&self, batch: &Batch, partitions: &[i32]) {
        for slice in &batch.slices {
            if partitions.contains(&slice.partition) {
                self.metrics.position_mismatches_total.inc();
                tracing::warn!(
                    kafka.partition = slice.partition,
                    kafka.offset = slice.expected,
                    "PostgreSQL holds a different position; reading again from there"
                );
                let reload = Command::Reload {
                    partition: slice.partition,
                    generation: slice.generation,
                };
                self.tell(reload).await;
            }
        }
    }

    /// Fails only after the reader has ended.
    async fn tell(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    /// Waits before the next attempt; false on shutdown.
    async fn wait_to_retry(&self, error: &LedgerError, delays: &mut ExponentialBackoff) -> bool {
        let cause = error.cause();
        self.metrics
            .flush_retries_total
            .with_label_values(&[cause])
            .inc();
        tracing::warn!(%error, flush.cause = cause, "batch not written; retrying");
        let delay = delays.next().expect("the delays have no end");
        tokio::select! {
            () = self.shutdown.cancelled() => false,
            () = tokio::time::sleep(delay) => true,
        }
    }

    fn count(&self, batch: &Batch, written: &WrittenBatch) {
        let orders = |outcome| self.metrics.orders_total.with_label_values(&[outcome]);
        orders("confirmed").inc_by(written.confirmed);
        orders("oversold").inc_by(written.oversold);
        orders("unknown_sale").inc_by(written.unknown_sale);
        orders("fenced").inc_by(written.fenced);
        orders("completed").inc_by(written.completed);
        orders("expired").inc_by(written.expired);
        orders("cancelled").inc_by(written.cancelled);
        orders("duplicate").inc_by(written.duplicates);
        let paid_without_unit = &self.metrics.paid_without_unit_total;
        paid_without_unit.inc_by(written.paid_without_unit);
        self.metrics.sale_changes_total.inc_by(written.changes);
        self.metrics.dead_letters_total.inc_by(written.dead_letters);

        let now = Timestamp::now();
        for placed_at in &written.placed_at {
            let seconds = now.duration_since(*placed_at).as_secs_f64();
            self.metrics.end_to_end_seconds.observe(seconds.max(0.0));
        }
        log_dead_letters(batch);
        log_rejected(batch, written);
        log_paid_without_unit(written);
    }
}

/// Halves the batch to find the record that PostgreSQL refuses, or turns it into a dead letter if it is alone.
fn isolate(
    mut batch: Batch,
    reason: &str,
    work: &mut VecDeque<Batch>,
    dead_letters: &mut HashMap<i32, usize>,
) {
    if let [slice] = &mut *batch.slices
        && let [record] = &mut *slice.records
    {
        record.mark_dead_letter(reason);
        *dead_letters.entry(slice.partition).or_default() += 1;
        work.push_front(batch);
        return;
    }
    let (first, second) = batch.split();
    work.push_front(second);
    work.push_front(first);
}
