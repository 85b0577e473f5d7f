use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Failed deliveries in a row that open a breaker.
const FAILURES_MAX: u32 = 3;
/// How often one message passes an open breaker, to find out whether Kafka acknowledges messages again.
const PROBE_INTERVAL_MS: u64 = 1_000;
/// Time since the last failure after which an open breaker without messages in flight trusts the partition's leader.
const IDLE_AFTER_MS: u64 = 5_000;

/// Whole milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Remembers whether Kafka acknowledges the messages of one partition, and how fast.
///
/// Closed (all messages pass) until [`FAILURES_MAX`] deliveries in a row failed, or until messages were in flight for
/// the stall time without any acknowledgement; then open (one message per second passes) until any message is
/// acknowledged. Slow acknowledgements do not open it, and neither does a caller who stops waiting. If nothing is in
/// flight, no message can find out that Kafka acknowledges again: then a leader of the partition closes the breaker,
/// and one failure opens it again.
///
/// Times are milliseconds on one clock of the caller's. Aligned, so that two partitions share no cache line.
#[derive(Debug)]
#[repr(align(128))]
pub struct Breaker {
    stall_ms: u64,
    is_open: AtomicBool,
    /// Messages handed over whose delivery is not decided.
    in_flight: AtomicU32,
    failures: AtomicU32,
    /// The last acknowledgement, or the first message in flight after a time with none.
    progress_ms: AtomicU64,
    /// How long the last acknowledged message was in flight.
    latency_ms: AtomicU64,
    failed_at_ms: AtomicU64,
    next_probe_ms: AtomicU64,
}

/// What an event did to a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    None,
    Opened,
    Closed,
}

impl Breaker {
    /// A closed breaker that opens after `stall` without an acknowledgement.
    pub fn new(stall: Duration) -> Self {
        Self {
            stall_ms: millis(stall),
            is_open: AtomicBool::new(false),
            in_flight: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            progress_ms: AtomicU64::new(0),
            latency_ms: AtomicU64::new(0),
            failed_at_ms: AtomicU64::new(0),
            next_probe_ms: AtomicU64::new(0),
        }
    }

    pub fn is_open(&self) -> bool {
        self.is_open.load(Relaxed)
    }

    /// Whether a message passes now.
    pub fn admits(&self, now_ms: u64) -> bool {
        if !self.is_open() {
            return true;
        }
        let due = self.next_probe_ms.load(Relaxed);
        let next = now_ms + PROBE_INTERVAL_MS;
        now_ms >= due
            && self
                .next_probe_ms
                .compare_exchange(due, next, Relaxed, Relaxed)
                .is_ok()
    }

    /// Whether a message sent now can be expected to be acknowledged within `wait_ms`: nothing else is in flight, so that
    /// nothing is known, or the last acknowledgement is not older and did not take longer than that.
    pub fn is_prompt(&self, now_ms: u64, wait_ms: u64) -> bool {
        let without_progress_ms = now_ms.saturating_sub(self.progress_ms.load(Relaxed));
        self.in_flight.load(Relaxed) == 0
            || (without_progress_ms < wait_ms && self.latency_ms.load(Relaxed) <= wait_ms)
    }

    /// A message is handed over.
    pub fn sent(&self, now_ms: u64) {
        if self.in_flight.fetch_add(1, Relaxed) == 0 {
            self.progress_ms.store(now_ms, Relaxed);
        }
    }

    /// A message that was [`sent`](Self::sent) was not taken after all.
    pub fn refused(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// A message was acknowledged.
    pub fn acknowledged(&self, now_ms: u64, latency_ms: u64) -> Change {
        self.progress_ms.store(now_ms, Relaxed);
        self.latency_ms.store(latency_ms, Relaxed);
        self.in_flight.fetch_sub(1, Relaxed);
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
        self.close()
    }

    /// The delivery of a message failed. `is_kafkas_fault`: not the message itself was refused.
    pub fn failed(&self, now_ms: u64, is_kafkas_fault: bool) -> Change {
        self.in_flight.fetch_sub(1, Relaxed);
        if !is_kafkas_fault {
            return Change::None;
        }
        self.failed_at_ms.store(now_ms, Relaxed);
        if self.failures.fetch_add(1, Relaxed) + 1 < FAILURES_MAX {
            return Change::None;
        }
        self.open()
    }

    /// Opens if messages are in flight and none was acknowledged for the stall time.
    pub fn check_stall(&self, now_ms: u64) -> Change {
        let without_progress_ms = now_ms.saturating_sub(self.progress_ms.load(Relaxed));
        if without_progress_ms < self.stall_ms || self.in_flight.load(Relaxed) == 0 {
            return Change::None;
        }
        self.open()
    }

    /// The partition has a leader. This does not prove that it acknowledges messages, so it counts only while nothing is
    /// sent.
    pub fn has_leader(&self, now_ms: u64) -> Change {
        let idle_ms = now_ms.saturating_sub(self.failed_at_ms.load(Relaxed));
        if !self.is_open() || self.in_flight.load(Relaxed) > 0 || idle_ms < IDLE_AFTER_MS {
            return Change::None;
        }
        self.failures.store(FAILURES_MAX - 1, Relaxed);
        self.close()
    }

    fn open(&self) -> Change {
        // Read first: most calls change nothing.
        if self.is_open() || self.is_open.swap(true, Relaxed) {
            return Change::None;
        }
        Change::Opened
    }

    fn close(&self) -> Change {
        if !self.is_open() || !self.is_open.swap(false, Relaxed) {
            return Change::None;
        }
        Change::Closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL_MS: u64 = 2_500;

    fn breaker() -> Breaker {
        Breaker::new(Duration::from_millis(STALL_MS))
    }

    fn fail(breaker: &Breaker, now_ms: u64) -> Change {
        breaker.sent(now_ms);
        breaker.failed(now_ms, true)
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_one_acknowledgement_closes_it() {
        let breaker = breaker();
        fail(&breaker, 0);
        fail(&breaker, 0);
        breaker.sent(0);
        breaker.acknowledged(0, 1);
        fail(&breaker, 0);
        assert_eq!(fail(&breaker, 0), Change::None);
        assert_eq!(fail(&breaker, 0), Change::Opened);
        assert_eq!(fail(&breaker, 0), Change::None, "it is open");
        breaker.sent(0);
        assert_eq!(breaker.acknowledged(0, 1), Change::Closed);
        assert!(!breaker.is_open());
    }

    #[test]
    fn slow_acknowledgements_do_not_open_it() {
        let breaker = breaker();
        for now_ms in 0..20_000 {
            breaker.sent(now_ms);
            if now_ms >= 2_400 {
                breaker.acknowledged(now_ms, 2_400);
            }
            assert_eq!(breaker.check_stall(now_ms), Change::None, "{now_ms}");
        }
    }

    #[test]
    fn messages_in_flight_without_any_acknowledgement_open_it() {
        let breaker = breaker();
        breaker.sent(0);
        breaker.acknowledged(5, 5);
        assert_eq!(
            breaker.check_stall(1_000_000),
            Change::None,
            "nothing is sent"
        );
        breaker.sent(1_000_000);
        breaker.sent(1_002_000);
        assert_eq!(breaker.check_stall(1_002_499), Change::None);
        assert_eq!(breaker.check_stall(1_002_500), Change::Opened);
        assert_eq!(breaker.acknowledged(1_002_600, 2_600), Change::Closed);
    }

    #[test]
    fn a_message_that_was_not_taken_does_not_stall() {
        let breaker = breaker();
        breaker.sent(0);
        breaker.refused();
        assert_eq!(breaker.check_stall(STALL_MS), Change::None);
    }

    #[test]
    fn a_message_that_kafka_refuses_does_not_count() {
        let breaker = breaker();
        for _ in 0..10 {
            breaker.sent(0);
            assert_eq!(breaker.failed(0, false), Change::None);
        }
        assert_eq!(breaker.check_stall(STALL_MS), Change::None);
    }

    #[test]
    fn an_idle_one_closes_when_there_is_a_leader_and_one_failure_opens_it_again() {
        let breaker = breaker();
        for _ in 0..FAILURES_MAX {
            fail(&breaker, 0);
        }
        assert_eq!(breaker.has_leader(4_000), Change::None, "it just failed");
        breaker.sent(4_000);
        assert_eq!(breaker.has_leader(6_000), Change::None, "a probe is sent");
        breaker.refused();
        assert_eq!(breaker.has_leader(6_000), Change::Closed);
        assert_eq!(fail(&breaker, 6_000), Change::Opened);
    }

    #[test]
    fn a_closed_one_learns_nothing_from_a_leader() {
        let breaker = breaker();
        breaker.has_leader(6_000);
        assert_eq!(fail(&breaker, 6_000), Change::None, "one failure of three");
    }

    #[test]
    fn an_open_one_lets_one_probe_a_second_through() {
        let breaker = breaker();
        for _ in 0..FAILURES_MAX {
            fail(&breaker, 0);
        }
        let passed = |now_ms| (0..100).filter(|_| breaker.admits(now_ms)).count();
        assert_eq!([1, 1_000, 1_001, 1_500].map(passed), [1, 0, 1, 0]);
    }

    #[test]
    fn an_acknowledgement_is_expected_as_fast_as_the_last_one_came() {
        let breaker = breaker();
        assert!(breaker.is_prompt(10_000, 500), "nothing is known");
        breaker.sent(10_000);
        assert!(breaker.is_prompt(10_499, 500));
        assert!(!breaker.is_prompt(10_500, 500), "nothing has come since");
        breaker.sent(10_500);
        breaker.acknowledged(10_600, 600);
        assert!(!breaker.is_prompt(10_601, 500), "it took longer");
        breaker.sent(10_700);
        breaker.acknowledged(10_800, 300);
        assert!(breaker.is_prompt(10_801, 500));
    }
}
