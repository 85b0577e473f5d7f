use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use prometheus::IntCounter;

use super::{LimiterStates, Rate};

/// A limit on the rate of tries, for each key by itself.
pub struct KeyedLimit<C: Clock = DefaultClock> {
    rate: Rate,
    limiter: RateLimiter<u64, LimiterStates, C, NoOpMiddleware<C::Instant>>,
    /// Its secret keeps clients from choosing users or addresses that share a bucket.
    hasher: RandomState,
}

/// A try beyond a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitExceeded {
    /// The rate.
    pub rate: Rate,
    /// Whole seconds after which one more try is allowed; at least 1.
    pub retry_after_seconds: u64,
}

impl KeyedLimit {
    /// A limit for at least `keys_max` keys at a time; counts those that are evicted before they have their whole quota again.
    pub fn new(rate: Rate, keys_max: usize, evictions: IntCounter) -> Self {
        Self::with_clock(rate, keys_max, evictions, DefaultClock::default())
    }
}

impl<C: Clock> KeyedLimit<C> {
    fn with_clock(rate: Rate, keys_max: usize, evictions: IntCounter, clock: C) -> Self {
        let states = LimiterStates::new(keys_max, rate.interval(), evictions);
        Self {
            rate,
            limiter: RateLimiter::new(rate.quota(), states, clock),
            hasher: RandomState::new(),
        }
    }

    /// Counts a try, unless it is beyond the rate.
    ///
    /// # Errors
    /// If it is; it then uses nothing of the quota.
    pub fn check(&self, key: impl Hash) -> Result<(), LimitExceeded> {
        let checked = self.limiter.check_key(&self.hasher.hash_one(key));
        checked.map_err(|not_until| LimitExceeded {
            rate: self.rate,
            retry_after_seconds: whole_seconds(
                not_until.wait_time_from(self.limiter.clock().now()),
            ),
        })
    }
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "more than {} tries in {} s",
            self.rate.count(),
            self.rate.seconds()
        )
    }
}

/// Rounded up: a client that waits for less would be refused again.
fn whole_seconds(time: Duration) -> u64 {
    let has_fraction = time.subsec_nanos() > 0;
    (time.as_secs() + u64::from(has_fraction)).max(1)
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    type FakeLimit = KeyedLimit<FakeRelativeClock>;

    const USERS: usize = 1_000_000;

    fn limit(rate: &str, keys_max: usize) -> (FakeLimit, FakeRelativeClock, IntCounter) {
        let clock = FakeRelativeClock::default();
        let evictions = IntCounter::new("evictions", "Keys.").unwrap();
        let rate = rate.parse().unwrap();
        let limit = KeyedLimit::with_clock(rate, keys_max, evictions.clone(), clock.clone());
        (limit, clock, evictions)
    }

    fn used(limit: FakeLimit) -> usize {
        limit.limiter.into_state_store().used()
    }

    #[test]
    fn a_key_may_use_its_quota_at_once_and_then_one_try_per_interval() {
        let (limit, clock, _) = limit("3/6s", 100);
        for _ in 0..3 {
            assert_eq!(limit.check("ada"), Ok(()));
        }
        let exceeded = limit.check("ada").unwrap_err();
        assert_eq!(exceeded.retry_after_seconds, 2);
        assert_eq!(exceeded.to_string(), "more than 3 tries in 6 s");
        assert_eq!(limit.check("bob"), Ok(()));
        clock.advance(Duration::from_millis(500));
        assert_eq!(limit.check("ada").unwrap_err().retry_after_seconds, 2);
        clock.advance(Duration::from_millis(600));
        assert_eq!(limit.check("ada").unwrap_err().retry_after_seconds, 1);
        clock.advance(Duration::from_millis(900));
        assert_eq!(limit.check("ada"), Ok(()));
        assert!(limit.check("ada").is_err());
    }

    #[test]
    fn a_million_invented_users_take_no_more_memory_than_stated() {
        let (limit, _, evictions) = limit("20/1s", 10_000);
        for user in 0..USERS {
            assert_eq!(limit.check(format!("invented-{user}")), Ok(()));
        }
        let used = used(limit);
        assert_eq!(used, 10_000, "each slot is in use");
        assert_eq!(evictions.get(), (USERS - used) as u64);
    }

    #[test]
    fn invented_users_do_not_free_a_user_who_is_at_the_limit() {
        let (limit, _, evictions) = limit("20/1s", 100);
        while limit.check("bot").is_ok() {}
        for user in 0..10_000 {
            assert_eq!(limit.check(user), Ok(()));
        }
        assert!(evictions.get() > 9_000);
        assert!(limit.check("bot").is_err());
    }

    #[test]
    fn a_key_that_has_its_whole_quota_again_makes_room_without_being_an_eviction() {
        let (limit, clock, evictions) = limit("1/1s", 100);
        for user in 0..10_000 {
            assert_eq!(limit.check(user), Ok(()));
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(evictions.get(), 0);
        assert_eq!(limit.check(9_999), Ok(()));
        assert!(limit.check(9_999).is_err());
    }

    proptest! {
        /// Compared with one limiter of the library for each key.
        #[test]
        fn with_room_for_all_keys_each_is_limited_as_if_it_were_alone(
            tries in prop::collection::vec((0_usize..8, 0_u64..800), 1..200)
        ) {
            let (limit, clock, evictions) = limit("3/1s", 1_000);
            let quota = limit.rate.quota();
            let alone: Vec<_> = (0..8)
                .map(|_| RateLimiter::direct_with_clock(quota, clock.clone()))
                .collect();
            for (key, wait_ms) in tries {
                clock.advance(Duration::from_millis(wait_ms));
                prop_assert_eq!(limit.check(key).is_ok(), alone[key].check().is_ok());
            }
            prop_assert_eq!(evictions.get(), 0);
        }
    }
}
