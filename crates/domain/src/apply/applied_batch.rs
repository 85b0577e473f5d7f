//! The result of applying a batch: everything that it writes.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::batch::PartitionOffset;
use crate::events::{OrderReserved, SaleAmended};
use crate::ids::{OrderId, ProductId};
use crate::order_facts::OrderFact;
use crate::queue::QueueSettings;
use crate::{NumberSeries, OrderFacts, SequenceNumber};

/// Everything that a batch writes.
#[derive(Debug, Default)]
pub struct AppliedBatch<'a> {
    /// Orders that get a row.
    pub orders: Vec<NewOrder<'a>>,
    /// Orders that had a row, with what is known about them now.
    pub changed: HashMap<OrderId, OrderFacts>,
    /// Completions, expiries and cancels that are new.
    pub facts: FactCounts,
    /// Orders whose completion is new and was refused: they were paid, and have no units.
    pub paid_without_unit: Vec<OrderId>,
    /// Changes that get a row.
    pub changes: Vec<NewChange<'a>>,
    /// Of each sale that is amended, the amendment with the highest number.
    pub amendments: HashMap<&'a ProductId, &'a SaleAmended>,
    /// What the batch adds to each ledger row.
    pub ledger: HashMap<&'a ProductId, LedgerDelta>,
    /// What the batch adds to each number series.
    pub series: HashMap<NumberSeries, SeriesDelta>,
    /// Records whose order or change already had a row.
    pub duplicates: u64,
    /// Records that are refused, with the reason. Nothing else depends on whether they were in the batch.
    pub refused: Vec<(PartitionOffset, &'static str)>,
}

/// A new row of `orders`. It replaces the row of an order that was rejected in an earlier epoch.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct NewOrder<'a> {
    pub order: &'a OrderReserved,
    pub facts: OrderFacts,
}

/// A new row of `sale_changes`.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct NewChange<'a> {
    pub product: &'a ProductId,
    pub id: String,
    pub kind: ChangeKind,
    pub units: i64,
    pub number: SequenceNumber,
    pub at: Timestamp,
    /// How the queue is served after the change, if that has changed it.
    pub queue_settings: Option<QueueSettings>,
}

/// How many facts about orders a batch brings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct FactCounts {
    pub completions: u64,
    pub expiries: u64,
    pub cancels: u64,
}

impl FactCounts {
    pub(super) fn count(&mut self, fact: OrderFact) {
        match fact {
            OrderFact::Completion(_) => self.completions += 1,
            OrderFact::Expiry(_) => self.expiries += 1,
            OrderFact::Cancel(_) => self.cancels += 1,
        }
    }
}

/// How a sale was changed after its opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ChangeKind {
    Restock,
    Close,
    Amend,
    QueueStart,
    QueueChange,
}

impl ChangeKind {
    /// The text in `sale_changes.kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restock => "restock",
            Self::Close => "close",
            Self::Amend => "amend",
            Self::QueueStart => "queue_start",
            Self::QueueChange => "queue_change",
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn read(text: &str) -> Option<Self> {
        let all = [
            Self::Restock,
            Self::Close,
            Self::Amend,
            Self::QueueStart,
            Self::QueueChange,
        ];
        all.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What a batch adds to one row of `stock_ledger`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LedgerDelta {
    /// Units confirmed, less units returned.
    pub sold: i64,
    /// Units of completed orders, less those of them that were cancelled.
    pub completed: i64,
    /// Units restocked.
    pub total: i64,
    /// When an admin closed the sale.
    pub closed_at: Option<Timestamp>,
    /// How many joined the queue before it started, by the starts of the batch; `None`: it has none.
    pub queue_joined: Option<i64>,
    /// The lowest epoch that is accepted from now on; 0 if no fence was read.
    pub fenced_epoch: u32,
}

/// What a batch adds to one row of `number_series`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeriesDelta {
    /// New rows of orders, whatever their status.
    pub written: i64,
    /// Completions and expiries, each of which has a number.
    pub holds_ended: i64,
    /// The highest number.
    pub highest: SequenceNumber,
}
