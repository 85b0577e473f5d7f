use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fluxgate_domain::ids::OrderId;
use fluxgate_gate::OrdersVersion;

/// The orders of a sale at a moment after which none was taken.
#[derive(Debug)]
pub struct KnownOrders {
    /// Sorted. Two orders with the same hash only cost a call to Redis.
    hashes: Box<[u64]>,
    /// What was read.
    pub version: OrdersVersion,
    _share: MemoryShare,
}

/// A share of the orders that an instance may keep in memory; returned when it is dropped.
#[derive(Debug)]
pub struct MemoryShare {
    used: Arc<AtomicUsize>,
    orders: usize,
}

impl KnownOrders {
    /// The orders of this version, as sorted hashes.
    pub fn new(hashes: Box<[u64]>, version: OrdersVersion, share: MemoryShare) -> Self {
        Self {
            hashes,
            version,
            _share: share,
        }
    }

    /// Whether `id` may be one of them.
    pub fn may_contain(&self, id: OrderId) -> bool {
        self.hashes.binary_search(&id.hash_bits()).is_ok()
    }
}

impl MemoryShare {
    /// Takes a share of `orders`; `None` if that and what is in `used` exceeds `max`.
    pub fn take(used: &Arc<AtomicUsize>, orders: usize, max: usize) -> Option<Self> {
        let before = used.fetch_add(orders, Ordering::Relaxed);
        let share = Self {
            used: Arc::clone(used),
            orders,
        };
        (before.saturating_add(orders) <= max).then_some(share)
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.used.fetch_sub(self.orders, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::sale_refusals::tests::{VERSION, hashes, id};
    use super::*;

    #[test]
    fn known_orders_are_found_and_use_memory_until_they_are_dropped() {
        let used = Arc::default();
        let share = |n| MemoryShare::take(&used, n, 100);
        let ids: Vec<_> = (0..60).map(id).collect();
        let orders = KnownOrders::new(hashes(&ids), VERSION, share(60).unwrap());
        assert!(ids.iter().all(|id| orders.may_contain(*id)));
        assert!(!orders.may_contain(id(100)));
        assert!(share(41).is_none());
        assert!(share(40).is_some());
        drop(orders);
        assert_eq!(used.load(Ordering::Relaxed), 0);
    }
}
