use std::collections::BTreeSet;

/// Something that waits in the outbox, and then stands on the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The life of the Redis data that numbered it, from 1.
    pub epoch: u8,
    /// What it says.
    pub event: Event,
}

/// What an entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The order with this number takes its unit.
    Order(u8),
    /// It gives its unit back.
    Cancel(u8),
    /// One more unit.
    Restock,
    /// Nothing of the epochs before its own is taken behind it.
    Fence,
}

impl Event {
    /// Whether it makes room.
    pub fn makes_room(self) -> bool {
        matches!(self, Self::Cancel(_) | Self::Restock)
    }
}

/// What Redis has of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kept {
    /// Nothing.
    Unknown,
    /// Its record.
    Taken,
    /// Its record, marked.
    Cancelled,
    /// A record that a rebuild left of an order without a unit.
    Rejected,
}

/// What PostgreSQL has of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Row {
    /// Nothing.
    None,
    /// It holds a unit.
    Confirmed,
    /// It found no room, or was of this epoch behind a fence.
    Rejected {
        /// Its epoch.
        epoch: u8,
    },
    /// It holds none any more.
    Cancelled,
}

/// Redis: lives on whatever else fails, but may lose all it has, once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Redis {
    /// Which life of its data this is.
    pub epoch: u8,
    /// How far a rebuild is.
    pub phase: Phase,
    /// Units that can be taken.
    pub remaining: u8,
    /// Units in all.
    pub total: u8,
    /// The orders.
    pub orders: Vec<Kept>,
    /// Whether the restock was asked for.
    pub restocked: bool,
    /// What is not known to be on Kafka.
    pub outbox: BTreeSet<Entry>,
}

/// Whether Redis sells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It does.
    Selling,
    /// It has lost everything.
    Blank,
    /// Stopped for a rebuild.
    Stopped,
    /// Stopped, and the fence is on the log.
    Fenced,
}

/// PostgreSQL: what one transaction changes together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ledger {
    /// How many records of the log are written.
    pub position: usize,
    /// The orders.
    pub rows: Vec<Row>,
    /// The first epoch that is taken.
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
    /// Only with a mistake: the positions are committed, the rows are not.
    pub half_committed: bool,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The gate.
    pub redis: Redis,
    /// The log.
    pub log: Vec<Entry>,
    /// The truth.
    pub ledger: Ledger,
    /// What copies of the API are about to publish. Gone when they die.
    pub to_publish: BTreeSet<Entry>,
    /// What copies of the API know to be on Kafka. Gone when they die.
    pub acknowledged: BTreeSet<Entry>,
    /// What two workers hold; one of them may be a zombie.
    pub batches: [Option<Batch>; 2],
    /// Orders that were answered 202.
    pub promised: BTreeSet<u8>,
    /// PostgreSQL came back from a backup; once is enough.
    pub restored: bool,
}
