use std::time::Instant;

use fluxgate_domain::batch::{Position, RecordMark, Slice};
use fluxgate_log::{Assignment, Evidence, FoundAtMark};
use tokio::task::AbortHandle;

use crate::batch::ReadFrom;

/// Everything the reader knows about one partition that it reads. Pure.
#[derive(Debug)]
pub struct PartitionState {
    /// What the group has last said about it.
    pub assignment: Assignment,
    /// Which loading of its position this is. Whatever belongs to an older generation is ignored.
    pub generation: u64,
    /// The log number that was loaded with the position.
    pub log_number: i32,
    /// Whether it is read, and from where.
    pub reading: Reading,
    /// The last record that was handed over to a writer, and the position behind it.
    pub handed: Option<(RecordMark, i64)>,
    /// What the log had instead of the last record, the last time that this was so.
    pub seen: Option<Evidence>,
    /// The writer that gets all its records, so that they keep their order; `None` before the first record.
    pub writer: Option<usize>,
    /// Whether it is paused because its writer does not keep up.
    pub is_paused: bool,
    /// Whether reading has reached the end of the log: no record has arrived since.
    pub is_at_end: bool,
    /// When reading started, until a record or the end of the log answers.
    pub asked_at: Option<Instant>,
    /// Starts in a row without an answer.
    pub unanswered: u32,
}

/// Whether a partition is read, and from where.
#[derive(Debug)]
pub enum Reading {
    /// Its position is being loaded; dropping this stops the loading.
    Loading(#[allow(dead_code, reason = "held for its drop")] LoadTask),
    /// Reading has started at the last record that was written, to see whether the log still has it.
    Verifying {
        /// That record.
        mark: RecordMark,
        /// The position.
        next: i64,
    },
    /// The record at `next`, or the first one after it, is read next.
    Running {
        /// The position.
        next: i64,
        /// Whether reading has just started here: no record has arrived since.
        fresh: bool,
    },
    /// It is no longer read.
    Halted(Halt),
}

/// What ends a halt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// An operator who accepts the log. PostgreSQL remembers the halt.
    UntilAccepted,
    /// A restart, with a higher limit for dead letters.
    UntilRestart,
}

/// The task that loads a position. Dropping this aborts the task.
#[derive(Debug)]
pub struct LoadTask(AbortHandle);

impl From<AbortHandle> for LoadTask {
    fn from(task: AbortHandle) -> Self {
        Self(task)
    }
}

impl Drop for LoadTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What to do with a record that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Write it; it was read from this position.
    Due(i64),
    /// Ignore it: it was fetched before reading started where it is now.
    Stale,
    /// Start reading at this position again: the offsets between it and the record did not arrive.
    Gap(i64),
    /// It is the last record that was written: the log is the one that was read.
    Same,
    /// The log has this instead of the last record that was written.
    Different(FoundAtMark),
}

impl PartitionState {
    /// A partition that the group has just assigned.
    pub fn assigned(generation: u64, reading: Reading) -> Self {
        Self {
            assignment: Assignment::Assigned,
            generation,
            log_number: 0,
            reading,
            handed: None,
            seen: None,
            writer: None,
            is_paused: false,
            is_at_end: false,
            asked_at: None,
            unanswered: 0,
        }
    }

    /// Records that reading has started.
    pub fn started(&mut self, position: &Position, now: Instant) {
        let next = position.next;
        self.log_number = position.log_number;
        self.handed = position.last.map(|mark| (mark, next));
        if let Some(mark) = position.last {
            self.verify(mark, next, now);
        } else {
            self.reading = Reading::Running { next, fresh: true };
            self.seen = None;
            self.asked_at = Some(now);
        }
    }

    /// Records that reading has started at the last record before `next`.
    pub fn verify(&mut self, mark: RecordMark, next: i64, now: Instant) {
        self.is_at_end = false;
        self.reading = Reading::Verifying { mark, next };
        self.asked_at = Some(now);
    }

    /// Records that a slice was handed over.
    pub fn handed_over(&mut self, slice: &Slice) {
        if slice.generation == self.generation {
            let last = slice.last.or(self.handed.map(|(mark, _)| mark));
            self.handed = last.map(|mark| (mark, slice.next));
        }
    }

    /// Records that the record at `offset` has arrived; `mark` computes its mark.
    ///
    /// Where reading starts, the broker itself has nothing between the position and the first record: a transaction's
    /// marker, or records of a transaction that was aborted. At any other time records may have been lost between
    /// librdkafka and this process, and none may be: so reading starts once more where the gap begins.
    pub fn record_arrived(&mut self, offset: i64, mark: impl FnOnce() -> RecordMark) -> Arrival {
        self.is_at_end = false;
        self.answered();
        match &mut self.reading {
            Reading::Verifying { mark: last, next } if offset >= last.offset => {
                let found = if offset == last.offset {
                    FoundAtMark::Record(mark())
                } else {
                    FoundAtMark::Nothing
                };
                if found == FoundAtMark::Record(*last) {
                    let (next, fresh) = (*next, false);
                    self.reading = Reading::Running { next, fresh };
                    self.seen = None;
                    return Arrival::Same;
                }
                self.seen = Some(Evidence::again(self.seen, *last, found));
                Arrival::Different(found)
            }
            Reading::Running { next, fresh } if offset == *next || (offset > *next && *fresh) => {
                let from = *next;
                *next = offset + 1;
                *fresh = false;
                Arrival::Due(from)
            }
            Reading::Running { next, fresh } if offset > *next => {
                *fresh = true;
                Arrival::Gap(*next)
            }
            _ => Arrival::Stale,
        }
    }

    /// Where reading has arrived, for the batch that takes what was read.
    pub fn read_from(&self, offset: i64) -> ReadFrom {
        ReadFrom {
            generation: self.generation,
            log_number: self.log_number,
            offset,
        }
    }

    /// Records that reading has reached the end of the log. False if it has not reached the last record that was written:
    /// the log no longer has it.
    pub fn end_reached(&mut self) -> bool {
        self.is_at_end = self.is_running();
        self.answered();
        if let Reading::Verifying { mark, .. } = self.reading {
            self.seen = Some(Evidence::again(self.seen, mark, FoundAtMark::Nothing));
            return false;
        }
        true
    }

    /// Moves on to the offset after everything that was read. Returns where it was before if the offsets between, which
    /// are the last of the log, have no record.
    pub fn pass_to(&mut self, position: i64) -> Option<i64> {
        match &mut self.reading {
            Reading::Running { next, fresh } if self.is_at_end && position > *next => {
                *fresh = false;
                Some(std::mem::replace(next, position))
            }
            _ => None,
        }
    }

    /// Whether its records are due.
    pub fn is_running(&self) -> bool {
        matches!(self.reading, Reading::Running { .. })
    }

    /// Whether its log is being read.
    pub fn is_started(&self) -> bool {
        self.is_running() || matches!(self.reading, Reading::Verifying { .. })
    }

    /// Whether its log is being read since `then` without a record or an end.
    pub fn is_unanswered_since(&self, then: Instant) -> bool {
        self.is_started() && self.asked_at.is_some_and(|asked_at| asked_at <= then)
    }

    /// Records that there was no answer; returns how often in a row.
    pub fn give_up_waiting(&mut self) -> u32 {
        self.asked_at = None;
        self.unanswered += 1;
        self.unanswered
    }

    fn answered(&mut self) {
        self.asked_at = None;
        self.unanswered = 0;
    }
}

#[cfg(test)]
mod tests;
