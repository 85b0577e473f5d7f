//! Checks whether a log is the one that was read, as far as its records show it.

use std::time::{Duration, Instant};

use fluxgate_log::FoundAtMark;

use super::Reader;

/// How long a partition may give neither the record that was read last nor its end.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

impl Reader {
    /// The log has something else where the last record was. The next load decides whether that is certain.
    pub(super) fn check_again(&mut self, number: i32, found: FoundAtMark) {
        tracing::warn!(
            kafka.partition = number,
            ?found,
            "the log does not have the record that was read last; checking again"
        );
        self.reload(number);
    }

    /// After an error the broker may be another one, whose log ends elsewhere. Kafka does not say which partitions an
    /// error is about.
    pub(super) fn check_after_errors(&mut self) {
        if std::mem::take(&mut self.has_failed) {
            for number in self.partitions.read() {
                self.check_in_place(number);
            }
        }
    }

    /// A check without an answer decides nothing.
    pub(super) fn end_late_checks(&mut self, now: Instant) {
        let Some(then) = now.checked_sub(ANSWER_LIMIT) else {
            return;
        };
        for number in self.partitions.verifying_since(then) {
            self.parts.metrics.count_log_check("undecided");
            tracing::warn!(
                kafka.partition = number,
                "no answer whether the log is the one that was read; checking again"
            );
            self.reload(number);
        }
    }
}
