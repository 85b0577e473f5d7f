//! How far behind each partition is, and which are halted.

mod partition_lag;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use fluxgate_domain::batch::Position;
use fluxgate_log::LogBounds;
use fluxgate_service::ops::Check;
use jiff::Timestamp;

use crate::metrics::Metrics;
use crate::reader::Halt;
use partition_lag::PartitionLag;
pub use partition_lag::WrittenMark;

/// What the reader, the writers and Kafka's statistics know about the lag. Clones share their state.
#[derive(Clone)]
pub struct LagTracker {
    state: Arc<Mutex<State>>,
    metrics: Metrics,
    /// Fails while a partition is halted.
    check: Check,
}

#[derive(Default)]
struct State {
    /// The partitions that this worker reads.
    partitions: HashMap<i32, PartitionLag>,
    /// Halted partitions that the topic does not have, so that no worker is assigned them.
    absent: BTreeMap<i32, String>,
}

impl LagTracker {
    /// A tracker without partitions. `check` fails while a partition is halted.
    pub fn new(metrics: Metrics, check: Check) -> Self {
        check.pass();
        Self {
            state: Arc::default(),
            metrics,
            check,
        }
    }

    /// This worker reads the partition from now on.
    pub fn assigned(&self, partition: i32) {
        self.change(|state| drop(state.partitions.insert(partition, PartitionLag::default())));
    }

    /// This worker no longer reads the partition.
    pub fn revoked(&self, partition: i32) {
        self.change(|state| drop(state.partitions.remove(&partition)));
        self.hide(partition);
        let label = [&*partition.to_string()];
        // Missing if no statistics arrived in the meantime.
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
    }

    /// The partition is halted.
    pub fn halted(&self, partition: i32, halt: Halt, reason: &str) {
        self.with(partition, |p| p.halted = Some((halt, reason.to_owned())));
    }

    /// These partitions are halted, and the topic does not have them.
    pub fn absent(&self, partitions: BTreeMap<i32, String>) {
        self.change(|state| state.absent = partitions);
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

    /// The partitions of this worker that are halted.
    pub fn halted_partitions(&self) -> Vec<i32> {
        let halted = self.of_each(|it| it.halted.as_ref().map(drop));
        halted.into_keys().collect()
    }

    fn of_each<T>(&self, get: impl Fn(&PartitionLag) -> Option<T>) -> BTreeMap<i32, T> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let all = state.partitions.iter();
        all.filter_map(|(n, it)| Some((*n, get(it)?))).collect()
    }

    /// Sets the metrics of partitions that are read, given the bounds of their logs.
    pub fn report(&self, logs: impl Iterator<Item = (i32, LogBounds)>) {
        let now_ms = Timestamp::now().as_millisecond();
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut oldest = 0.0_f64;
        for (number, log) in logs {
            let Some(partition) = state.partitions.get(&number) else {
                continue;
            };
            if partition.halted.is_none() {
                self.show(number, partition, log);
            }
            let age = partition.age_seconds(now_ms);
            let label = [&*number.to_string()];
            self.metrics.lag_seconds.with_label_values(&label).set(age);
            oldest = oldest.max(age);
        }
        self.metrics.lag_seconds_max.set(oldest);
    }

    /// Sets the lag of a halted partition. It is not read, so Kafka's statistics do not know its bounds. Without an answer
    /// about them, the lag is absent.
    pub fn report_halted(&self, number: i32, log: Option<LogBounds>) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let halted = state.partitions.get(&number);
        let Some(partition) = halted.filter(|it| it.halted.is_some()) else {
            return;
        };
        match log {
            Some(log) => self.show(number, partition, log),
            None => self.hide(number),
        }
    }

    fn show(&self, number: i32, partition: &PartitionLag, log: LogBounds) {
        if let Some(records) = partition.lag_records(log) {
            let label = [&*number.to_string()];
            self.metrics
                .lag_records
                .with_label_values(&label)
                .set(records);
        }
    }

    /// Removes the series, if it is there.
    fn hide(&self, number: i32) {
        let label = [&*number.to_string()];
        let _ = self.metrics.lag_records.remove_label_values(&label);
    }

    fn with(&self, partition: i32, f: impl FnOnce(&mut PartitionLag)) {
        self.change(|state| {
            if let Some(partition) = state.partitions.get_mut(&partition) {
                f(partition);
            }
        });
    }

    fn change(&self, f: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        f(&mut state);
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let assigned = state.partitions.len();
        self.metrics.partitions_assigned.set(count(assigned));
        let reasons = state.halted();
        self.metrics.partitions_halted.set(count(reasons.len()));
        if reasons.is_empty() {
            self.check.pass();
        } else {
            let reasons = reasons.into_iter();
            let reasons =
                reasons.map(|(number, reason)| format!("partition {number} is halted: {reason}"));
            self.check.fail(reasons.collect::<Vec<_>>().join("; "));
        }
    }
}

impl State {
    /// The halted partitions of this worker, with the reasons. Those that the topic does not have are reported by the
    /// worker that reads partition 0, which every topic has.
    fn halted(&self) -> BTreeMap<i32, &str> {
        let absent = self
            .absent
            .iter()
            .filter(|_| self.partitions.contains_key(&0));
        let absent = absent.map(|(number, reason)| (*number, &**reason));
        let own = self.partitions.iter();
        let own = own.filter_map(|(number, it)| Some((*number, &*it.halted.as_ref()?.1)));
        own.chain(absent).collect()
    }
}
