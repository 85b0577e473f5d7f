//! How far behind each partition is.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use fluxgate_domain::batch::{Position, RecordMark};
use fluxgate_service::ops::Check;
use jiff::Timestamp;

use crate::metrics::Metrics;

/// What the reader, the writers and Kafka's statistics know about the lag. Clones share their state.
#[derive(Clone)]
pub struct LagTracker {
    partitions: Arc<Mutex<HashMap<i32, PartitionLag>>>,
    metrics: Metrics,
    /// Fails while a partition is halted.
    check: Check,
}

#[derive(Default)]
struct PartitionLag {
    /// The next offset that is not written; unknown until the position was read.
    written: Option<i64>,
    /// Slices that are read and not written, oldest first: generation, and timestamp of the first
    /// record in Unix ms.
    pending: VecDeque<(u64, i64)>,
    /// The last record that was written.
    mark: Option<WrittenMark>,
    /// Why it is halted.
    halted: Option<String>,
}

/// A record that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenMark {
    /// What is remembered of it.
    pub mark: RecordMark,
    /// The log it is in.
    pub log_number: i32,
}

impl LagTracker {
    /// A tracker without partitions. `check` fails while a partition is halted.
    pub fn new(metrics: Metrics, check: Check) -> Self {
        check.pass();
        Self {
            partitions: Arc::default(),
            metrics,
            check,
        }
    }

    /// This worker reads the partition from now on.
    pub fn assigned(&self, partition: i32) {
        self.change(|all| drop(all.insert(partition, PartitionLag::default())));
    }

    /// This worker no longer reads the partition.
    pub fn revoked(&self, partition: i32) {
        self.change(|all| drop(all.remove(&partition)));
        self.show_halted();
        let label = [&*partition.to_string()];
        // Both series are missing if no statistics arrived in the meantime.
        let _ = self.metrics.lag_records.remove_label_values(&label);
        let _ = self.metrics.lag_seconds.remove_label_values(&label);
    }

    /// Reading starts here; everything before it is written.
    pub fn positioned(&self, partition: i32, position: &Position) {
        let log_number = position.log_number;
        self.with(partition, |p| {
            p.written = Some(position.next);
            p.mark = position.last.map(|mark| WrittenMark { mark, log_number });
            p.halted = None;
        });
        self.show_halted();
    }

    /// The partition is halted.
    pub fn halted(&self, partition: i32, reason: &str) {
        self.with(partition, |p| p.halted = Some(reason.to_owned()));
        self.show_halted();
    }

    /// A slice starts with a record of this time.
    pub fn slice_started(&self, partition: i32, generation: u64, timestamp_ms: i64) {
        self.with(partition, |p| {
            p.pending.push_back((generation, timestamp_ms))
        });
    }

    /// A slice of this generation was written or discarded. It is the oldest one, or it is from before another worker
    /// had the partition.
    pub fn slice_ended(&self, partition: i32, generation: u64) {
        self.with(partition, |p| {
            if p.pending.front().is_some_and(|(of, _)| *of == generation) {
                p.pending.pop_front();
            }
        });
    }

    /// The newest slice was discarded before it was handed over.
    pub fn slice_discarded(&self, partition: i32) {
        self.with(partition, |p| {
            p.pending.pop_back();
        });
    }

    /// Everything before `next` is written, and `mark` is the last record, if it is known.
    pub fn written(&self, partition: i32, next: i64, mark: Option<WrittenMark>) {
        self.with(partition, |p| {
            p.written = p.written.max(Some(next));
            p.mark = mark.or(p.mark);
        });
    }

    /// The last record that was written of each partition that is not halted, as far as it is known.
    pub fn marks(&self) -> BTreeMap<i32, WrittenMark> {
        self.of_each(|it| it.mark.filter(|_| it.halted.is_none()))
    }

    /// The position of each partition that is read and not halted, as far as it is known.
    pub fn positions(&self) -> BTreeMap<i32, i64> {
        self.of_each(|it| it.written.filter(|_| it.halted.is_none()))
    }

    /// The partitions that are halted, each with the reason.
    pub fn halted_partitions(&self) -> BTreeMap<i32, String> {
        self.of_each(|it| it.halted.clone())
    }

    fn of_each<T>(&self, get: impl Fn(&PartitionLag) -> Option<T>) -> BTreeMap<i32, T> {
        let all = self
            .partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = all.iter().filter_map(|(n, it)| Some((*n, get(it)?)));
        known.collect()
    }

    fn show_halted(&self) {
        let reasons = self.halted_partitions().into_iter();
        let reasons =
            reasons.map(|(number, reason)| format!("partition {number} is halted: {reason}"));
        let reasons: Vec<_> = reasons.collect();
        if reasons.is_empty() {
            self.check.pass();
        } else {
            self.check.fail(reasons.join("; "));
        }
    }

    /// Sets the metrics, given the end of each partition's log; a negative end is unknown.
    pub fn report(&self, ends: impl Iterator<Item = (i32, i64)>) {
        let now_ms = Timestamp::now().as_millisecond();
        let all = self
            .partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut oldest = 0.0_f64;
        for (number, end) in ends {
            let Some(partition) = all.get(&number) else {
                continue;
            };
            let label = [&*number.to_string()];
            if let Some(written) = partition.written.filter(|_| end >= 0) {
                let lag = self.metrics.lag_records.with_label_values(&label);
                lag.set((end - written).max(0));
            }
            let since = partition.pending.front();
            let age = since.map_or(0.0, |(_, since_ms)| {
                (now_ms - since_ms).max(0) as f64 / 1_000.0
            });
            self.metrics.lag_seconds.with_label_values(&label).set(age);
            oldest = oldest.max(age);
        }
        self.metrics.lag_seconds_max.set(oldest);
    }

    fn with(&self, partition: i32, f: impl FnOnce(&mut PartitionLag)) {
        self.change(|all| {
            if let Some(partition) = all.get_mut(&partition) {
                f(partition);
            }
        });
    }

    fn change(&self, f: impl FnOnce(&mut HashMap<i32, PartitionLag>)) {
        let mut all = self
            .partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        f(&mut all);
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.metrics.partitions_assigned.set(count(all.len()));
        let halted = all.values().filter(|it| it.halted.is_some()).count();
        self.metrics.partitions_halted.set(count(halted));
    }
}
