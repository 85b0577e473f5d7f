use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus::IntGauge;

/// Failures in a row after which nobody waits for Kafka any more.
const FAILURES_MAX: u32 = 3;
/// How often one message is let through to find out whether Kafka is back.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// Remembers whether Kafka acknowledges, so that orders need not wait to find out.
///
/// Closed (all pass) until [`FAILURES_MAX`] messages in a row went unacknowledged; then open (one
/// message a second passes) until any message is acknowledged.
#[derive(Debug)]
pub struct Breaker {
    failures: AtomicU32,
    born: Instant,
    /// Milliseconds after `born` from which on the next probe may pass.
    next_probe_ms: AtomicU64,
    open: IntGauge,
}

impl Breaker {
    /// A closed breaker that shows its state in `open`.
    pub fn new(open: IntGauge) -> Self {
        Self {
            failures: AtomicU32::new(0),
            born: Instant::now(),
            next_probe_ms: AtomicU64::new(0),
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
        let now_ms = millis(now.saturating_duration_since(self.born));
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
            self.open.set(0);
            tracing::info!("Kafka acknowledges again");
        }
    }

    /// A message was not acknowledged in time, or failed.
    pub fn timed_out(&self) {
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 == FAILURES_MAX {
            self.open.set(1);
            tracing::warn!("Kafka does not acknowledge; orders are answered `reserved` at once");
        }
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
