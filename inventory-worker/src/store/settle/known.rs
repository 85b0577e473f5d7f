//! What there is already, while a batch is settled.

use std::collections::{HashMap, HashSet};

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

/// What PostgreSQL has already of what the batch speaks of.
#[derive(Debug, Default)]
pub struct Known {
    /// Orders with a row.
    pub orders: HashMap<Uuid, KnownOrder>,
    /// SaleChanges of sales, by product and change id.
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
