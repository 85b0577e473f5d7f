use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus::IntGauge;

use crate::LedgerError;

/// Failed reads in a row after which PostgreSQL counts as unavailable.
const FAILURES_MAX: u32 = 3;
/// How often an unavailable PostgreSQL is asked.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// Lets requests fail at once while PostgreSQL is unavailable, except one per [`PROBE_INTERVAL`]: otherwise each would wait
/// for its own timeout. One failed read is no outage.
pub struct Outage {
    class: &'static str,
    created_at: Instant,
    failures: AtomicU32,
    next_probe_ms: AtomicU64,
    gauge: IntGauge,
}

impl Outage {
    /// `class` names the reads in logs; `gauge` is 1 during an outage.
    pub fn new(class: &'static str, gauge: IntGauge) -> Self {
        Self {
            class,
            created_at: Instant::now(),
            failures: AtomicU32::new(0),
            next_probe_ms: AtomicU64::new(0),
            gauge,
        }
    }

    /// Whether PostgreSQL may be asked.
    pub fn admits(&self) -> bool {
        self.admits_at(self.created_at.elapsed())
    }

    fn admits_at(&self, now: Duration) -> bool {
        if self.failures.load(Ordering::Relaxed) < FAILURES_MAX {
            return true;
        }
        let now_ms = millis(now);
        let next = self.next_probe_ms.load(Ordering::Relaxed);
        let later = now_ms + millis(PROBE_INTERVAL);
        let order = Ordering::Relaxed;
        let claimed = || {
            let claim = self
                .next_probe_ms
                .compare_exchange(next, later, order, order);
            claim.is_ok()
        };
        now_ms >= next && claimed()
    }

    /// Takes note of the outcome of a read.
    pub fn observe(&self, error: Option<&LedgerError>) {
        let Some(error) = error else {
            // Load first: while PostgreSQL answers, no thread writes this cache line.
            if self.failures.load(Ordering::Relaxed) > 0
                && self.failures.swap(0, Ordering::Relaxed) >= FAILURES_MAX
            {
                self.gauge.set(0);
                tracing::info!(db.class = self.class, "PostgreSQL answers reads again");
            }
            return;
        };
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 == FAILURES_MAX {
            self.gauge.set(1);
            tracing::error!(
                db.class = self.class,
                %error,
                "PostgreSQL is unavailable; one read per 100 ms until it answers, the others fail at once"
            );
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_in_a_row_are_an_outage_that_one_answer_ends() {
        let gauge = IntGauge::new("outage", "1 during an outage.").unwrap();
        let outage = Outage::new("known", gauge);
        let at = |ms| outage.admits_at(Duration::from_millis(ms));
        let fail = || outage.observe(Some(&LedgerError::Timeout));
        fail();
        fail();
        outage.observe(None);
        fail();
        fail();
        assert!(at(0) && at(0), "two failures are no outage");
        fail();
        assert_eq!(outage.gauge.get(), 1);
        assert_eq!(
            [at(1_000), at(1_050), at(1_100), at(1_100)],
            [true, false, true, false]
        );
        outage.observe(None);
        assert_eq!(outage.gauge.get(), 0);
        assert!(at(1_101) && at(1_101));
    }
}
