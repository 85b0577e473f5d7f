//! What the stores say about a sale, read without asking any of the programs under test.

mod kafka;
mod postgres;
mod redis;

pub use kafka::Log;
pub use postgres::{Database, Positions, WriteLock};
pub use redis::{Gate, Saved};

use fluxgate_domain::ids::OrderId;

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// The sale's rows in `orders`.
    pub rows: Vec<Row>,
    /// Its row in `stock_ledger`, if it has one.
    pub ledger: Option<Ledger>,
    /// What Redis holds of it, if anything.
    pub shelf: Option<Shelf>,
    /// What the worker has not read yet, of all sales.
    pub lag: Lag,
}

/// A row of `orders`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The order.
    pub id: OrderId,
    /// Who ordered.
    pub user: String,
    /// Units.
    pub quantity: i64,
    /// The number that Redis gave it.
    pub sequence: i64,
    /// `confirmed`, `rejected` or `cancelled`.
    pub status: String,
}

/// A row of `sale_changes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The id of a restock, or `close`.
    pub id: String,
    /// `restock` or `close`.
    pub kind: String,
    /// Units added.
    pub units: i64,
}

/// A row of `stock_ledger`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ledger {
    /// Units there are.
    pub total: i64,
    /// Units confirmed.
    pub sold: i64,
}

/// A sale in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shelf {
    /// Units there were.
    pub total: i64,
    /// Units left.
    pub remaining: i64,
    /// The highest number given to an order.
    pub sequence: i64,
    /// Orders remembered.
    pub records: i64,
    /// Events that wait to be published.
    pub outbox: i64,
}

/// Records on the topic that were not read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// By the worker's positions in PostgreSQL.
    pub unwritten: i64,
    /// By the group's offsets in Kafka, which follow the positions.
    pub uncommitted: i64,
}

impl Shelf {
    /// Units taken.
    pub fn gone(&self) -> i64 {
        self.total - self.remaining
    }
}
