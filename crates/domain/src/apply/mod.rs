//! What a batch does to orders, ledger and number series: every decision, no SQL.
//!
//! `fluxgate-ledger` reads and locks the rows before. On its fast path it reads only the orders that a batch changes, and
//! all others are taken as new.

mod applied_batch;
mod changes;
mod existing_rows;
mod operation;
mod order_rows;
mod sales;
#[cfg(test)]
mod tests;

pub use applied_batch::{
    AppliedBatch, ChangeKind, FactCounts, LedgerDelta, NewChange, NewOrder, SeriesDelta,
};
pub use existing_rows::{ExistingOrder, ExistingRows, Headroom};
pub use operation::Operation;

use std::collections::{HashMap, HashSet};

use crate::batch::PartitionOffset;
use crate::events::{OrderReserved, SaleFenced};
use crate::ids::ProductId;
use crate::order_facts::{Decision, OrderFact, RejectReason};
use crate::{OrderFacts, OrderStatus, SequenceNumber};
use order_rows::OrderRows;
use sales::{Sale, Sales};

const UNKNOWN_SALE: &str = "unknown_sale: the ledger has no such sale";
const FOREIGN_PARTITION: &str = "foreign_partition: its sale is on another partition";
const FENCED: &str = "fenced: its epoch is below the fence of a rebuilt sale";

/// Applies operations in offset order. A sale stays on one partition, so each order comes after the operations that made
/// room for it; what is on another partition is refused, because there nothing is known about that order.
///
/// `existing` holds the rows as PostgreSQL has them; an order that is not in it is taken as new. So does `headroom`;
/// afterwards it holds them as the batch leaves them.
pub fn apply<'a>(
    operations: &[(PartitionOffset, Operation<'a>)],
    existing: &ExistingRows,
    headroom: &mut HashMap<ProductId, Headroom>,
) -> AppliedBatch<'a> {
    let mut sales = Sales::default();
    let mut application = Application {
        orders: OrderRows::before(&existing.orders, operations.len()),
        existing_changes: &existing.changes,
        new_changes: HashSet::new(),
        applied: AppliedBatch::default(),
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
            Operation::Cancel(cancel) => {
                application.fact(at, sale, &cancel.order, cancel.fact());
            }
            Operation::Complete(completion) => {
                application.fact(at, sale, &completion.order, completion.fact());
            }
            Operation::Restock(restock) => application.restock(at, sale, restock),
            Operation::Amend(amended) => application.amend(at, sale, amended),
            Operation::StartQueue(start) => application.start_queue(at, sale, start),
            Operation::ChangeQueue(change) => application.change_queue(at, sale, change),
            Operation::Close(close) => application.close(at, sale, close),
            Operation::Fence(fence) => application.fence(at, sale, fence),
        }
    }
    let mut applied = application.applied;
    application.orders.finish(&mut applied);
    sales.finish(&mut applied, headroom);
    applied
}

struct Application<'a, 'e> {
    orders: OrderRows<'a, 'e>,
    existing_changes: &'e HashSet<(ProductId, String)>,
    /// Changes of this batch.
    new_changes: HashSet<(ProductId, String)>,
    applied: AppliedBatch<'a>,
}

impl<'a> Application<'a, '_> {
    fn order(&mut self, at: PartitionOffset, sale: &mut Sale<'a>, order: &'a OrderReserved) {
        match self.known(order) {
            Some(_) => self.applied.duplicates += 1,
            None => {
                self.write_order(at, sale, order);
            }
        }
    }

    /// Adds a fact to its order. The event carries the whole order, which is applied first: so it does not matter which of
    /// them is read first.
    fn fact(
        &mut self,
        at: PartitionOffset,
        sale: &mut Sale<'a>,
        order: &'a OrderReserved,
        fact: OrderFact,
    ) {
        let known = self.known(order);
        if known.is_some_and(|facts| facts.has(fact)) {
            self.applied.duplicates += 1;
            return;
        }
        if sale.is_fenced(at, fact.number().epoch) {
            return self.refuse(at, FENCED);
        }
        let before = known.unwrap_or_else(|| self.write_order(at, sale, order));
        let has_room = sale
            .headroom(at)
            .is_some_and(|row| row.has_room(order.quantity));
        let after = before.with(fact, has_room);
        self.orders.change(order.order_id, after);
        sale.move_units(at, order.quantity, before.status(), after.status());
        sale.count_fact(at, fact, after.decision);
        self.applied.facts.count(fact);
        if after.completion_refused && !before.completion_refused {
            self.applied.paid_without_unit.push(order.order_id);
        }
    }

    /// What is known about an order; `None` if it has no row, or one that it replaces: after a rebuild, the key of an order
    /// that was rejected can be used again, in a higher epoch.
    fn known(&self, order: &OrderReserved) -> Option<OrderFacts> {
        let row = self.orders.get(order.order_id)?;
        let is_taken_again = row.facts.status() == OrderStatus::Rejected && row.epoch < order.epoch;
        (!is_taken_again).then_some(row.facts)
    }

    /// Decides about an order and writes its row.
    fn write_order(
        &mut self,
        at: PartitionOffset,
        sale: &mut Sale<'a>,
        order: &'a OrderReserved,
    ) -> OrderFacts {
        let decision = match sale.headroom(at) {
            None => Decision::Rejected(RejectReason::UnknownSale),
            Some(row) if order.epoch < row.fenced_epoch => Decision::Rejected(RejectReason::Fenced),
            Some(row) if !row.has_room(order.quantity) => {
                Decision::Rejected(RejectReason::Oversold)
            }
            Some(_) => Decision::Confirmed,
        };
        let facts = OrderFacts::of(decision);
        let is_first = self.orders.write(order, facts);
        sale.move_units(at, order.quantity, OrderStatus::Accepted, facts.status());
        sale.count_order(at, order, is_first);
        facts
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
}
