//! Checks whether a log is the one that was read, as far as its records show it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_log::FoundAtMark;

use super::Reader;
use super::partition_state::Arrival;

/// How long a partition may give neither a record nor its end after reading has started.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Starts in a row without an answer until the client is replaced. Before each of them, another client got the bounds of
/// the log.
const UNANSWERED_MAX: u32 = 2;

impl Reader {
    /// Follows what a record that is not due says about its log.
    pub(super) fn follow_check(&mut self, number: i32, arrival: Arrival) {
        match arrival {
            Arrival::Gap(next) => self.start_again(number, next),
            Arrival::Same => self.parts.metrics.count_log_check("same"),
            Arrival::Different(found) => self.check_again(number, found),
            Arrival::Due(_) | Arrival::Stale => {}
        }
    }

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
        let mut is_stuck = false;
        for number in self.partitions.unanswered_since(then) {
            self.parts.metrics.count_log_check("undecided");
            tracing::warn!(
                kafka.partition = number,
                "no answer whether the log is the one that was read; checking again"
            );
            let state = self.partitions.get_mut(number);
            is_stuck |= state.is_some_and(|it| it.give_up_waiting() >= UNANSWERED_MAX);
            self.reload(number);
        }
        if is_stuck {
            self.replace_client();
        }
    }

    /// librdkafka ignores what brokers say about a topic that was made anew while the epochs of its leaders are lower than
    /// before ([4898](https://github.com/confluentinc/librdkafka/issues/4898)): a client that is older than its topic may
    /// read nothing for ever.
    fn replace_client(&mut self) {
        let client = match (self.parts.connect)() {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(%error, "failed to replace a Kafka consumer that reads nothing");
                return;
            }
        };
        tracing::warn!("Kafka consumer reads nothing, although another one gets answers; replaced");
        self.parts.metrics.kafka_readers_replaced_total.inc();
        for number in self.partitions.started() {
            self.reload(number);
        }
        self.log = Arc::new(client);
    }
}
