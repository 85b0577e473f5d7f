//! What a batch does to orders, ledger and number series: every decision, no SQL.
//!
//! `fluxgate-ledger` reads and locks the rows before. On its fast path it reads only the orders that a batch changes, and
//! all others are taken as new.

mod applied_batch;
mod existing_rows;
mod operation;
mod sales;
#[cfg(test)]
mod tests;

pub use applied_batch::{
    AppliedBatch, ChangeKind, LedgerDelta, NewChange, NewOrder, Outcome, RejectReason, SeriesDelta,
};
pub use existing_rows::{ExistingOrder, ExistingRows, Headroom};
pub use operation::Operation;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::batch::PartitionOffset;
use crate::events::{
    OrderCancelled, OrderReserved, SaleAmended, SaleClosed, SaleFenced, SaleRestocked,
};
use crate::ids::{OrderId, ProductId};
use crate::{OrderStatus, SequenceNumber};
use sales::{Sale, Sales};

const UNKNOWN_SALE: &str = "unknown_sale: the ledger has no such sale";
const FOREIGN_PARTITION: &str = "foreign_partition: its sale is on another partition";
const FENCED: &str = "fenced: its epoch is below the fence of a rebuilt sale";

/// Applies operations in offset order. A sale stays on one partition, so each order comes after the operations that made
/// room for it; what is on another partition is refused, because there nothing is known about that order.
///
/// `existing` and `headroom` hold the rows as PostgreSQL has them; afterwards, as the batch leaves them. An order that is
/// not in `existing` is taken as new.
pub fn apply<'a>(
    operations: &[(PartitionOffset, Operation<'a>)],
    existing: &mut ExistingRows,
    headroom: &mut HashMap<ProductId, Headroom>,
) -> AppliedBatch<'a> {
    let mut sales = Sales::default();
    existing.orders.reserve(operations.len());
    let mut application = Application {
        existing,
        new_orders: HashMap::with_capacity(operations.len()),
        applied: AppliedBatch {
            orders: Vec::with_capacity(operations.len()),
            ..AppliedBatch::default()
        },
    };
    for &(at, operation) in operations {
        let sale = sales.of(operation.product(), headroom);
        let mut partitions = [sale.partition(), operation.partition()]
            .into_iter()
            .flatten();
        if partitions.any(|partition| partition != at.partition) {
            application.refuse(at, FOREIGN_PARTITION);
            continue;
        }
        match operation {
            // Its ledger row is written before anything is applied.
            Operation::Open(_) => {}
            Operation::Order(order) => application.order(at, sale, order),
            Operation::Cancel(cancel) => application.cancel(at, sale, cancel),
            Operation::Restock(restock) => application.restock(at, sale, restock),
            Operation::Amend(amended) => application.amend(at, sale, amended),
            Operation::Close(close) => application.close(at, sale, close),
            Operation::Fence(fence) => application.fence(at, sale, fence),
        }
    }
    let mut applied = application.applied;
    sales.finish(&mut applied, headroom);
    applied
}

struct Application<'a, 'e> {
    existing: &'e mut ExistingRows,
    /// Orders of this batch, by their place in `applied.orders`.
    new_orders: HashMap<OrderId, usize>,
    applied: AppliedBatch<'a>,
}

impl<'a> Application<'a, '_> {
    fn order(&mut self, at: PartitionOffset, sale: &mut Sale<'a>, order: &'a OrderReserved) {
        if let Some(row) = self.existing.orders.get(&order.order_id) {
            let is_taken_again = row.status == OrderStatus::Rejected && row.epoch < order.epoch;
            if !is_taken_again {
                self.applied.duplicates += 1;
                return;
            }
        }
        let units = i64::from(order.quantity);
        let outcome = match sale.headroom(at) {
            None => Outcome::Rejected(RejectReason::UnknownSale),
            Some(row) if order.epoch < row.fenced_epoch => Outcome::Rejected(RejectReason::Fenced),
            Some(row) if row.sold + units > row.total => Outcome::Rejected(RejectReason::Oversold),
            Some(row) => {
                row.sold += units;
                Outcome::Confirmed
            }
        };
        self.write_order(at, sale, order, outcome, None);
    }

    fn cancel(&mut self, at: PartitionOffset, sale: &mut Sale<'a>, cancel: &'a OrderCancelled) {
        let (order, id) = (&cancel.order, cancel.order.order_id);
        let number = SequenceNumber::new(cancel.cancel_epoch, cancel.cancel_sequence);
        let status = self.existing.orders.get(&id).map(|row| row.status);
        if status == Some(OrderStatus::Cancelled) {
            self.applied.duplicates += 1;
            return;
        }
        if sale.is_fenced(at, number.epoch) {
            return self.refuse(at, FENCED);
        }
        let held = match status {
            // The cancel was read before its order; the order will then be the duplicate.
            None => return self.write_order(at, sale, order, Outcome::Cancelled, Some(number)),
            Some(OrderStatus::Confirmed) => i64::from(order.quantity),
            Some(_) => 0,
        };
        if let Some(row) = self.existing.orders.get_mut(&id) {
            row.status = OrderStatus::Cancelled;
        }
        if let Some(&row) = self.new_orders.get(&id) {
            let row = &mut self.applied.orders[row];
            row.outcome = Outcome::Cancelled;
            row.cancel_number = Some(number);
        } else {
            self.applied.cancelled.push((id, number));
        }
        if let Some(row) = sale.headroom(at) {
            row.sold -= held;
            sale.ledger.sold -= held;
            sale.count_number(number);
        }
    }

    fn restock(&mut self, at: PartitionOffset, sale: &mut Sale<'a>, restock: &'a SaleRestocked) {
        let units = i64::from(restock.quantity);
        let change = NewChange {
            product: &restock.product_id,
            id: restock.restock_id.to_string(),
            kind: ChangeKind::Restock,
            units,
            number: SequenceNumber::new(restock.epoch, restock.sequence),
            at: restock.restocked_at,
        };
        if let Some(row) = self.change(at, sale, change) {
            row.total += units;
            sale.ledger.total += units;
        }
    }

    fn amend(&mut self, at: PartitionOffset, sale: &mut Sale<'a>, amended: &'a SaleAmended) {
        let number = amended.number();
        let change = NewChange {
            product: &amended.product_id,
            id: format!("amend:{number}"),
            kind: ChangeKind::Amend,
            units: 0,
            number,
            at: amended.amended_at,
        };
        if self.change(at, sale, change).is_some() {
            let amendments = &mut self.applied.amendments;
            let highest = amendments.entry(&amended.product_id).or_insert(amended);
            if highest.number() < number {
                *highest = amended;
            }
        }
    }

    fn close(&mut self, at: PartitionOffset, sale: &mut Sale<'a>, close: &'a SaleClosed) {
        let change = NewChange {
            product: &close.product_id,
            id: "close".to_owned(),
            kind: ChangeKind::Close,
            units: 0,
            number: SequenceNumber::new(close.epoch, close.sequence),
            at: close.closed_at,
        };
        if self.change(at, sale, change).is_some() {
            sale.ledger.closed_at = Some(close.closed_at);
        }
    }

    fn fence(&mut self, at: PartitionOffset, sale: &mut Sale<'a>, fence: &'a SaleFenced) {
        let epoch = fence.epoch;
        let Some(row) = sale.headroom(at) else {
            return self.refuse(at, UNKNOWN_SALE);
        };
        if epoch <= row.fenced_epoch {
            self.applied.duplicates += 1;
            return;
        }
        row.fenced_epoch = epoch;
        sale.ledger.fenced_epoch = epoch;
        sale.count_number(SequenceNumber::new(epoch, 0));
    }

    fn refuse(&mut self, at: PartitionOffset, reason: &'static str) {
        self.applied.refused.push((at, reason));
    }

    /// Writes a change; returns the ledger row of its sale, if the change is new and accepted.
    fn change<'s>(
        &mut self,
        at: PartitionOffset,
        sale: &'s mut Sale<'a>,
        change: NewChange<'a>,
    ) -> Option<&'s mut Headroom> {
        let number = change.number;
        if sale.headroom(at).is_none() {
            self.refuse(at, UNKNOWN_SALE);
            return None;
        }
        let id = (change.product.clone(), change.id.clone());
        if self.existing.changes.contains(&id) {
            self.applied.duplicates += 1;
            return None;
        }
        if sale.is_fenced(at, number.epoch) {
            self.refuse(at, FENCED);
            return None;
        }
        self.existing.changes.insert(id);
        sale.count_number(number);
        self.applied.changes.push(change);
        sale.headroom(at)
    }

    fn write_order(
        &mut self,
        at: PartitionOffset,
        sale: &mut Sale<'a>,
        order: &'a OrderReserved,
        outcome: Outcome,
        cancel_number: Option<SequenceNumber>,
    ) {
        let id = order.order_id;
        let row = ExistingOrder {
            status: outcome.status(),
            epoch: order.epoch,
        };
        let is_first = self.existing.orders.insert(id, row).is_none();
        let row = NewOrder {
            order,
            outcome,
            cancel_number,
        };
        match self.new_orders.entry(id) {
            Entry::Occupied(place) => self.applied.orders[*place.get()] = row,
            Entry::Vacant(place) => {
                place.insert(self.applied.orders.len());
                self.applied.orders.push(row);
            }
        }
        if sale.headroom(at).is_some() {
            let own = SequenceNumber::new(order.epoch, order.sequence);
            sale.count_number(own.max(cancel_number.unwrap_or_default()));
            sale.series.written += i64::from(is_first);
            if outcome == Outcome::Confirmed {
                sale.ledger.sold += i64::from(order.quantity);
            }
        }
    }
}
