//! What a batch writes.

use std::collections::HashMap;

use fluxgate_domain::events::OrderReserved;
use jiff::Timestamp;
use uuid::Uuid;

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
    /// SaleChanges that get a row.
    pub changes: Vec<NewChange<'a>>,
    /// What is counted, by product.
    pub counts: HashMap<String, Count>,
    /// Records whose order or change was there already.
    pub duplicates: u64,
    /// SaleChanges that are not made.
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
