use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus::IntGauge;

/// Failures in a row after which nobody waits for Kafka any more.
const FAILURES_MAX: u32 = 3;
/// How often one message is let through to find out whether Kafka is back.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// How long nothing fails while the breaker is open before it is plain that nothing is sent.
const IDLE_AFTER: Duration = Duration::from_secs(5);

/// Remembers whether Kafka acknowledges, so that orders need not wait to find out.
///
/// Closed (all pass) until [`FAILURES_MAX`] messages in a row went unacknowledged; then open (one
/// message a second passes) until any message is acknowledged. Where nobody orders, no message finds out
/// that Kafka is back: then its brokers' answer closes it, and one failure opens it again.
#[derive(Debug)]
pub struct Breaker {
    failures: AtomicU32,
    born: Instant,
    /// Milliseconds after `born` from which on the next probe may pass.
    next_probe_ms: AtomicU64,
    /// Milliseconds after `born` of the last failure.
    failed_at_ms: AtomicU64,
    open: IntGauge,
}

impl Breaker {
    /// A closed breaker that shows its state in `open`.
    pub fn new(open: IntGauge) -> Self {
        Self {
            failures: AtomicU32::new(0),
            born: Instant::now(),
            next_probe_ms: AtomicU64::new(0),
            failed_at_ms: AtomicU64::new(0),
            open,
        }
    }

    /// Whether all messages pass.
    pub fn is_closed(&self) -> bool {
        self.failures.load(Ordering::Relaxed) < FAILURES_MAX
    }

    /// Whether the message at hand passes.
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
        // Read first: in good times every core only reads this line.
        if self.failures.load(Ordering::Relaxed) == 0 {
            return;
        }
        if self.failures.swap(0, Ordering::Relaxed) >= FAILURES_MAX {
            self.show_closed();
            tracing::info!("Kafka acknowledges again");
        }
    }

    /// A message was not acknowledged in time, or failed.
    pub fn timed_out(&self) {
        let now_ms = self.age_ms(Instant::now());
        self.failed_at_ms.store(now_ms, Ordering::Relaxed);
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 == FAILURES_MAX {
            self.open.set(1);
            tracing::warn!("Kafka does not acknowledge; orders are answered `reserved` at once");
        }
    }

    /// The brokers answer, which is no proof that they acknowledge: it counts only where no message is
    /// sent that could tell.
    pub fn brokers_answer(&self, now: Instant) {
        let failures = self.failures.load(Ordering::Relaxed);
        let quiet_ms = self
            .age_ms(now)
            .saturating_sub(self.failed_at_ms.load(Ordering::Relaxed));
        if failures < FAILURES_MAX || quiet_ms < millis(IDLE_AFTER) {
            return;
        }
        let fragile = FAILURES_MAX - 1;
        let closed =
            self.failures
                .compare_exchange(failures, fragile, Ordering::Relaxed, Ordering::Relaxed);
        if closed.is_ok() {
            self.show_closed();
            tracing::info!("Kafka's brokers answer; the next order tells whether they acknowledge");
        }
    }

    /// A failure may have opened it again meanwhile, and shown that before this.
    fn show_closed(&self) {
        self.open.set(0);
        if !self.is_closed() {
            self.open.set(1);
        }
    }

    fn age_ms(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.born))
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
        let start = breaker.born + Duration::from_millis(1);
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
