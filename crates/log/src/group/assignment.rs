use std::time::{Duration, Instant};

/// Why this process reads a partition: what its group has last said about it. Pure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignment {
    /// The group has assigned it to this process.
    Assigned,
    /// The group has lost this process since. Nobody else may have the partition yet.
    Lost,
    /// The group is back and assigned other partitions. Another process gets this one once the group has dropped the
    /// member it lost; until then this process keeps reading.
    Ending {
        /// When another process has it at the latest.
        at: Instant,
    },
}

impl Assignment {
    /// The group assigns it, again or still.
    pub fn assign(&mut self) {
        *self = Self::Assigned;
    }

    /// This process has lost its membership in the group.
    pub fn lose(&mut self) {
        *self = Self::Lost;
    }

    /// The group has assigned partitions again, this one perhaps not among them. The group keeps a member that it lost
    /// for one `session`.
    pub fn end_if_lost(&mut self, now: Instant, session: Duration) {
        if *self == Self::Lost {
            *self = Self::Ending { at: now + session };
        }
    }

    /// Whether another process has the partition by now.
    pub fn has_ended(&self, now: Instant) -> bool {
        matches!(self, Self::Ending { at } if *at <= now)
    }

    /// Whether the group says that this process reads the partition.
    pub fn is_assigned(&self) -> bool {
        *self == Self::Assigned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Duration = Duration::from_secs(6);

    #[test]
    fn a_lost_partition_is_read_until_a_session_after_the_group_is_back() {
        let mut lost = Assignment::Assigned;
        assert!(lost.is_assigned());
        lost.lose();
        assert!(!lost.is_assigned());
        let later = Instant::now() + 100 * SESSION;
        assert!(!lost.has_ended(later), "the group has named nobody else");

        lost.end_if_lost(later, SESSION);
        assert!(!lost.has_ended(later), "lost members may still hold it");
        lost.end_if_lost(later + SESSION / 2, SESSION);
        assert!(lost.has_ended(later + SESSION), "the first answer counts");
    }

    #[test]
    fn an_assigned_partition_does_not_end() {
        let mut assigned = Assignment::Assigned;
        let now = Instant::now();
        assigned.end_if_lost(now, SESSION);
        assert!(assigned.is_assigned());
        assert!(!assigned.has_ended(now + 2 * SESSION));
    }
}
