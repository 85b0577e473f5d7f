//! What each store and each process knows.

use std::collections::BTreeSet;

/// An event in the outbox, and then a record of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The epoch of the Redis data that numbered it, from 1.
    pub epoch: u8,
    /// Its event.
    pub event: Event,
}

/// The event of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The order with this number takes one unit.
    Order(u8),
    /// The order gives its unit back.
    Cancel(u8),
    /// One unit is added.
    Restock,
    /// Behind it, events of earlier epochs are rejected.
    Fence,
}

impl Event {
    /// Whether it returns units to the stock.
    pub fn returns_units(self) -> bool {
        matches!(self, Self::Cancel(_) | Self::Restock)
    }
}

/// The record of an order in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Record {
    /// There is none.
    None,
    /// The order has its unit.
    Placed,
    /// The order is cancelled.
    Cancelled,
    /// A rebuild wrote the record of an order without a unit.
    Rejected,
}

/// The row of an order in PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Row {
    /// There is none.
    None,
    /// The order has a unit.
    Confirmed,
    /// The order found no unit, or was of this epoch behind a fence.
    Rejected {
        /// Its epoch.
        epoch: u8,
    },
    /// The order gave its unit back.
    Cancelled,
}

/// Redis. It survives every other failure, and may lose all its data once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Redis {
    /// The epoch of its data.
    pub epoch: u8,
    /// How far a rebuild has come.
    pub phase: Phase,
    /// Units that can be taken.
    pub remaining: u8,
    /// Units in all.
    pub total: u8,
    /// The orders.
    pub orders: Vec<Record>,
    /// Whether the restock was asked for.
    pub restocked: bool,
    /// Events that wait for Kafka's acknowledgement.
    pub outbox: BTreeSet<Entry>,
    /// Whether the first two orders came in one call, and share an entry of the outbox.
    pub shared: bool,
}

/// Whether Redis sells, or how far a rebuild has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It sells.
    Selling,
    /// It has lost all data.
    Blank,
    /// Stopped for a rebuild.
    Stopped,
    /// Stopped, with the fence on the log.
    Fenced,
}

/// PostgreSQL: what one transaction changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ledger {
    /// The position: how many records of the log are written.
    pub position: usize,
    /// The orders.
    pub rows: Vec<Row>,
    /// The first epoch that is not rejected.
    pub fenced: u8,
    /// Units in all.
    pub total: u8,
    /// Units sold.
    pub sold: i8,
    /// Whether the restock is written.
    pub restocked: bool,
}

/// A worker's batch: records `from..to` of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Batch {
    /// The position that PostgreSQL held when it was read.
    pub from: usize,
    /// The position afterwards.
    pub to: usize,
    /// The positions are committed and the rows are not. Occurs only with a mistake.
    pub half_committed: bool,
}

/// The state of the whole system.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The gate.
    pub redis: Redis,
    /// The records of the log.
    pub log: Vec<Entry>,
    /// The source of truth.
    pub ledger: Ledger,
    /// Entries that instances of the API are about to publish. Lost when they die.
    pub to_publish: BTreeSet<Entry>,
    /// Entries that instances of the API know to be on Kafka. Lost when they die.
    pub acknowledged: BTreeSet<Entry>,
    /// The batches of two workers. One of them may be a zombie.
    pub batches: [Option<Batch>; 2],
    /// Orders that were answered 202.
    pub promised: BTreeSet<u8>,
    /// Whether PostgreSQL came back from a backup. Once is enough.
    pub restored: bool,
}
