use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use fluxgate_core::ids::OrderId;

use crate::clock::Moment;
use crate::stock::Number;

/// The door of a sale, as one copy sees it: perhaps with a sign that nobody comes in for a while.
#[derive(Debug, Default)]
pub struct Door {
    sign: ArcSwapOption<Sign>,
    /// Whether somebody is about to hang a new sign.
    busy: AtomicBool,
}

/// A sign, and whom it does not concern.
#[derive(Debug)]
pub struct Sign {
    /// What it says.
    pub why: Closure,
    /// When it counts no longer.
    pub until: Moment,
    /// The orders that there are. Whoever asks for one of them is let through to Redis. None before a
    /// sale opens: nobody has one then.
    pub orders: Option<Arc<Orders>>,
}

impl Sign {
    /// Whether it turns away whoever asks for this order.
    pub fn concerns(&self, order: OrderId) -> bool {
        !self
            .orders
            .as_ref()
            .is_some_and(|orders| orders.may_have(order))
    }
}

/// Why nothing is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closure {
    /// The sale opens when the sign ends.
    NotOpen,
    /// Everything is sold.
    SoldOut,
    /// The sale is over.
    Closed,
}

/// The orders of a sale at a moment after which none was taken.
#[derive(Debug)]
pub struct Orders {
    /// Hashes, in order. Two orders with one hash only let a stranger through to Redis.
    hashes: Box<[u64]>,
    /// The number at which they were read.
    pub number: Number,
    /// When they were.
    pub read_at: Moment,
    /// Counts them as long as they are kept.
    kept: Arc<AtomicUsize>,
}

impl Door {
    /// The sign, if it still hangs at `now`.
    pub fn sign(&self, now: Moment) -> Option<arc_swap::Guard<Option<Arc<Sign>>>> {
        let sign = self.sign.load();
        let hangs = sign.as_ref().is_some_and(|sign| now < sign.until);
        hangs.then_some(sign)
    }

    /// The last sign, even if it hangs no more.
    pub fn last_sign(&self) -> Option<Arc<Sign>> {
        self.sign.load_full()
    }

    /// Puts another sign in place of the last.
    pub fn hang(&self, sign: Sign) {
        self.sign.store(Some(Arc::new(sign)));
    }

    /// Takes the sign down, if there is one.
    pub fn clear(&self) {
        self.sign.store(None);
    }

    /// Whether the caller is the one to look after the sign now; then it must call [`Self::leave`].
    pub fn enter(&self) -> bool {
        !self.busy.swap(true, Ordering::Acquire)
    }

    /// Lets the next one look after the sign.
    pub fn leave(&self) {
        self.busy.store(false, Ordering::Release);
    }
}

impl Orders {
    /// Orders that were read from `number` on, counted in `kept` as long as they are kept.
    pub fn new(ids: &[OrderId], number: Number, read_at: Moment, kept: Arc<AtomicUsize>) -> Self {
        let mut hashes: Box<[u64]> = ids.iter().map(|id| id.hash_bits()).collect();
        hashes.sort_unstable();
        kept.fetch_add(hashes.len(), Ordering::Relaxed);
        Self {
            hashes,
            number,
            read_at,
            kept,
        }
    }

    /// Whether this may be one of them.
    pub fn may_have(&self, id: OrderId) -> bool {
        self.hashes.binary_search(&id.hash_bits()).is_ok()
    }

    /// How long it is not worth to read them again, which takes some of Redis's time.
    pub fn rest(&self) -> Duration {
        const REST_EACH: Duration = Duration::from_micros(20);
        REST_EACH * u32::try_from(self.hashes.len()).unwrap_or(u32::MAX)
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        self.kept.fetch_sub(self.hashes.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fluxgate_core::ids::{IdempotencyKey, ProductId, Tag, UserId};

    fn id(key: usize) -> OrderId {
        let product = ProductId::parse("door").unwrap();
        let user = UserId::parse("user").unwrap();
        let key = IdempotencyKey::parse(&format!("key-{key}")).unwrap();
        OrderId::derive(&product, Tag::of(&product), 1, &user, &key)
    }

    #[test]
    fn orders_know_themselves_and_are_counted_while_they_are_kept() {
        let kept = Arc::new(AtomicUsize::new(0));
        let ids: Vec<_> = (0..100).map(id).collect();
        let orders = Orders::new(&ids, Number::default(), Moment::now(), Arc::clone(&kept));
        assert!(ids.iter().all(|id| orders.may_have(*id)));
        assert!(!orders.may_have(id(100)));
        assert_eq!(kept.load(Ordering::Relaxed), 100);
        drop(orders);
        assert_eq!(kept.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_sign_hangs_until_its_time() {
        let door = Door::default();
        let (now, kept) = (Moment::now(), Arc::default());
        assert!(door.sign(now).is_none());
        let until = now + Duration::from_millis(10);
        let orders = Arc::new(Orders::new(&[id(1)], Number::default(), now, kept));
        door.hang(Sign {
            why: Closure::SoldOut,
            until,
            orders: Some(orders),
        });
        let sign = door.last_sign().unwrap();
        assert!(sign.concerns(id(2)) && !sign.concerns(id(1)));
        assert!(door.sign(now).is_some());
        assert!(door.sign(until).is_none());
    }
}
