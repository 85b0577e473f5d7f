//! Whether a log is still the log that was read. Kafka does not tell: a topic that was made anew under the same name, or a
//! log that lost its end in an unclean election, takes records at offsets that were read before. So a reader remembers
//! the last record it has read, and looks at it again before it reads on. Pure.

use fluxgate_domain::batch::{Position, RecordMark};

/// The offsets of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogBounds {
    /// Its first offset.
    pub begin: i64,
    /// The offset that its next record gets.
    pub end: i64,
}

impl LogBounds {
    /// Whether the offset lies in the log.
    pub fn contains(self, offset: i64) -> bool {
        (self.begin..self.end).contains(&offset)
    }
}

impl From<(i64, i64)> for LogBounds {
    fn from((begin, end): (i64, i64)) -> Self {
        Self { begin, end }
    }
}

/// What the log has where the last record was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundAtMark {
    /// This record.
    Record(RecordMark),
    /// No record.
    Nothing,
}

/// An answer of the log that contradicts a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// The mark.
    pub mark: RecordMark,
    /// What is there instead of it.
    pub found: FoundAtMark,
    /// How often in a row this was the answer.
    pub times: u32,
}

/// What to do with a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogCheck {
    /// Read on at the mark of the position, which shows whether the log is the same, or at `next` if there is no mark.
    Read,
    /// The log's retention has removed the marked record after it was read: read on at `next`.
    Shortened,
    /// It is another log. Nothing may be read before an operator has decided.
    Halt(HaltReason),
}

/// Why a log is not the one that was read. What is printed begins with a fixed word for each reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum HaltReason {
    #[error("log_ends_before: the position is {next}, the log ends at {end}")]
    EndsBefore { next: i64, end: i64 },
    #[error("log_begins_after: the position is {next}, the log begins at {begin}")]
    BeginsAfter { next: i64, begin: i64 },
    #[error("record_differs: the record at offset {offset} is not the one that was read")]
    RecordDiffers { offset: i64 },
    #[error("record_missing: there is no record at offset {offset}, where the last one was read")]
    RecordMissing { offset: i64 },
    #[error("partition_missing: the position is {next}, the topic does not have the partition")]
    PartitionMissing { next: i64 },
}

impl Evidence {
    /// This answer, after the earlier ones.
    pub fn again(earlier: Option<Self>, mark: RecordMark, found: FoundAtMark) -> Self {
        let same = earlier.filter(|it| (it.mark, it.found) == (mark, found));
        Self {
            mark,
            found,
            times: same.map_or(1, |it| it.times + 1),
        }
    }

    /// Whether one more equal answer would make it certain. A single one may come from a broker that lags behind.
    pub fn is_uncertain(&self) -> bool {
        self.times < 2
    }
}

/// Compares a position with the bounds of its log, and with what the log had at its mark.
pub fn check_log(position: &Position, log: LogBounds, seen: Option<&Evidence>) -> LogCheck {
    let &Position { next, last, .. } = position;
    let LogBounds { begin, end } = log;
    if end < next {
        return LogCheck::Halt(HaltReason::EndsBefore { next, end });
    }
    if begin > next {
        return LogCheck::Halt(HaltReason::BeginsAfter { next, begin });
    }
    let Some(mark) = last else {
        return LogCheck::Read;
    };
    if begin > mark.offset {
        return LogCheck::Shortened;
    }
    let offset = mark.offset;
    match seen.filter(|seen| seen.mark == mark && !seen.is_uncertain()) {
        None => LogCheck::Read,
        Some(seen) => LogCheck::Halt(match seen.found {
            FoundAtMark::Record(_) => HaltReason::RecordDiffers { offset },
            FoundAtMark::Nothing => HaltReason::RecordMissing { offset },
        }),
    }
}

/// Looks for a record that this process has read. `found` is what the log has at its offset, `None` if that lies outside
/// the log. Returns `None` if the log is the same as far as that shows.
pub fn check_anchor(
    anchor: &RecordMark,
    log: LogBounds,
    found: Option<FoundAtMark>,
) -> Option<HaltReason> {
    let offset = anchor.offset;
    let LogBounds { begin, end } = log;
    if end <= offset {
        let next = offset + 1;
        return Some(HaltReason::EndsBefore { next, end });
    }
    match found {
        // Retention may remove what was read.
        _ if begin > offset => None,
        Some(FoundAtMark::Record(found)) if found == *anchor => None,
        Some(FoundAtMark::Record(_)) => Some(HaltReason::RecordDiffers { offset }),
        Some(FoundAtMark::Nothing) => Some(HaltReason::RecordMissing { offset }),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(offset: i64) -> RecordMark {
        RecordMark {
            offset,
            checksum: 1,
        }
    }

    fn position(next: i64, last: Option<i64>) -> Position {
        Position {
            next,
            log_number: 0,
            last: last.map(mark),
        }
    }

    fn check(next: i64, last: Option<i64>, begin: i64, end: i64) -> LogCheck {
        check_log(&position(next, last), LogBounds { begin, end }, None)
    }

    #[test]
    fn a_log_that_does_not_reach_its_position_halts() {
        let ends = LogCheck::Halt(HaltReason::EndsBefore { next: 5, end: 4 });
        let begins = LogCheck::Halt(HaltReason::BeginsAfter { next: 5, begin: 6 });
        for last in [None, Some(2), Some(4)] {
            assert_eq!(check(5, last, 0, 4), ends, "its end is lost");
            assert_eq!(check(5, last, 6, 9), begins, "unread records are gone");
        }
        let begins = LogCheck::Halt(HaltReason::BeginsAfter { next: 0, begin: 1 });
        assert_eq!(check(0, None, 1, 9), begins, "never read");
    }

    #[test]
    fn retention_may_remove_what_was_read() {
        assert_eq!(check(5, Some(4), 5, 9), LogCheck::Shortened);
        assert_eq!(check(5, Some(3), 4, 5), LogCheck::Shortened);
        assert_eq!(check(5, Some(4), 4, 9), LogCheck::Read);
        assert_eq!(check(5, None, 5, 5), LogCheck::Read);
    }

    #[test]
    fn two_equal_answers_halt_and_one_does_not() {
        let other = FoundAtMark::Record(RecordMark {
            offset: 4,
            checksum: 2,
        });
        let first = Evidence::again(None, mark(4), other);
        let second = Evidence::again(Some(first), mark(4), other);
        let check = |seen: Evidence, last, begin| {
            check_log(&position(5, last), LogBounds { begin, end: 9 }, Some(&seen))
        };
        let halt = LogCheck::Halt(HaltReason::RecordDiffers { offset: 4 });
        assert_eq!(check(first, Some(4), 0), LogCheck::Read);
        assert_eq!(check(second, Some(4), 0), halt);
        assert_eq!(check(second, Some(3), 0), LogCheck::Read, "of another mark");
        assert_eq!(check(second, Some(4), 5), LogCheck::Shortened, "meanwhile");

        let missing = Evidence::again(Some(second), mark(4), FoundAtMark::Nothing);
        assert!(missing.is_uncertain(), "another answer");
        let missing = Evidence::again(Some(missing), mark(4), FoundAtMark::Nothing);
        let halt = LogCheck::Halt(HaltReason::RecordMissing { offset: 4 });
        assert_eq!(check(missing, Some(4), 0), halt);
    }

    #[test]
    fn an_anchor_that_retention_removed_proves_nothing() {
        let check = |begin, end, found| check_anchor(&mark(4), LogBounds { begin, end }, found);
        let (same, missing) = (FoundAtMark::Record(mark(4)), FoundAtMark::Nothing);
        assert_eq!(check(0, 9, Some(same)), None);
        assert_eq!(check(5, 9, None), None, "removed");
        assert_eq!(check(5, 9, Some(missing)), None, "removed meanwhile");
        let reason = HaltReason::RecordMissing { offset: 4 };
        assert_eq!(check(4, 9, Some(missing)), Some(reason));
        let other = FoundAtMark::Record(mark(5));
        let reason = HaltReason::RecordDiffers { offset: 4 };
        assert_eq!(check(0, 5, Some(other)), Some(reason));
        let reason = HaltReason::EndsBefore { next: 5, end: 4 };
        assert_eq!(check(0, 4, None), Some(reason));
    }

    #[test]
    fn whatever_the_bounds_no_offset_between_position_and_start_is_skipped() {
        for next in 0..6 {
            for last in (0..next).map(Some).chain([None]) {
                for begin in 0..6 {
                    for end in begin..6 {
                        let reaches = (begin..=end).contains(&next);
                        let goes_on = !matches!(check(next, last, begin, end), LogCheck::Halt(_));
                        assert_eq!(goes_on, reaches, "{next} {last:?} {begin} {end}");
                    }
                }
            }
        }
    }
}
