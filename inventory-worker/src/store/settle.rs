//! What a batch does, step by step, to orders and ledger. Pure.

use std::collections::{HashMap, HashSet};

use fluxgate_core::events::{OrderCancelled, OrderReserved, SaleClosed, SaleFenced, SaleRestocked};
use jiff::Timestamp;
use uuid::Uuid;

/// A ledger row while a batch is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Units for sale.
    pub total: i64,
    /// Units sold so far.
    pub sold: i64,
    /// The first epoch that is taken; what comes of an earlier one comes too late.
    pub fenced: u32,
    /// The offset of the opening, if it stands in this very batch.
    pub opened_at_offset: Option<i64>,
}

/// One record that changes orders or ledger.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub enum Step<'a> {
    Order(&'a OrderReserved),
    Cancel(&'a OrderCancelled),
    Restock(&'a SaleRestocked),
    Close(&'a SaleClosed),
    Fence(&'a SaleFenced),
}

/// What becomes of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has its units.
    Confirmed,
    /// It has a row that says why not.
    Rejected(&'static str),
    /// It had its units and gave them back, or gave them back before it was read.
    Cancelled,
}

impl Outcome {
    /// As the column `status` has it.
    pub fn status(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Rejected(_) => "rejected",
            Self::Cancelled => "cancelled",
        }
    }

    /// As the column `reason` has it.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Rejected(reason) => Some(reason),
            Self::Confirmed | Self::Cancelled => None,
        }
    }
}

/// What PostgreSQL has already of what the batch speaks of.
#[derive(Debug, Default)]
pub struct Known {
    /// Orders with a row.
    pub orders: HashMap<Uuid, KnownOrder>,
    /// Changes of sales, by product and change id.
    pub changes: HashSet<(String, String)>,
}

/// The row of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownOrder {
    /// It holds its units.
    Confirmed,
    /// It holds none. Its key may have been taken again since, by a sale rebuilt without it.
    Rejected {
        /// The epoch it was of.
        epoch: u32,
    },
    /// It holds none any more.
    Cancelled,
}

/// What a batch does to one ledger row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Units confirmed, less those given back.
    pub units: i64,
    /// Units added to the total.
    pub added: i64,
    /// Orders written, rejected and cancelled ones too.
    pub orders: i64,
    /// The highest number, `epoch << 32 | sequence`.
    pub highest: i64,
    /// When the sale was ended by hand.
    pub closed_at: Option<Timestamp>,
    /// The first epoch that is taken from now on; 0 where that does not change.
    pub fenced: u32,
}

/// A row to be written for an order, in place of the one that says it was rejected, if there is.
#[derive(Debug, Clone, Copy)]
pub struct NewOrder<'a> {
    /// The order.
    pub order: &'a OrderReserved,
    /// What became of it.
    pub outcome: Outcome,
    /// The number of its cancel.
    pub cancel_number: Option<i64>,
}

/// A row to be written for a change of a sale.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct NewChange<'a> {
    pub product: &'a str,
    pub id: String,
    pub kind: &'static str,
    pub units: i64,
    pub epoch: u32,
    pub sequence: u32,
    pub at: Timestamp,
}

/// Everything that a batch writes.
#[derive(Debug, Default)]
pub struct Settlement<'a> {
    /// Orders that get a row.
    pub orders: Vec<NewOrder<'a>>,
    /// Orders that had a row and are cancelled now, with the number of the cancel.
    pub cancelled: Vec<(Uuid, i64)>,
    /// Changes that get a row.
    pub changes: Vec<NewChange<'a>>,
    /// What is counted, by product.
    pub counts: HashMap<String, Count>,
    /// Records whose order or change was there already.
    pub duplicates: u64,
    /// Changes that are not made.
    pub refused: Vec<RefusedChange<'a>>,
}

/// A change that is not made, but becomes a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct RefusedChange<'a> {
    pub offset: i64,
    pub product: &'a str,
    pub reason: &'static str,
}

const UNKNOWN_SALE: &str = "unknown_sale: the ledger has no such sale";
const FENCED: &str = "fenced: it is of an epoch before the sale was rebuilt";

/// Takes each step in offset order. Steps of one product share a partition, so that is the order
/// in which the room they use was made.
pub fn settle<'a>(
    steps: &[(i64, Step<'a>)],
    known: &mut Known,
    rooms: &mut HashMap<String, Room>,
) -> Settlement<'a> {
    let mut settling = Settling {
        known,
        rooms,
        written: HashMap::new(),
        done: Settlement::default(),
    };
    for &(offset, step) in steps {
        match step {
            Step::Order(order) => settling.order(offset, order),
            Step::Cancel(cancel) => settling.cancel(offset, cancel),
            Step::Restock(restock) => settling.restock(offset, restock),
            Step::Close(close) => settling.close(offset, close),
            Step::Fence(fence) => settling.fence(offset, fence),
        }
    }
    settling.done
}

struct Settling<'a, 'k> {
    known: &'k mut Known,
    rooms: &'k mut HashMap<String, Room>,
    /// Orders of this batch, by their place in `done.orders`.
    written: HashMap<Uuid, usize>,
    done: Settlement<'a>,
}

impl<'a> Settling<'a, '_> {
    fn order(&mut self, offset: i64, order: &'a OrderReserved) {
        match self.known.orders.get(&order.order_id.as_uuid()) {
            None => {}
            Some(KnownOrder::Rejected { epoch }) if *epoch < order.epoch => {}
            Some(_) => {
                self.done.duplicates += 1;
                return;
            }
        }
        let units = i64::from(order.quantity);
        let outcome = match self.room(offset, order.product_id.as_str()) {
            None => Outcome::Rejected("unknown_sale"),
            Some(room) if order.epoch < room.fenced => Outcome::Rejected("fenced"),
            Some(room) if room.sold + units > room.total => Outcome::Rejected("oversold"),
            Some(room) => {
                room.sold += units;
                Outcome::Confirmed
            }
        };
        self.write(offset, order, outcome, None);
    }

    fn cancel(&mut self, offset: i64, cancel: &'a OrderCancelled) {
        let order = &cancel.order;
        let (id, product) = (order.order_id.as_uuid(), order.product_id.as_str());
        let number = number(cancel.cancel_epoch, cancel.cancel_sequence);
        let known = self.known.orders.get(&id).copied();
        if known == Some(KnownOrder::Cancelled) {
            self.done.duplicates += 1;
            return;
        }
        if self.is_fenced(offset, product, cancel.cancel_epoch) {
            return self.refuse(offset, product, FENCED);
        }
        let held = match known {
            // Read before its order: the order will be the duplicate.
            None => return self.write(offset, order, Outcome::Cancelled, Some(number)),
            Some(KnownOrder::Confirmed) => i64::from(order.quantity),
            Some(KnownOrder::Rejected { .. } | KnownOrder::Cancelled) => 0,
        };
        self.known.orders.insert(id, KnownOrder::Cancelled);
        if let Some(&at) = self.written.get(&id) {
            let row = &mut self.done.orders[at];
            row.outcome = Outcome::Cancelled;
            row.cancel_number = Some(number);
        } else {
            self.done.cancelled.push((id, number));
        }
        if let Some(room) = self.room(offset, product) {
            room.sold -= held;
            let count = self.count(product, number);
            count.units -= held;
        }
    }

    fn restock(&mut self, offset: i64, restock: &'a SaleRestocked) {
        let units = i64::from(restock.quantity);
        let change = NewChange {
            product: restock.product_id.as_str(),
            id: restock.restock_id.to_string(),
            kind: "restock",
            units,
            epoch: restock.epoch,
            sequence: restock.sequence,
            at: restock.restocked_at,
        };
        if let Some((room, count)) = self.change(offset, change) {
            room.total += units;
            count.added += units;
        }
    }

    fn close(&mut self, offset: i64, close: &'a SaleClosed) {
        let change = NewChange {
            product: close.product_id.as_str(),
            id: "close".to_owned(),
            kind: "close",
            units: 0,
            epoch: close.epoch,
            sequence: close.sequence,
            at: close.closed_at,
        };
        if let Some((_, count)) = self.change(offset, change) {
            count.closed_at = Some(close.closed_at);
        }
    }

    fn fence(&mut self, offset: i64, fence: &'a SaleFenced) {
        let product = fence.product_id.as_str();
        let Some(room) = self.room(offset, product) else {
            return self.refuse(offset, product, UNKNOWN_SALE);
        };
        if fence.epoch <= room.fenced {
            self.done.duplicates += 1;
            return;
        }
        room.fenced = fence.epoch;
        self.count(product, number(fence.epoch, 0)).fenced = fence.epoch;
    }

    fn is_fenced(&mut self, offset: i64, product: &str, epoch: u32) -> bool {
        let room = self.room(offset, product);
        room.is_some_and(|room| epoch < room.fenced)
    }

    fn refuse(&mut self, offset: i64, product: &'a str, reason: &'static str) {
        self.done.refused.push(RefusedChange {
            offset,
            product,
            reason,
        });
    }

    /// Notes a change of a sale; what it changes, if it is new.
    fn change(&mut self, offset: i64, change: NewChange<'a>) -> Option<(&mut Room, &mut Count)> {
        let product = change.product;
        if self.room(offset, product).is_none() {
            self.refuse(offset, product, UNKNOWN_SALE);
            return None;
        }
        let id = (product.to_owned(), change.id.clone());
        if self.known.changes.contains(&id) {
            self.done.duplicates += 1;
            return None;
        }
        if self.is_fenced(offset, product, change.epoch) {
            self.refuse(offset, product, FENCED);
            return None;
        }
        self.known.changes.insert(id);
        self.count(product, number(change.epoch, change.sequence));
        self.done.changes.push(change);
        let count = self.done.counts.get_mut(product)?;
        self.rooms.get_mut(product).map(|room| (room, count))
    }

    fn write(
        &mut self,
        offset: i64,
        order: &'a OrderReserved,
        outcome: Outcome,
        cancel_number: Option<i64>,
    ) {
        let (id, product) = (order.order_id.as_uuid(), order.product_id.as_str());
        let known = match outcome {
            Outcome::Confirmed => KnownOrder::Confirmed,
            Outcome::Rejected(_) => KnownOrder::Rejected { epoch: order.epoch },
            Outcome::Cancelled => KnownOrder::Cancelled,
        };
        let is_first = self.known.orders.insert(id, known).is_none();
        let row = NewOrder {
            order,
            outcome,
            cancel_number,
        };
        match self.written.get(&id) {
            Some(&at) => self.done.orders[at] = row,
            None => {
                self.written.insert(id, self.done.orders.len());
                self.done.orders.push(row);
            }
        }
        if self.room(offset, product).is_some() {
            let own = number(order.epoch, order.sequence);
            let count = self.count(product, own.max(cancel_number.unwrap_or_default()));
            count.orders += i64::from(is_first);
            if outcome == Outcome::Confirmed {
                count.units += i64::from(order.quantity);
            }
        }
    }

    /// The ledger row of a product, unless it opens later in this batch.
    fn room(&mut self, offset: i64, product: &str) -> Option<&mut Room> {
        self.rooms
            .get_mut(product)
            .filter(|room| room.opened_at_offset.is_none_or(|opened| opened < offset))
    }

    fn count(&mut self, product: &str, number: i64) -> &mut Count {
        let count = self.done.counts.entry(product.to_owned()).or_default();
        count.highest = count.highest.max(number);
        count
    }
}

/// Both halves of a number in one, whose order is the order of the numbers.
pub fn number(epoch: u32, sequence: u32) -> i64 {
    i64::from(epoch) << 32 | i64::from(sequence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fluxgate_core::events::Event;
    use fluxgate_core::ids::{IdempotencyKey, OrderId, ProductId, RestockId, Tag, UserId};
    use proptest::prelude::*;

    fn product() -> ProductId {
        ProductId::parse("p").unwrap()
    }

    fn key(n: u32) -> IdempotencyKey {
        IdempotencyKey::parse(&n.to_string()).unwrap()
    }

    /// The same key is the same order, so it has the same quantity and number.
    fn order(n: u32) -> OrderReserved {
        let user = UserId::parse("u").unwrap();
        OrderReserved {
            order_id: OrderId::derive(&product(), Tag::of(&product()), 1, &user, &key(n)),
            product_id: product(),
            user_id: user,
            quantity: i64::from(1 + n % 4).try_into().unwrap(),
            epoch: 1,
            sequence: n,
            placed_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn cancel(n: u32) -> Event {
        Event::OrderCancelled(OrderCancelled {
            order: order(n),
            cancel_epoch: 1,
            cancel_sequence: 100 + n,
            cancelled_at: Timestamp::UNIX_EPOCH,
        })
    }

    fn restock(n: u32) -> Event {
        Event::SaleRestocked(SaleRestocked {
            product_id: product(),
            restock_id: RestockId::derive(&product(), &key(n)),
            quantity: i64::from(1 + n).try_into().unwrap(),
            epoch: 1,
            sequence: 200 + n,
            restocked_at: Timestamp::UNIX_EPOCH,
        })
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            6 => (0u32..30).prop_map(|n| Event::OrderReserved(order(n))),
            2 => (0u32..30).prop_map(cancel),
            1 => (0u32..4).prop_map(restock),
            1 => (1u32..3).prop_map(fence),
        ]
    }

    fn step(event: &Event) -> Step<'_> {
        match event {
            Event::OrderReserved(order) => Step::Order(order),
            Event::OrderCancelled(cancel) => Step::Cancel(cancel),
            Event::SaleRestocked(restock) => Step::Restock(restock),
            Event::SaleClosed(close) => Step::Close(close),
            Event::SaleFenced(fence) => Step::Fence(fence),
            Event::SaleOpened(_) => unreachable!("openings are no steps"),
        }
    }

    fn room(total: i64) -> HashMap<String, Room> {
        let room = Room {
            total,
            sold: 0,
            fenced: 0,
            opened_at_offset: None,
        };
        HashMap::from([("p".to_owned(), room)])
    }

    /// Settles in batches of `size`, keeping what was written between them: each order's last
    /// status, and the ledger.
    fn in_batches(
        events: &[Event],
        size: usize,
        total: i64,
    ) -> (HashMap<Uuid, Outcome>, i64, i64, i64) {
        let (mut rooms, mut known, mut rows) = (room(total), Known::default(), HashMap::new());
        let (mut sold, mut total, mut written) = (0, total, 0);
        let steps: Vec<_> = (0..).zip(events.iter().map(step)).collect();
        for batch in steps.chunks(size) {
            let done = settle(batch, &mut known, &mut rooms);
            for row in &done.orders {
                rows.insert(row.order.order_id.as_uuid(), row.outcome);
            }
            for (id, _) in &done.cancelled {
                rows.insert(*id, Outcome::Cancelled);
            }
            if let Some(count) = done.counts.get("p") {
                sold += count.units;
                total += count.added;
                written += count.orders;
            }
            assert!(0 <= sold && sold <= total, "{sold} of {total}");
            let room = rooms["p"];
            assert_eq!((room.sold, room.total), (sold, total));
        }
        (rows, sold, total, written)
    }

    proptest! {
        #[test]
        fn the_outcome_does_not_depend_on_how_the_log_was_batched(
            events in prop::collection::vec(event(), 0..80),
            size in 1usize..20,
            total in 1i64..40,
        ) {
            prop_assert_eq!(in_batches(&events, size, total), in_batches(&events, 1, total));
        }

        #[test]
        fn a_log_read_twice_counts_once(
            events in prop::collection::vec(event(), 0..40),
            total in 1i64..40,
        ) {
            let twice: Vec<_> = events.iter().chain(&events).cloned().collect();
            prop_assert_eq!(in_batches(&twice, 7, total), in_batches(&events, 7, total));
        }
    }

    #[test]
    fn a_cancel_that_is_read_first_leaves_its_order_a_duplicate() {
        let (mut rooms, mut known) = (room(1), Known::default());
        let (cancel, order) = (cancel(4), order(4));
        let steps = [(0, step(&cancel)), (1, Step::Order(&order))];
        let done = settle(&steps, &mut known, &mut rooms);
        assert_eq!(done.orders.len(), 1);
        assert_eq!(done.orders[0].outcome, Outcome::Cancelled);
        assert_eq!((done.duplicates, rooms["p"].sold), (1, 0));
    }

    fn fence(epoch: u32) -> Event {
        Event::SaleFenced(SaleFenced {
            product_id: product(),
            epoch,
            fenced_at: Timestamp::UNIX_EPOCH,
        })
    }

    #[test]
    fn behind_a_fence_nothing_of_an_earlier_epoch_is_taken() {
        let (early, late) = (order(1), order(2));
        let (fence, cancel, restock) = (fence(2), cancel(1), restock(1));
        let again = OrderReserved {
            epoch: 2,
            sequence: 1,
            ..order(2)
        };
        let steps = [
            (0, Step::Order(&early)),
            (1, step(&fence)),
            (2, Step::Order(&early)), // a duplicate, fence or not
            (3, Step::Order(&late)),
            (4, step(&cancel)),
            (5, step(&restock)),
            (6, Step::Order(&again)), // its key is taken again, in the rebuilt sale
        ];
        for size in 1..=steps.len() {
            let (mut rooms, mut known) = (room(10), Known::default());
            let (mut rows, mut refused, mut orders) = (HashMap::new(), Vec::new(), 0);
            for batch in steps.chunks(size) {
                let done = settle(batch, &mut known, &mut rooms);
                for row in &done.orders {
                    rows.insert(row.order.order_id.as_uuid(), (row.outcome, row.order.epoch));
                }
                refused.extend(done.refused.iter().map(|r| (r.offset, r.reason)));
                orders += done.counts.get("p").map_or(0, |count| count.orders);
            }
            let row = |n| rows[&order(n).order_id.as_uuid()];
            assert_eq!(row(1), (Outcome::Confirmed, 1), "batches of {size}");
            assert_eq!(row(2), (Outcome::Confirmed, 2), "batches of {size}");
            assert_eq!(refused, [(4, FENCED), (5, FENCED)]);
            assert_eq!((orders, rooms["p"].sold, rooms["p"].fenced), (2, 5, 2));
        }
    }

    #[test]
    fn what_stands_before_the_opening_is_of_no_known_sale() {
        let (early, late, restock) = (order(1), order(2), restock(1));
        let mut rooms = room(10);
        rooms.get_mut("p").unwrap().opened_at_offset = Some(5);
        let steps = [
            (3, step(&restock)),
            (4, Step::Order(&early)),
            (6, Step::Order(&late)),
        ];
        let done = settle(&steps, &mut Known::default(), &mut rooms);
        let refused: Vec<_> = done.refused.iter().map(|r| (r.offset, r.reason)).collect();
        assert_eq!(refused, [(3, UNKNOWN_SALE)]);
        assert_eq!(done.orders[0].outcome, Outcome::Rejected("unknown_sale"));
        assert_eq!(done.orders[1].outcome, Outcome::Confirmed);
        let orders = done.counts["p"].orders;
        assert_eq!(orders, 1, "only orders of a known sale are counted");
    }
}
