use fluxgate_log::Assignment;
use tokio::task::AbortHandle;

/// Everything the reader knows about one partition that it reads. Pure.
#[derive(Debug)]
pub struct PartitionState {
    /// What the group has last said about it.
    pub assignment: Assignment,
    /// Which loading of its position this is. Whatever belongs to an older generation is ignored.
    pub generation: u64,
    /// Whether it is read, and from where.
    pub reading: Reading,
    /// The writer that gets all its records, so that they keep their order; `None` before the first record.
    pub writer: Option<usize>,
    /// Whether it is paused because its writer does not keep up.
    pub is_paused: bool,
    /// Whether reading has reached the end of the log: no record has arrived since.
    pub is_at_end: bool,
}

/// Whether a partition is read, and from where.
#[derive(Debug)]
pub enum Reading {
    /// Its position is being loaded; dropping this stops the loading.
    Loading(#[allow(dead_code, reason = "held for its drop")] LoadTask),
    /// The record at `next`, or the first one after it, is read next.
    Running {
        /// The position.
        next: i64,
        /// Whether reading has just started here: no record has arrived since.
        fresh: bool,
    },
    /// It is no longer read.
    Halted,
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
}

impl PartitionState {
    /// A partition that the group has just assigned.
    pub fn assigned(generation: u64, reading: Reading) -> Self {
        Self {
            assignment: Assignment::Assigned,
            generation,
            reading,
            writer: None,
            is_paused: false,
            is_at_end: false,
        }
    }

    /// Records that the record at `offset` has arrived.
    ///
    /// Where reading starts, the broker itself has nothing between the position and the first record: a transaction's
    /// marker, or records of a transaction that was aborted. At any other time records may have been lost between
    /// librdkafka and this process, and none may be: so reading starts once more where the gap begins.
    pub fn record_arrived(&mut self, offset: i64) -> Arrival {
        self.is_at_end = false;
        match &mut self.reading {
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

    /// Records that reading has reached the end of the log.
    pub fn end_reached(&mut self) {
        self.is_at_end = self.is_running();
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

    /// Whether it is read.
    pub fn is_running(&self) -> bool {
        matches!(self.reading, Reading::Running { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(next: i64) -> PartitionState {
        let fresh = true;
        PartitionState::assigned(1, Reading::Running { next, fresh })
    }

    #[test]
    fn records_are_due_one_after_the_other() {
        let mut partition = running(5);
        assert_eq!(
            partition.record_arrived(4),
            Arrival::Stale,
            "fetched before"
        );
        assert_eq!(partition.record_arrived(5), Arrival::Due(5));
        assert_eq!(
            partition.record_arrived(5),
            Arrival::Stale,
            "the same record twice"
        );
        assert_eq!(partition.record_arrived(6), Arrival::Due(6));

        partition.reading = Reading::Halted;
        assert_eq!(partition.record_arrived(7), Arrival::Stale);
    }

    #[test]
    fn a_gap_is_accepted_only_where_reading_starts() {
        let mut partition = running(5);
        assert_eq!(partition.record_arrived(8), Arrival::Due(5));
        assert_eq!(partition.record_arrived(11), Arrival::Gap(9));
        assert_eq!(
            partition.record_arrived(10),
            Arrival::Due(9),
            "reading started again"
        );
        assert_eq!(partition.record_arrived(12), Arrival::Gap(11));
        assert_eq!(
            partition.record_arrived(11),
            Arrival::Due(11),
            "nothing was skipped"
        );
    }

    #[test]
    fn offsets_without_a_record_at_the_end_of_the_log_are_passed_once() {
        let mut partition = running(5);
        assert_eq!(partition.pass_to(7), None, "of an earlier start");
        partition.end_reached();
        assert_eq!(partition.pass_to(5), None);
        assert_eq!(partition.pass_to(7), Some(5));
        assert_eq!(partition.pass_to(7), None);
        assert_eq!(partition.record_arrived(9), Arrival::Gap(7));
        assert_eq!(partition.pass_to(10), None, "records are on their way");

        partition.reading = Reading::Halted;
        partition.end_reached();
        assert_eq!(partition.pass_to(10), None);
    }
}
