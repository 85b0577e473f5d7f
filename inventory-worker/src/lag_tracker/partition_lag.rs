use std::collections::VecDeque;

use fluxgate_domain::batch::RecordMark;
use fluxgate_log::LogBounds;

use crate::reader::Halt;

/// How far behind one partition is. Pure.
#[derive(Debug, Default)]
pub struct PartitionLag {
    /// The next offset that is not written; unknown until the position was read.
    pub written: Option<i64>,
    /// Slices that are read and not written, oldest first: generation, and timestamp of the first record in Unix ms.
    pub pending: VecDeque<(u64, i64)>,
    /// The last record that was written.
    pub mark: Option<WrittenMark>,
    /// What ends its halt, and why it is halted.
    pub halted: Option<(Halt, String)>,
}

/// A record that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenMark {
    /// What is remembered of it.
    pub mark: RecordMark,
    /// The log it is in.
    pub log_number: i32,
}

impl PartitionLag {
    /// Records that are still to be written; `None` if that is not known. A log that is another one than the one that was
    /// read, or ends before the position, will be read from its beginning.
    pub fn lag_records(&self, log: LogBounds) -> Option<i64> {
        let LogBounds { begin, end } = log;
        let whole = (begin >= 0 && end >= 0).then_some(end - begin);
        match (&self.halted, self.written) {
            (Some((Halt::UntilAccepted, _)), _) => whole,
            (_, Some(written)) if end >= written => Some(end - written),
            (_, Some(_)) => whole,
            (_, None) => None,
        }
    }

    /// Seconds since the oldest record that is read and not written; 0 if there is none.
    pub fn age_seconds(&self, now_ms: i64) -> f64 {
        let since = self.pending.front();
        since.map_or(0.0, |(_, since_ms)| {
            (now_ms - since_ms).max(0) as f64 / 1_000.0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(written: Option<i64>, halt: Option<Halt>, begin: i64, end: i64) -> Option<i64> {
        let partition = PartitionLag {
            written,
            halted: halt.map(|halt| (halt, "why".to_owned())),
            ..PartitionLag::default()
        };
        partition.lag_records(LogBounds { begin, end })
    }

    #[test]
    fn the_lag_is_what_is_still_to_be_written() {
        assert_eq!(lag(Some(7), None, 2, 9), Some(2));
        assert_eq!(lag(Some(9), None, 2, 9), Some(0));
        assert_eq!(lag(Some(7), None, -1, 9), Some(2), "an unknown beginning");
        assert_eq!(lag(Some(7), None, 2, -1), None, "an unknown end");
        assert_eq!(lag(None, None, 2, 9), None, "no position yet");
    }

    #[test]
    fn a_log_that_ends_before_the_position_or_is_another_one_lags_as_a_whole() {
        assert_eq!(lag(Some(12), None, 2, 9), Some(7));
        assert_eq!(lag(Some(7), Some(Halt::UntilAccepted), 2, 9), Some(7));
        assert_eq!(lag(None, Some(Halt::UntilAccepted), 2, 9), Some(7));
        assert_eq!(lag(Some(7), Some(Halt::UntilRestart), 2, 9), Some(2));
    }
}
