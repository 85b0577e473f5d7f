//! Where the reading of one partition stands. Pure.

use tokio::task::AbortHandle;

/// A partition that this worker reads.
#[derive(Debug)]
pub struct Partition {
    /// Which loading of its position this is.
    pub generation: u64,
    /// Whether it is read.
    pub state: State,
}

/// Whether a partition is read, and from where.
#[derive(Debug)]
pub enum State {
    /// Its position is being asked for; dropping this stops the asking.
    Loading(#[allow(dead_code, reason = "held for its drop")] Loading),
    /// The record at `next`, or the first one after it, is read next.
    Running {
        /// The position.
        next: i64,
        /// Whether reading has just started here: nothing was read since.
        fresh: bool,
    },
    /// It is not read any more.
    Halted,
}

/// The task that loads a position; it ends with this.
#[derive(Debug)]
pub struct Loading(AbortHandle);

impl Loading {
    /// Ties a task's life to this.
    pub fn by(task: AbortHandle) -> Self {
        Self(task)
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is to be done with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Write it; it was read from this position.
    Due(i64),
    /// It was fetched before reading began where it is now: pass it over.
    Stale,
    /// Records between the position and this one did not arrive: read them again.
    Gap,
}

impl Partition {
    /// Takes note of a record at `offset`.
    ///
    /// Where reading begins the broker itself has nothing between the position and the first
    /// record (compaction, a transaction's marker). At any other time a gap means that records went
    /// missing between librdkafka and us, and none may.
    pub fn arrived(&mut self, offset: i64) -> Arrival {
        match &mut self.state {
            State::Running { next, fresh } if offset == *next || (offset > *next && *fresh) => {
                let from = *next;
                *next = offset + 1;
                *fresh = false;
                Arrival::Due(from)
            }
            State::Running { next, .. } if offset > *next => Arrival::Gap,
            _ => Arrival::Stale,
        }
    }

    /// Whether it is read.
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(next: i64) -> Partition {
        let fresh = true;
        Partition {
            generation: 1,
            state: State::Running { next, fresh },
        }
    }

    #[test]
    fn records_are_due_one_after_the_other() {
        let mut partition = running(5);
        assert_eq!(partition.arrived(4), Arrival::Stale, "fetched before");
        assert_eq!(partition.arrived(5), Arrival::Due(5));
        assert_eq!(
            partition.arrived(5),
            Arrival::Stale,
            "the same record twice"
        );
        assert_eq!(partition.arrived(6), Arrival::Due(6));

        partition.state = State::Halted;
        assert_eq!(partition.arrived(7), Arrival::Stale);
    }

    #[test]
    fn a_gap_is_believed_only_where_reading_begins() {
        let mut partition = running(5);
        assert_eq!(partition.arrived(8), Arrival::Due(5));
        assert_eq!(partition.arrived(10), Arrival::Gap);
        assert_eq!(partition.arrived(9), Arrival::Due(9), "nothing was skipped");
    }
}
