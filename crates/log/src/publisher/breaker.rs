use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus::IntGauge;

/// Failures in a row that open the breaker.
const FAILURES_MAX: u32 = 3;
/// How often one message passes an open breaker, to find out whether Kafka acknowledges messages again.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// Time without a failure after which an open breaker assumes that nothing is being sent.
const IDLE_AFTER: Duration = Duration::from_secs(5);

/// Remembers whether Kafka acknowledges messages, so that not every caller has to wait to find out.
///
/// Closed (all messages pass) until [`FAILURES_MAX`] messages in a row went unacknowledged; then open (one message per
/// second passes) until any message is acknowledged. If nothing is sent, no message can find out that Kafka
/// acknowledges again: then any response from the brokers closes the breaker, and one failure opens it again.
#[derive(Debug)]
pub struct Breaker {
    failures: AtomicU32,
    created_at: Instant,
    /// Milliseconds after `created_at` from which the next probe may pass.
    next_probe_ms: AtomicU64,
    /// Milliseconds after `created_at` of the last failure.
    failed_at_ms: AtomicU64,
    open: IntGauge,
}

impl Breaker {
    /// A closed breaker that shows its state in `open`.
    pub fn new(open: IntGauge) -> Self {
        Self {
            failures: AtomicU32::new(0),
            created_at: Instant::now(),
            next_probe_ms: AtomicU64::new(0),
            failed_at_ms: AtomicU64::new(0),
            open,
        }
    }

    /// Whether all messages pass.
    pub fn is_closed(&self) -> bool {
        self.failures.load(Ordering::Relaxed) < FAILURES_MAX
    }

    /// Whether a message passes now.
    pub fn admits(&self, now: Instant) -> bool {
        if self.is_closed() {
            return true;
        }
        let now_ms = self.age_ms(now);
        let due = self.next_probe_ms.load(Ordering::Relaxed);
        let next = now_ms + millis(PROBE_INTERVAL);
        now_ms >= due
            && self
                .next_probe_ms
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// A message was acknowledged.
    pub fn acknowledged(&self) {
        // Read first: while all is well, no core writes to this cache line.
        if self.failures.load(Ordering::Relaxed) == 0 {
            return;
        }
        if self.failures.swap(0, Ordering::Relaxed) >= FAILURES_MAX {
            self.show_closed();
            tracing::info!("Kafka acknowledges messages again; circuit closed");
        }
    }

    /// A message was not acknowledged in time, or failed.
    pub fn timed_out(&self) {
        let now_ms = self.age_ms(Instant::now());
        self.failed_at_ms.store(now_ms, Ordering::Relaxed);
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 == FAILURES_MAX {
            self.open.set(1);
            tracing::warn!(
                "Kafka does not acknowledge messages; circuit opened and publishing suspended"
            );
        }
    }

    /// The brokers answered a request. This does not prove that they acknowledge messages, so it counts only while no
    /// message is sent.
    pub fn brokers_answer(&self, now: Instant) {
        let failures = self.failures.load(Ordering::Relaxed);
        let idle_ms = self
            .age_ms(now)
            .saturating_sub(self.failed_at_ms.load(Ordering::Relaxed));
        if failures < FAILURES_MAX || idle_ms < millis(IDLE_AFTER) {
            return;
        }
        let one_below = FAILURES_MAX - 1;
        let closed = self.failures.compare_exchange(
            failures,
            one_below,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if closed.is_ok() {
            self.show_closed();
            tracing::info!("brokers respond again; circuit closed until the next failure");
        }
    }

    /// Checks again afterwards: a failure may have opened it meanwhile and set the gauge before this call.
    fn show_closed(&self) {
        self.open.set(0);
        if !self.is_closed() {
            self.open.set(1);
        }
    }

    fn age_ms(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.created_at))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(IntGauge::new("open", "test").unwrap())
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_one_acknowledgement_closes_it() {
        let breaker = breaker();
        breaker.timed_out();
        breaker.timed_out();
        breaker.acknowledged();
        breaker.timed_out();
        breaker.timed_out();
        assert!(breaker.is_closed());

        breaker.timed_out();
        assert!(!breaker.is_closed());
        assert_eq!(breaker.open.get(), 1);

        breaker.acknowledged();
        assert!(breaker.is_closed());
        assert_eq!(breaker.open.get(), 0);
    }

    #[test]
    fn an_idle_one_closes_when_the_brokers_answer_and_one_failure_opens_it_again() {
        let breaker = breaker();
        for _ in 0..FAILURES_MAX {
            breaker.timed_out();
        }
        let just_failed = Instant::now() + Duration::from_secs(4);
        breaker.brokers_answer(just_failed);
        assert!(!breaker.is_closed(), "messages are sent, and fail");

        let idle = Instant::now() + Duration::from_secs(6);
        breaker.brokers_answer(idle);
        assert!(breaker.is_closed());
        assert_eq!(breaker.open.get(), 0);

        breaker.timed_out();
        assert!(!breaker.is_closed());
        assert_eq!(breaker.open.get(), 1);
    }

    #[test]
    fn a_closed_one_learns_nothing_from_the_brokers() {
        let breaker = breaker();
        breaker.brokers_answer(Instant::now() + Duration::from_secs(6));
        breaker.timed_out();
        assert!(breaker.is_closed(), "one failure of three");
    }

    #[test]
    fn an_open_breaker_lets_one_probe_a_second_through() {
        let breaker = breaker();
        for _ in 0..FAILURES_MAX {
            breaker.timed_out();
        }
        let start = breaker.created_at + Duration::from_millis(1);
        let passed = |ms| {
            let now = start + Duration::from_millis(ms);
            (0..100).filter(|_| breaker.admits(now)).count()
        };
        assert_eq!(passed(0), 1);
        assert_eq!(passed(999), 0);
        assert_eq!(passed(1_000), 1);
        assert_eq!(passed(1_500), 0);
    }
}
