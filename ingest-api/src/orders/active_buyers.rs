use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cardinality_estimator::CardinalityEstimator;
use fluxgate_domain::ids::UserId;
use prometheus::IntGauge;

/// Estimates how many different buyers order per minute, in a few kilobytes and within a few percent. Clones share the
/// estimate.
#[derive(Clone)]
pub struct ActiveBuyers {
    current_minute: Arc<Mutex<CardinalityEstimator<str>>>,
    last_minute: IntGauge,
}

impl ActiveBuyers {
    /// An empty estimate; `last_minute` shows the result of the last full minute.
    pub fn new(last_minute: IntGauge) -> Self {
        Self {
            current_minute: Arc::new(Mutex::new(CardinalityEstimator::new())),
            last_minute,
        }
    }

    /// Counts a buyer.
    pub fn observe(&self, user: &UserId) {
        self.lock().insert(user.as_str());
    }

    /// Shows the estimate of the current minute and begins the next minute.
    pub fn begin_minute(&self) {
        let mut current = self.lock();
        let ended = std::mem::replace(&mut *current, CardinalityEstimator::new());
        let count = i64::try_from(ended.estimate()).unwrap_or(i64::MAX);
        self.last_minute.set(count);
    }

    fn lock(&self) -> MutexGuard<'_, CardinalityEstimator<str>> {
        let current = self.current_minute.lock();
        current.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_buyer_counts_once_a_minute() {
        const BUYERS: i64 = 10_000;
        let gauge = IntGauge::new("active_buyers", "x").unwrap();
        let buyers = ActiveBuyers::new(gauge.clone());
        for n in (0..BUYERS).chain(0..BUYERS) {
            buyers.observe(&UserId::parse(&format!("buyer-{n}")).unwrap());
        }
        assert_eq!(gauge.get(), 0, "the minute has not ended");
        buyers.begin_minute();
        let off = (gauge.get() - BUYERS).abs();
        assert!(off * 10 < BUYERS, "off by {off} of {BUYERS}");
        buyers.begin_minute();
        assert_eq!(gauge.get(), 0);
    }
}
