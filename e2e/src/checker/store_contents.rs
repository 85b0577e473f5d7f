//! The input of the checker: what the stores hold of one sale after the run.

use std::collections::HashSet;

use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, RestockId};

use crate::answer::Status;
use crate::order::{Action, restock_key};

/// What all stores hold of one sale.
#[derive(Debug, Clone, Default)]
pub struct StoreContents {
    /// Units that the sale was opened with.
    pub opening_total: i64,
    /// Its rows in `orders`.
    pub rows: Vec<Row>,
    /// Its cancels, completions and rows in `sale_changes` that a call asked for, each with its sequence number.
    pub changes: Vec<(i64, AdminCall)>,
    /// The sequence numbers of the starts of its queue and of the changes of how it is served.
    pub queue_numbers: Vec<i64>,
    /// Its orders that were not paid in time, each with the sequence number of the expiry.
    pub expiries: Vec<(i64, OrderId)>,
    /// Its dead letters.
    pub dead_letters: Vec<DeadLetter>,
    /// Its row in `stock_ledger`, if it has one.
    pub ledger: Option<Ledger>,
    /// What Redis holds of it, if anything.
    pub redis: Option<RedisSale>,
    /// Records on the topic that the workers have not read, of all sales.
    pub lag: Lag,
}

/// A row of `orders`: 40 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub sequence: i64,
    /// The number of the buyer within the sale; none for a user who is no buyer of this run.
    pub buyer: Option<u32>,
    pub quantity: u32,
    pub id: OrderId,
    /// One that is written: none before `Confirmed`.
    pub status: Status,
}

/// What an admin can ask for, as the stores hold it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdminCall {
    Cancel(OrderId),
    Complete(OrderId),
    Restock {
        /// The id that the change has in `sale_changes`, derived from product and key.
        change_id: String,
        units: i64,
    },
    Close,
}

/// An event that the worker could not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetter {
    pub order_id: Option<OrderId>,
    pub sequence: i64,
}

/// A row of `stock_ledger`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ledger {
    pub total: i64,
    pub sold: i64,
    /// Units of completed orders, which are sold.
    pub completed: i64,
}

/// A sale in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RedisSale {
    pub total: i64,
    pub remaining: i64,
    /// The highest sequence number given.
    pub sequence: i64,
    /// Records of orders and restocks.
    pub records: i64,
    /// Outbox entries.
    pub outbox: i64,
    /// None in a sale without holds.
    pub holds: Option<RedisHolds>,
}

/// Orders that have to be paid, in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RedisHolds {
    /// Orders that can expire.
    pub holds: i64,
    /// Units of completed orders, as the sale counts them.
    pub completed: i64,
    /// The same, counted from the records of the orders.
    pub completed_by_records: i64,
    /// Units of orders that are not paid, counted from their records. Those of a cancelled or expired order count until its
    /// entry has left the outbox.
    pub held_by_records: i64,
}

/// Records on the topic that were not read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// By the worker's positions in PostgreSQL.
    pub unwritten: i64,
    /// By the group's offsets in Kafka, which follow the positions; 0 in a run that does not wait for them.
    pub uncommitted: i64,
}

impl AdminCall {
    /// Whether units are for sale again, or more units, once it was done.
    pub(super) fn returns_units(&self) -> bool {
        matches!(self, Self::Cancel(_) | Self::Restock { .. })
    }

    /// What the stores hold once this was done; none for what buyers ask.
    pub(super) fn asked(product: &ProductId, action: &Action) -> Option<Self> {
        match *action {
            Action::Order { .. } | Action::ReadStatus(_) | Action::ReadSale => None,
            Action::Cancel(id) => Some(Self::Cancel(id)),
            Action::Complete(id) => Some(Self::Complete(id)),
            Action::Restock { number, units } => {
                let key = IdempotencyKey::parse(&restock_key(number));
                let key = key.expect("letters and digits are a key");
                Some(Self::Restock {
                    change_id: RestockId::derive(product, &key).to_string(),
                    units: units.into(),
                })
            }
            Action::Close => Some(Self::Close),
        }
    }
}

impl StoreContents {
    /// Units of the rows that hold some.
    pub fn sold_units(&self) -> i64 {
        self.units(Status::is_sold)
    }

    /// Units of the rows with such a status.
    pub fn units(&self, is_wanted: impl Fn(Status) -> bool) -> i64 {
        let rows = self.rows.iter().filter(|row| is_wanted(row.status));
        rows.map(|row| i64::from(row.quantity)).sum()
    }

    /// The units of each restock.
    pub(super) fn restocks(&self) -> impl Iterator<Item = i64> {
        self.changes.iter().filter_map(|(_, call)| match call {
            AdminCall::Restock { units, .. } => Some(*units),
            _ => None,
        })
    }

    /// The orders that ended as dead letters.
    pub(super) fn dead_orders(&self) -> HashSet<OrderId> {
        self.dead_letters
            .iter()
            .filter_map(|it| it.order_id)
            .collect()
    }
}
