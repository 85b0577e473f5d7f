use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use fluxgate_domain::ids::OrderId;
use fluxgate_gate::{ReservationContext, SaleKeys};
use jiff::Timestamp;

use super::KnownOrders;
use crate::boot_instant::BootInstant;
use crate::high_water_mark::HighWaterMark;

/// What an instance may refuse in one sale, and when it may ask Redis for the next lease.
#[derive(Debug)]
pub struct SaleRefusals {
    /// The sale's keys in Redis.
    pub keys: SaleKeys,
    /// The highest number of the sale that this instance has seen.
    pub high_water_mark: Arc<HighWaterMark>,
    opens_at: Timestamp,
    current: ArcSwapOption<CachedRefusal>,
    /// Whether a task is asking for a lease.
    is_renewing: AtomicBool,
    /// Before this instant no lease is requested.
    renew_after: AtomicU64,
    /// Before this instant the orders are not read again.
    read_after: AtomicU64,
}

/// A refusal that may be answered from memory until its lease expires.
#[derive(Debug)]
pub struct CachedRefusal {
    /// What is answered.
    pub reason: RefusalReason,
    /// When the lease expires.
    pub until: BootInstant,
    /// The orders of the sale. A request for one of them passes through to Redis. `None` before a sale opens: it has no
    /// orders then.
    pub orders: Option<Arc<KnownOrders>>,
}

/// Why no order is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// The sale opens after the lease expires.
    NotOpen {
        /// When it opens, at the earliest.
        opens_at: BootInstant,
    },
    /// No unit is left.
    SoldOut,
    /// The sale takes no more orders.
    Closed,
}

impl SaleRefusals {
    /// The refusals of the sale with these keys that opens at `opens_at`; none yet.
    pub fn new(keys: SaleKeys, opens_at: Timestamp, high_water_mark: Arc<HighWaterMark>) -> Self {
        Self {
            keys,
            high_water_mark,
            opens_at,
            current: ArcSwapOption::empty(),
            is_renewing: AtomicBool::new(false),
            renew_after: AtomicU64::new(0),
            read_after: AtomicU64::new(0),
        }
    }

    /// The sale, as a lease request describes it.
    pub fn context(&self) -> ReservationContext<'_> {
        ReservationContext {
            keys: &self.keys,
            opened_at: self.opens_at,
            high_water_mark: self.high_water_mark.get(),
            // A lease takes no unit, so it adds no outbox entry.
            outbox_max: 0,
            shares_entries: false,
            is_limited: false,
        }
    }

    /// The cached refusal, if its lease has not expired at `now`.
    pub fn current(&self, now: BootInstant) -> Option<arc_swap::Guard<Option<Arc<CachedRefusal>>>> {
        let current = self.current.load();
        let is_valid = current.as_ref().is_some_and(|refusal| now < refusal.until);
        is_valid.then_some(current)
    }

    /// The last cached refusal, even if its lease has expired.
    pub fn last(&self) -> Option<Arc<CachedRefusal>> {
        self.current.load_full()
    }

    /// Replaces the cached refusal.
    pub fn set(&self, refusal: CachedRefusal) {
        self.current.store(Some(Arc::new(refusal)));
    }

    /// Drops the cached refusal and its orders.
    pub fn clear(&self) {
        self.current.store(None);
    }

    /// Drops a refusal whose lease expired before `then`: no order has been requested since.
    pub fn clear_expired(&self, then: BootInstant) {
        if self.last().is_some_and(|refusal| refusal.until < then) {
            self.clear();
        }
    }

    /// Whether the caller is to request a lease now; then it must call [`Self::end_renewal`].
    pub fn begin_renewal(&self, now: BootInstant) -> bool {
        now.as_nanos() >= self.renew_after.load(Ordering::Relaxed)
            && !self.is_renewing.swap(true, Ordering::Acquire)
    }

    /// Allows the next renewal.
    pub fn end_renewal(&self) {
        self.is_renewing.store(false, Ordering::Release);
    }

    /// Allows no renewal before `instant`.
    pub fn back_off_until(&self, instant: BootInstant) {
        self.renew_after
            .store(instant.as_nanos(), Ordering::Relaxed);
    }

    /// Whether the orders may be read at `now`; if so, not again before `next`. If not, no lease is requested before
    /// they may.
    pub fn may_read_orders(&self, now: BootInstant, next: BootInstant) -> bool {
        let read_after = self.read_after.load(Ordering::Relaxed);
        if now.as_nanos() < read_after {
            self.renew_after.store(read_after, Ordering::Relaxed);
            return false;
        }
        self.read_after.store(next.as_nanos(), Ordering::Relaxed);
        true
    }
}

impl CachedRefusal {
    /// Whether a request for this order is refused.
    pub fn refuses(&self, order: OrderId) -> bool {
        let orders = self.orders.as_ref();
        !orders.is_some_and(|orders| orders.may_contain(order))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use fluxgate_domain::SequenceNumber;
    use fluxgate_domain::ids::{IdempotencyKey, ProductId, Tag, UserId};
    use fluxgate_gate::{OptionalKeys, OrdersVersion};

    use super::*;
    use crate::sold_out::MemoryShare;

    pub const VERSION: OrdersVersion = OrdersVersion {
        epoch: 1,
        fields: 2,
    };

    pub fn id(key: usize) -> OrderId {
        let product = ProductId::parse("product").unwrap();
        let user = UserId::parse("user").unwrap();
        let key = IdempotencyKey::parse(&format!("key-{key}")).unwrap();
        OrderId::derive(&product, Tag::of(&product), 1, &user, &key)
    }

    pub fn hashes(ids: &[OrderId]) -> Box<[u64]> {
        let mut hashes: Box<[u64]> = ids.iter().map(|id| id.hash_bits()).collect();
        hashes.sort_unstable();
        hashes
    }

    fn refusals() -> SaleRefusals {
        let product = ProductId::parse("product").unwrap();
        let keys = SaleKeys::new(&product, Tag::of(&product), 1, OptionalKeys::default());
        let high_water_mark = Arc::new(HighWaterMark::new(SequenceNumber::default()));
        SaleRefusals::new(keys, Timestamp::UNIX_EPOCH, high_water_mark)
    }

    #[test]
    fn a_cached_refusal_applies_until_its_lease_expires_to_all_but_known_orders() {
        let refusals = refusals();
        let now = BootInstant::now();
        assert!(refusals.current(now).is_none());
        let until = now + Duration::from_millis(10);
        let share = MemoryShare::take(&Arc::default(), 1, 1).unwrap();
        let orders = KnownOrders::new(hashes(&[id(1)]), VERSION, share);
        refusals.set(CachedRefusal {
            reason: RefusalReason::SoldOut,
            until,
            orders: Some(Arc::new(orders)),
        });
        let refusal = refusals.last().unwrap();
        assert!(refusal.refuses(id(2)) && !refusal.refuses(id(1)));
        assert!(refusals.current(now).is_some());
        assert!(refusals.current(until).is_none());
        refusals.clear_expired(until);
        assert!(refusals.last().is_some());
        refusals.clear_expired(until + Duration::from_nanos(1));
        assert!(refusals.last().is_none());
    }

    #[test]
    fn one_task_renews_at_a_time_and_none_before_the_orders_may_be_read_again() {
        let refusals = refusals();
        let now = BootInstant::now();
        let later = now + Duration::from_secs(1);
        assert!(refusals.begin_renewal(now));
        assert!(!refusals.begin_renewal(now), "a renewal is running");
        refusals.end_renewal();
        assert!(refusals.may_read_orders(now, later));
        assert!(!refusals.may_read_orders(now, later), "just read");
        assert!(!refusals.begin_renewal(now), "a lease needs the orders");
        assert!(refusals.begin_renewal(later));
    }
}
