//! What each store and each process knows.

use std::collections::BTreeSet;

/// An event in the outbox, and then a record of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The epoch of the Redis data that numbered it, from 1.
    pub epoch: u8,
    /// Its sequence number, where Redis may fall back; else 0.
    pub sequence: u8,
    /// Its event.
    pub event: Event,
}

impl Entry {
    /// Epoch and sequence number.
    pub fn number(&self) -> (u8, u8) {
        (self.epoch, self.sequence)
    }
}

/// The event of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The order with this number takes one unit.
    Order(u8),
    /// The order gives its unit back.
    Cancel(u8),
    /// The order was paid, and keeps its unit.
    Completion(u8),
    /// The order was not paid in time, and gives its unit back.
    Expiry(u8),
    /// One unit is added.
    Restock,
    /// Behind it, events of earlier epochs are rejected.
    Fence,
}

impl Event {
    /// Whether it returns units to the stock.
    pub fn returns_units(self) -> bool {
        matches!(self, Self::Cancel(_) | Self::Expiry(_) | Self::Restock)
    }
}

/// The record of an order in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Record {
    /// There is none.
    None,
    /// The order has its unit.
    Placed,
    /// The order has its unit and was paid.
    Completed,
    /// The order was not paid in time.
    Expired,
    /// The order is cancelled.
    Cancelled {
        /// Whether it was paid before.
        refunded: bool,
    },
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
    /// The order has a unit and was paid.
    Completed,
    /// The order was not paid in time, and gave its unit back.
    Expired,
    /// The order was not paid in time. Its completion was read later, when there was no unit left.
    PaidWithoutUnit,
    /// The order gave its unit back.
    Cancelled,
}

impl Row {
    /// Whether the order has a unit.
    pub fn has_unit(self) -> bool {
        matches!(self, Self::Confirmed | Self::Completed)
    }
}

/// Redis. It survives every other failure, and may lose all its data, or its latest writes, once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Redis {
    /// The epoch of its data.
    pub epoch: u8,
    /// The latest sequence number, where Redis may fall back; else 0.
    pub sequence: u8,
    /// How far a rebuild has come.
    pub phase: Phase,
    /// Units that can be taken.
    pub remaining: u8,
    /// Units in all.
    pub total: u8,
    /// Units of completed orders.
    pub completed: u8,
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
    /// The highest number that is written.
    pub highest: (u8, u8),
    /// Units in all.
    pub total: u8,
    /// Units sold.
    pub sold: i8,
    /// Whether the restock is written.
    pub restocked: bool,
}

impl Ledger {
    /// Units of completed orders.
    pub fn completed(&self) -> u8 {
        let completed = self.rows.iter().filter(|row| **row == Row::Completed);
        completed.fold(0, |units, _| units + 1)
    }
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

/// The replica that takes over if the Redis master fails.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Replica {
    /// It has every write of the master.
    InStep,
    /// It has stopped following the master here.
    Behind(Box<Redis>),
    /// It has taken over, and the writes that it lacked are lost.
    TookOver,
}

/// A page of the expiry, with one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page {
    /// The order, whose grace had ended by Redis's clock.
    pub order: u8,
    /// The log's end, which was read afterwards.
    pub log_end: usize,
    /// The high-water mark: the ledger's highest number, once the worker is past the log's end.
    pub mark: Option<(u8, u8)>,
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
    /// The batch of each worker.
    pub batches: Vec<Option<Batch>>,
    /// Orders that were answered 202.
    pub promised: BTreeSet<u8>,
    /// Whether PostgreSQL came back from a backup. Once is enough.
    pub restored: bool,
    /// The replica of Redis.
    pub replica: Replica,
    /// The highest number that any instance has seen.
    pub highest_seen: (u8, u8),
    /// Orders whose grace has really ended.
    pub grace_ended: BTreeSet<u8>,
    /// Whether Redis's clock has jumped, so that by it every grace has ended.
    pub clock_jumped: bool,
    /// What the instance that expires orders is about to do. Lost when it dies.
    pub page: Option<Page>,
    /// Orders whose completion was answered 200: the shop has captured the payment.
    pub paid: BTreeSet<u8>,
    /// Orders that expired although their completion was on the log when the page began.
    pub expired_completed: BTreeSet<u8>,
}

impl State {
    /// Whether Redis waits for the payment of an order: its outbox entry is cleared, and nothing ended its hold.
    pub fn is_held(&self, order: u8) -> bool {
        let waits = |entry: &Entry| entry.event == Event::Order(order);
        self.redis.phase == Phase::Selling
            && self.redis.orders[usize::from(order)] == Record::Placed
            && !self.redis.outbox.iter().any(waits)
    }

    /// Whether Redis has lost writes and is not rebuilt.
    pub fn fell_back(&self) -> bool {
        self.replica == Replica::TookOver && self.redis.epoch == 1
    }

    /// Whether Redis sells, by the marks of instances that have seen every number.
    pub fn sells(&self) -> bool {
        let redis = &self.redis;
        redis.phase == Phase::Selling && (redis.epoch, redis.sequence) >= self.highest_seen
    }

    /// The records of the log that are not written.
    pub fn unread(&self) -> &[Entry] {
        &self.log[self.ledger.position..]
    }
}
