use std::collections::HashMap;

use super::{AppliedBatch, Headroom, LedgerDelta, SeriesDelta};
use crate::batch::PartitionOffset;
use crate::events::OrderReserved;
use crate::ids::{ProductId, Quantity};
use crate::order_facts::{Decision, OrderFact, RejectReason};
use crate::{NumberSeries, OrderStatus, SequenceNumber};

/// One sale while a batch is applied: its ledger row, and what the batch adds to that and to the number series.
pub struct Sale<'a> {
    product: &'a ProductId,
    headroom: Option<Headroom>,
    pub ledger: LedgerDelta,
    pub series: SeriesDelta,
}

/// The sales of a batch. Neighbours are often of the same sale, so the last one is looked at first.
#[derive(Default)]
pub struct Sales<'a> {
    sales: Vec<Sale<'a>>,
    places: HashMap<&'a ProductId, usize>,
    last: usize,
}

impl<'a> Sales<'a> {
    /// The sale of a product; `headroom` has the ledger rows as they were before the batch.
    pub fn of(
        &mut self,
        product: &'a ProductId,
        headroom: &HashMap<ProductId, Headroom>,
    ) -> &mut Sale<'a> {
        let is_last = self.sales.get(self.last);
        if is_last.is_none_or(|sale| sale.product != product) {
            self.last = *self.places.entry(product).or_insert_with(|| {
                self.sales.push(Sale {
                    product,
                    headroom: headroom.get(product).copied(),
                    ledger: LedgerDelta::default(),
                    series: SeriesDelta::default(),
                });
                self.sales.len() - 1
            });
        }
        &mut self.sales[self.last]
    }

    /// What is added to each row. `headroom` gets the ledger rows as the batch leaves them.
    pub fn finish(
        self,
        applied: &mut AppliedBatch<'a>,
        headroom: &mut HashMap<ProductId, Headroom>,
    ) {
        for sale in self.sales {
            if let (Some(before), Some(after)) = (headroom.get_mut(sale.product), sale.headroom) {
                *before = after;
            }
            if sale.ledger != LedgerDelta::default() {
                applied.ledger.insert(sale.product, sale.ledger);
            }
            if sale.series != SeriesDelta::default() {
                let series = NumberSeries::of(sale.product);
                applied.series.insert(series, sale.series);
            }
        }
    }
}

impl Sale<'_> {
    /// The partition of the sale, if its ledger row is known.
    pub fn partition(&self) -> Option<i32> {
        self.headroom.map(|row| row.partition)
    }

    /// The ledger row; `None` if there is none, or if this batch opens the sale later.
    pub fn headroom(&mut self, at: PartitionOffset) -> Option<&mut Headroom> {
        let is_open = |row: &Headroom| row.opened_at_offset.is_none_or(|it| it < at.offset);
        self.headroom.as_mut().filter(|row| is_open(row))
    }

    pub fn is_fenced(&mut self, at: PartitionOffset, epoch: u32) -> bool {
        self.headroom(at)
            .is_some_and(|row| epoch < row.fenced_epoch)
    }

    /// Moves the units of an order whose status changes. An order without a row is no more than accepted.
    pub fn move_units(
        &mut self,
        at: PartitionOffset,
        quantity: Quantity,
        before: OrderStatus,
        after: OrderStatus,
    ) {
        let units = i64::from(quantity);
        let moved = |counts: fn(OrderStatus) -> bool| {
            units * (i64::from(counts(after)) - i64::from(counts(before)))
        };
        let sold = moved(OrderStatus::is_sold);
        if let Some(row) = self.headroom(at) {
            row.sold += sold;
            self.ledger.sold += sold;
            self.ledger.completed += moved(|status| status == OrderStatus::Completed);
        }
    }

    /// Counts an order whose row is written, and whether it is the first one of the order.
    pub fn count_order(&mut self, at: PartitionOffset, order: &OrderReserved, is_first: bool) {
        if self.headroom(at).is_some() {
            self.count_number(SequenceNumber::new(order.epoch, order.sequence));
            self.series.written += i64::from(is_first);
        }
    }

    /// Counts a fact about an order. The series does not count the rows of orders that were read before the sale, so it
    /// leaves out what is known about them, too.
    pub fn count_fact(&mut self, at: PartitionOffset, fact: OrderFact, decision: Decision) {
        if self.headroom(at).is_none() {
            return;
        }
        self.count_number(fact.number());
        let is_counted = decision != Decision::Rejected(RejectReason::UnknownSale);
        let ends_hold = matches!(fact, OrderFact::Completion(_) | OrderFact::Expiry(_));
        self.series.holds_ended += i64::from(is_counted && ends_hold);
    }

    pub fn count_number(&mut self, number: SequenceNumber) {
        self.series.highest = self.series.highest.max(number);
    }
}
