//! What a batch does to orders, ledger and number series: every decision, no SQL.
//!
//! The fast path of `fluxgate-ledger` decides the common case, new orders that all fit, inside one statement. Every
//! other batch is decided here, operation by operation, against the rows that were read and locked before.

mod applied_batch;
mod existing_rows;
mod operation;
#[cfg(test)]
mod tests;

pub use applied_batch::{
    AppliedBatch, ChangeKind, LedgerDelta, NewChange, NewOrder, Outcome, RejectReason, SeriesDelta,
};
pub use existing_rows::{ExistingOrder, ExistingRows, Headroom};
pub use operation::Operation;

use std::collections::HashMap;

use crate::batch::PartitionOffset;
use crate::events::{OrderCancelled, OrderReserved, SaleClosed, SaleFenced, SaleRestocked};
use crate::ids::{OrderId, ProductId};
use crate::{NumberSeries, OrderStatus, SequenceNumber};

const UNKNOWN_SALE: &str = "unknown_sale: the ledger has no such sale";
const FOREIGN_PARTITION: &str = "foreign_partition: its sale is on another partition";
const FENCED: &str = "fenced: its epoch is below the fence of a rebuilt sale";

/// Applies operations in offset order. A sale stays on one partition, so each order comes after the operations that made
/// room for it; what is on another partition is refused, because there nothing is known about that order.
///
/// `existing` and `headroom` hold the rows as PostgreSQL has them; afterwards, as the batch leaves them.
pub fn apply<'a>(
    operations: &[(PartitionOffset, Operation<'a>)],
    existing: &mut ExistingRows,
    headroom: &mut HashMap<ProductId, Headroom>,
) -> AppliedBatch<'a> {
    let mut application = Application {
        existing,
        headroom,
        new_orders: HashMap::new(),
        applied: AppliedBatch::default(),
    };
    for &(at, operation) in operations {
        if application.is_foreign(at, operation) {
            application.refuse(at, FOREIGN_PARTITION);
            continue;
        }
        match operation {
            // Its ledger row is written before anything is applied.
            Operation::Open(_) => {}
            Operation::Order(order) => application.order(at, order),
            Operation::Cancel(cancel) => application.cancel(at, cancel),
            Operation::Restock(restock) => application.restock(at, restock),
            Operation::Close(close) => application.close(at, close),
            Operation::Fence(fence) => application.fence(at, fence),
        }
    }
    application.applied
}

struct Application<'a, 'e> {
    existing: &'e mut ExistingRows,
    headroom: &'e mut HashMap<ProductId, Headroom>,
    /// Orders of this batch, by their place in `applied.orders`.
    new_orders: HashMap<OrderId, usize>,
    applied: AppliedBatch<'a>,
}

impl<'a> Application<'a, '_> {
    /// Whether it is on another partition than its sale.
    fn is_foreign(&self, at: PartitionOffset, operation: Operation<'_>) -> bool {
        let sale = self.headroom.get(operation.product());
        let known = sale.map(|sale| sale.partition);
        [known, operation.partition()]
            .into_iter()
            .flatten()
            .any(|partition| partition != at.partition)
    }

    fn order(&mut self, at: PartitionOffset, order: &'a OrderReserved) {
        if let Some(row) = self.existing.orders.get(&order.order_id) {
            let is_taken_again = row.status == OrderStatus::Rejected && row.epoch < order.epoch;
            if !is_taken_again {
                self.applied.duplicates += 1;
                return;
            }
        }
        let units = i64::from(order.quantity);
        let outcome = match self.headroom(at, &order.product_id) {
            None => Outcome::Rejected(RejectReason::UnknownSale),
            Some(sale) if order.epoch < sale.fenced_epoch => {
                Outcome::Rejected(RejectReason::Fenced)
            }
            Some(sale) if sale.sold + units > sale.total => {
                Outcome::Rejected(RejectReason::Oversold)
            }
            Some(sale) => {
                sale.sold += units;
                Outcome::Confirmed
            }
        };
        self.write_order(at, order, outcome, None);
    }

    fn cancel(&mut self, at: PartitionOffset, cancel: &'a OrderCancelled) {
        let order = &cancel.order;
        let (id, product) = (order.order_id, &order.product_id);
        let number = SequenceNumber::new(cancel.cancel_epoch, cancel.cancel_sequence);
        let status = self.existing.orders.get(&id).map(|row| row.status);
        if status == Some(OrderStatus::Cancelled) {
            self.applied.duplicates += 1;
            return;
        }
        if self.is_fenced(at, product, number.epoch) {
            return self.refuse(at, FENCED);
        }
        let held = match status {
            // The cancel was read before its order; the order will then be the duplicate.
            None => return self.write_order(at, order, Outcome::Cancelled, Some(number)),
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
        if let Some(sale) = self.headroom(at, product) {
            sale.sold -= held;
            self.ledger(product).sold -= held;
            self.count_number(product, number);
        }
    }

    fn restock(&mut self, at: PartitionOffset, restock: &'a SaleRestocked) {
        let units = i64::from(restock.quantity);
        let change = NewChange {
            product: &restock.product_id,
            id: restock.restock_id.to_string(),
            kind: ChangeKind::Restock,
            units,
            number: SequenceNumber::new(restock.epoch, restock.sequence),
            at: restock.restocked_at,
        };
        if let Some((sale, delta)) = self.change(at, change) {
            sale.total += units;
            delta.total += units;
        }
    }

    fn close(&mut self, at: PartitionOffset, close: &'a SaleClosed) {
        let change = NewChange {
            product: &close.product_id,
            id: "close".to_owned(),
            kind: ChangeKind::Close,
            units: 0,
            number: SequenceNumber::new(close.epoch, close.sequence),
            at: close.closed_at,
        };
        if let Some((_, delta)) = self.change(at, change) {
            delta.closed_at = Some(close.closed_at);
        }
    }

    fn fence(&mut self, at: PartitionOffset, fence: &'a SaleFenced) {
        let (product, epoch) = (&fence.product_id, fence.epoch);
        let Some(sale) = self.headroom(at, product) else {
            return self.refuse(at, UNKNOWN_SALE);
        };
        if epoch <= sale.fenced_epoch {
            self.applied.duplicates += 1;
            return;
        }
        sale.fenced_epoch = epoch;
        self.ledger(product).fenced_epoch = epoch;
        self.count_number(product, SequenceNumber::new(epoch, 0));
    }

    fn is_fenced(&mut self, at: PartitionOffset, product: &ProductId, epoch: u32) -> bool {
        let sale = self.headroom(at, product);
        sale.is_some_and(|sale| epoch < sale.fenced_epoch)
    }

    fn refuse(&mut self, at: PartitionOffset, reason: &'static str) {
        self.applied.refused.push((at, reason));
    }

    /// Writes a change; returns what it changes, if the change is new and accepted.
    fn change(
        &mut self,
        at: PartitionOffset,
        change: NewChange<'a>,
    ) -> Option<(&mut Headroom, &mut LedgerDelta)> {
        let (product, number) = (change.product, change.number);
        if self.headroom(at, product).is_none() {
            self.refuse(at, UNKNOWN_SALE);
            return None;
        }
        let id = (product.clone(), change.id.clone());
        if self.existing.changes.contains(&id) {
            self.applied.duplicates += 1;
            return None;
        }
        if self.is_fenced(at, product, number.epoch) {
            self.refuse(at, FENCED);
            return None;
        }
        self.existing.changes.insert(id);
        self.count_number(product, number);
        self.applied.changes.push(change);
        let delta = self.applied.ledger.entry(product).or_default();
        self.headroom.get_mut(product).map(|sale| (sale, delta))
    }

    fn write_order(
        &mut self,
        at: PartitionOffset,
        order: &'a OrderReserved,
        outcome: Outcome,
        cancel_number: Option<SequenceNumber>,
    ) {
        let (id, product) = (order.order_id, &order.product_id);
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
        match self.new_orders.get(&id) {
            Some(&first) => self.applied.orders[first] = row,
            None => {
                self.new_orders.insert(id, self.applied.orders.len());
                self.applied.orders.push(row);
            }
        }
        if self.headroom(at, product).is_some() {
            let own = SequenceNumber::new(order.epoch, order.sequence);
            let series = self.count_number(product, own.max(cancel_number.unwrap_or_default()));
            series.written += i64::from(is_first);
            if outcome == Outcome::Confirmed {
                self.ledger(product).sold += i64::from(order.quantity);
            }
        }
    }

    /// The ledger row of a product; `None` if it has none, or if this batch opens the sale later.
    fn headroom(&mut self, at: PartitionOffset, product: &ProductId) -> Option<&mut Headroom> {
        let is_open = |sale: &Headroom| sale.opened_at_offset.is_none_or(|it| it < at.offset);
        self.headroom.get_mut(product).filter(|sale| is_open(sale))
    }

    fn ledger(&mut self, product: &'a ProductId) -> &mut LedgerDelta {
        self.applied.ledger.entry(product).or_default()
    }

    fn count_number(&mut self, product: &ProductId, number: SequenceNumber) -> &mut SeriesDelta {
        let series = NumberSeries::of(product);
        let delta = self.applied.series.entry(series).or_default();
        delta.highest = delta.highest.max(number);
        delta
    }
}
