use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

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
    /// Before this moment nobody asks for a new sign.
    quiet_until: AtomicU64,
    /// Before this moment nobody reads the orders again.
    unread_until: AtomicU64,
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

/// Why nothing is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closure {
    /// The sale opens after the sign ends.
    NotOpen {
        /// When, at the earliest.
        opens_at: Moment,
    },
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
    _room: Room,
}

/// Room for orders in memory, given back when it is dropped.
#[derive(Debug)]
pub struct Room {
    taken: Arc<AtomicUsize>,
    orders: usize,
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

    /// Takes the sign down, if there is one, and forgets its orders.
    pub fn clear(&self) {
        self.sign.store(None);
    }

    /// Takes a sign down that ran out before `then`: nobody has come since.
    pub fn clear_idle(&self, then: Moment) {
        if self.last_sign().is_some_and(|sign| sign.until < then) {
            self.clear();
        }
    }

    /// Whether the caller is the one to look after the sign now; then it must call [`Self::leave`].
    pub fn enter(&self, now: Moment) -> bool {
        now.as_nanos() >= self.quiet_until.load(Ordering::Relaxed)
            && !self.busy.swap(true, Ordering::Acquire)
    }

    /// Lets the next one look after the sign.
    pub fn leave(&self) {
        self.busy.store(false, Ordering::Release);
    }

    /// Lets nobody look after the sign for a while.
    pub fn be_quiet(&self, until: Moment) {
        self.quiet_until.store(until.as_nanos(), Ordering::Relaxed);
    }

    /// Whether the orders may be read at `now`; if so, not again before `again`. If not, nobody asks
    /// before they may.
    pub fn may_read(&self, now: Moment, again: Moment) -> bool {
        let unread_until = self.unread_until.load(Ordering::Relaxed);
        if now.as_nanos() < unread_until {
            self.quiet_until.store(unread_until, Ordering::Relaxed);
            return false;
        }
        self.unread_until.store(again.as_nanos(), Ordering::Relaxed);
        true
    }
}

impl Sign {
    /// Whether it turns away whoever asks for this order.
    pub fn concerns(&self, order: OrderId) -> bool {
        let orders = self.orders.as_ref();
        !orders.is_some_and(|orders| orders.may_have(order))
    }
}

impl Orders {
    /// Orders that were read from `number` on.
    pub fn new(ids: &[OrderId], number: Number, room: Room) -> Self {
        let mut hashes: Box<[u64]> = ids.iter().map(|id| id.hash_bits()).collect();
        hashes.sort_unstable();
        Self {
            hashes,
            number,
            _room: room,
        }
    }

    /// Whether this may be one of them.
    pub fn may_have(&self, id: OrderId) -> bool {
        self.hashes.binary_search(&id.hash_bits()).is_ok()
    }
}

impl Room {
    /// Room for so many orders, unless more than `max` were kept then, with those in `taken`.
    pub fn take(taken: &Arc<AtomicUsize>, orders: usize, max: usize) -> Option<Self> {
        let before = taken.fetch_add(orders, Ordering::Relaxed);
        let room = Self {
            taken: Arc::clone(taken),
            orders,
        };
        (before.saturating_add(orders) <= max).then_some(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.orders, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use fluxgate_core::ids::{IdempotencyKey, ProductId, Tag, UserId};

    fn id(key: usize) -> OrderId {
        let product = ProductId::parse("door").unwrap();
        let user = UserId::parse("user").unwrap();
        let key = IdempotencyKey::parse(&format!("key-{key}")).unwrap();
        OrderId::derive(&product, Tag::of(&product), 1, &user, &key)
    }

    #[test]
    fn orders_know_themselves_and_take_room_while_they_are_kept() {
        let taken = Arc::default();
        let room = |n| Room::take(&taken, n, 100);
        let ids: Vec<_> = (0..60).map(id).collect();
        let orders = Orders::new(&ids, Number::default(), room(60).unwrap());
        assert!(ids.iter().all(|id| orders.may_have(*id)));
        assert!(!orders.may_have(id(100)));
        assert!(room(41).is_none());
        assert!(room(40).is_some());
        drop(orders);
        assert_eq!(taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_sign_hangs_until_its_time_for_all_but_those_who_have_an_order() {
        let door = Door::default();
        let now = Moment::now();
        assert!(door.sign(now).is_none());
        let until = now + Duration::from_millis(10);
        let room = Room::take(&Arc::default(), 1, 1).unwrap();
        let orders = Arc::new(Orders::new(&[id(1)], Number::default(), room));
        door.hang(Sign {
            why: Closure::SoldOut,
            until,
            orders: Some(orders),
        });
        let sign = door.last_sign().unwrap();
        assert!(sign.concerns(id(2)) && !sign.concerns(id(1)));
        assert!(door.sign(now).is_some());
        assert!(door.sign(until).is_none());
        door.clear_idle(until);
        assert!(door.last_sign().is_some());
        door.clear_idle(until + Duration::from_nanos(1));
        assert!(door.last_sign().is_none());
    }

    #[test]
    fn one_looks_after_the_sign_and_nobody_in_times_of_quiet() {
        let door = Door::default();
        let now = Moment::now();
        let later = now + Duration::from_secs(1);
        assert!(door.enter(now));
        assert!(!door.enter(now), "somebody does");
        door.leave();
        assert!(door.may_read(now, later));
        assert!(!door.may_read(now, later), "they were read just now");
        assert!(!door.enter(now), "asking would be in vain");
        assert!(door.enter(later));
    }
}
