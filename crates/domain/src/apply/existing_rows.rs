//! The rows that exist before a batch is applied.

use std::collections::{HashMap, HashSet};

use crate::OrderFacts;
use crate::ids::{OrderId, ProductId, Quantity};

/// What a sale's ledger row allows; `apply` keeps it up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headroom {
    /// The partition of all its events.
    pub partition: i32,
    /// Units for sale.
    pub total: i64,
    /// Units sold.
    pub sold: i64,
    /// The lowest epoch that is accepted.
    pub fenced_epoch: u32,
    /// The offset of the opening, if this batch opens the sale.
    pub opened_at_offset: Option<i64>,
}

impl Headroom {
    /// Whether an order of this quantity fits.
    pub(super) fn has_room(&self, quantity: Quantity) -> bool {
        self.sold + i64::from(quantity) <= self.total
    }
}

/// The rows that PostgreSQL has for the orders and changes of a batch.
#[derive(Debug, Default)]
pub struct ExistingRows {
    /// Orders with a row.
    pub orders: HashMap<OrderId, ExistingOrder>,
    /// Changes with a row, by product and change id.
    pub changes: HashSet<(ProductId, String)>,
}

/// The row of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExistingOrder {
    /// The epoch of its number. In a rebuilt sale, the key of a rejected order can be used again, in a higher epoch.
    pub epoch: u32,
    /// What is known about it.
    pub facts: OrderFacts,
}
