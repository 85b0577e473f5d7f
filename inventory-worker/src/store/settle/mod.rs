//! What a batch does, step by step, to orders and ledger. Pure.

mod known;
mod settlement;
#[cfg(test)]
mod tests;

pub use known::{Known, KnownOrder, Room};
pub use settlement::{Count, NewChange, NewOrder, Outcome, RefusedChange, Settlement};

use std::collections::HashMap;

use fluxgate_domain::events::{
    OrderCancelled, OrderReserved, SaleClosed, SaleFenced, SaleRestocked,
};
use uuid::Uuid;

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
