use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::nanos::Nanos;
use governor::state::StateStore;
use prometheus::IntCounter;

/// States in a bucket.
const BUCKET_SLOTS: usize = 16;

/// The states of a rate limiter, one for each key that was used lately, in memory that never grows.
///
/// A key, which is a hash, may be in any slot of one bucket. It takes a free slot, or one whose key has its whole quota
/// again, which is as good as free. If there is none, it evicts the key that is closest to having its whole quota: that one
/// can then use its whole quota again. No key is limited because of others.
pub struct LimiterStates {
    buckets: Box<[Mutex<Bucket>]>,
    interval: Duration,
    evictions: IntCounter,
}

type Bucket = [Slot; BUCKET_SLOTS];

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    key: u64,
    /// GCRA's theoretical arrival time, in nanoseconds since the limiter was built: at that time, the key has its whole
    /// quota again. 0: the slot is free.
    arrival: u64,
}

impl LimiterStates {
    /// States of at least `keys_max` keys, for a limiter that allows one more try per `interval`. Counts the keys that are evicted.
    pub fn new(keys_max: usize, interval: Duration, evictions: IntCounter) -> Self {
        let buckets = keys_max.div_ceil(BUCKET_SLOTS).max(1);
        Self {
            buckets: (0..buckets).map(|_| Mutex::default()).collect(),
            interval,
            evictions,
        }
    }

    /// The slots in use.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        let used = |it: &Mutex<Bucket>| locked(it).iter().filter(|it| it.arrival > 0).count();
        self.buckets.iter().map(used).sum()
    }

    fn bucket(&self, key: u64) -> MutexGuard<'_, Bucket> {
        // The upper bits of the hash, scaled to the number of buckets.
        let index = (u128::from(key) * self.buckets.len() as u128) >> u64::BITS;
        locked(&self.buckets[index as usize])
    }
}

impl StateStore for LimiterStates {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut bucket = self.bucket(*key);
        if let Some(slot) = bucket
            .iter_mut()
            .find(|it| it.key == *key && it.arrival > 0)
        {
            let (allowed, arrival) = decide(Some(slot.arrival.into()))?;
            slot.arrival = arrival.into();
            return Ok(allowed);
        }
        let (allowed, arrival) = decide(None)?;
        let arrival = arrival.as_u64();
        let slot = bucket.iter_mut().min_by_key(|it| it.arrival);
        let slot = slot.expect("a bucket has slots");
        // The first try of a key takes one interval.
        let now = arrival.saturating_sub(self.interval.as_nanos() as u64);
        if slot.arrival > now {
            self.evictions.inc();
        }
        *slot = Slot { key: *key, arrival };
        Ok(allowed)
    }
}

/// Nothing panics while it holds a bucket.
fn locked(bucket: &Mutex<Bucket>) -> MutexGuard<'_, Bucket> {
    bucket.lock().unwrap_or_else(PoisonError::into_inner)
}
