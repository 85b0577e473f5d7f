use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cardinality_estimator::CardinalityEstimator;
use fluxgate_domain::ids::UserId;
use prometheus::IntGauge;

type Sketch = Arc<Mutex<CardinalityEstimator<str>>>;

/// Estimates how many different buyers order per minute, in a few kilobytes per thread and within a few percent.
///
/// Each HTTP thread has its own sketch. With a shared one every order would wait for the others, and a thread that is
/// preempted while it holds the lock would stop all of them.
#[derive(Clone)]
pub struct ActiveBuyers {
    own: Sketch,
    /// The sketches of all threads.
    sketches: Arc<Mutex<Vec<Sketch>>>,
    last_minute: IntGauge,
}

impl ActiveBuyers {
    /// An empty estimate; `last_minute` shows the result of the last full minute.
    pub fn new(last_minute: IntGauge) -> Self {
        let own = Sketch::default();
        Self {
            sketches: Arc::new(Mutex::new(vec![Arc::clone(&own)])),
            own,
            last_minute,
        }
    }

    /// The same estimate, with its own sketch for the calling thread.
    pub fn on_this_thread(&self) -> Self {
        let own = Sketch::default();
        lock(&self.sketches).push(Arc::clone(&own));
        Self {
            own,
            ..self.clone()
        }
    }

    /// Counts a buyer.
    pub fn observe(&self, user: &UserId) {
        lock(&self.own).insert(user.as_str());
    }

    /// Shows the estimate of the current minute and begins the next minute.
    pub fn begin_minute(&self) {
        let mut all = CardinalityEstimator::new();
        for sketch in lock(&self.sketches).iter() {
            all.merge(&std::mem::take(&mut *lock(sketch)));
        }
        let count = i64::try_from(all.estimate()).unwrap_or(i64::MAX);
        self.last_minute.set(count);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_buyer_counts_once_a_minute_across_threads() {
        const BUYERS: i64 = 10_000;
        let gauge = IntGauge::new("active_buyers", "x").unwrap();
        let buyers = ActiveBuyers::new(gauge.clone());
        let other_thread = buyers.on_this_thread();
        for n in 0..BUYERS {
            let buyer = UserId::parse(&format!("buyer-{n}")).unwrap();
            buyers.observe(&buyer);
            other_thread.observe(&buyer);
        }
        assert_eq!(gauge.get(), 0, "the minute has not ended");
        buyers.begin_minute();
        let off = (gauge.get() - BUYERS).abs();
        assert!(off * 10 < BUYERS, "off by {off} of {BUYERS}");
        buyers.begin_minute();
        assert_eq!(gauge.get(), 0);
    }
}
