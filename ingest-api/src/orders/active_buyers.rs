use std::sync::{Arc, Mutex, PoisonError};

use cardinality_estimator::CardinalityEstimator;
use fluxgate_domain::ids::UserId;
use prometheus::IntGauge;

/// How many different buyers come. A sketch, a few kilobytes however many they are; off by a few
/// percent. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct ActiveBuyers {
    /// Of the minute that is running.
    seen: Arc<Mutex<CardinalityEstimator<str>>>,
    last_minute: IntGauge,
}

impl ActiveBuyers {
    /// Nobody yet. `last_minute` shows how many there were.
    pub fn new(last_minute: IntGauge) -> Self {
        Self {
            seen: Arc::new(Mutex::new(CardinalityEstimator::new())),
            last_minute,
        }
    }

    /// This one wants something.
    pub fn observe(&self, user: &UserId) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(user.as_str());
    }

    /// A minute is over.
    pub fn begin_minute(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let over = std::mem::replace(&mut *seen, CardinalityEstimator::new());
        let count = i64::try_from(over.estimate()).unwrap_or(i64::MAX);
        self.last_minute.set(count);
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
        assert_eq!(gauge.get(), 0, "the minute is not over");
        buyers.begin_minute();
        let off = (gauge.get() - BUYERS).abs();
        assert!(off * 10 < BUYERS, "off by {off} of {BUYERS}");
        buyers.begin_minute();
        assert_eq!(gauge.get(), 0);
    }
}
