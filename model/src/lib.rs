//! The pipeline as a state machine, small enough to check every interleaving.
//!
//! One sale of a few units, a few orders of one unit each, one restock. Any order may be cancelled. Instances of the API,
//! workers and PostgreSQL may fail at every point. The model holds what the promises rest on: which action changes which
//! store, and what a failure loses.
//!
//! | file | holds |
//! |---|---|
//! | `state` | what each store and each process knows |
//! | `actions` | every action that can happen next |
//! | `effects` | what the actions change |
//! | `promises` | what must hold in every state |
//!
//! Redis may lose all its data. Then, or at any other time, the sale may be rebuilt from PostgreSQL behind a fence, while
//! instances of the API that were frozen meanwhile still publish orders of the epoch before. Orders that only Redis had
//! are lost and no longer promised. Not in the model: a Redis that has lost some of its writes. It sells nothing either,
//! and is emptied when it is rebuilt.
//!
//! A [`Mistake`] breaks one rule on purpose. The tests show that each is found.

mod actions;
mod effects;
mod promises;
mod state;

pub use actions::Action;
pub use promises::{CONSERVED, NEVER_LOST, NEVER_OVERSOLD, NEVER_REJECTED, STORES_AGREE};
pub use state::{Entry, Event, Row, State};

/// The state machine with its bounds.
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    /// Units at opening.
    pub units: u8,
    /// Orders that buyers send, of one unit each.
    pub orders: u8,
    /// How many of them, from the first, may be cancelled.
    pub cancellable: u8,
    /// Whether the first two orders may come in one call; then they share an outbox entry.
    pub together: bool,
    /// Whether the sale may be restocked by one unit.
    pub restock: bool,
    /// Whether Redis may lose its data and the sale may be rebuilt.
    pub rebuild: bool,
    /// Largest number of records on the log.
    pub records_max: usize,
    /// The rule that is broken, if any.
    pub mistake: Option<Mistake>,
}

/// A rule of the design, broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// An order is placed without an outbox entry.
    NoOutboxEntry,
    /// A cancel or restock is applied in Redis before its event is on Kafka.
    AppliedBeforePublished,
    /// An outbox entry is acknowledged before its event is on Kafka.
    AcknowledgedUnpublished,
    /// Acknowledging one order removes the outbox entry that it shares with another.
    SharedEntryRemoved,
    /// Every call that acknowledges an entry applies its effect, not only the one that removes the entry.
    EffectWithoutRemoval,
    /// The positions are committed before the rows.
    PositionsBeforeRows,
    /// A batch is written at any position, and duplicates are counted.
    PositionsIgnored,
    /// Workers do not reject earlier epochs behind a fence.
    FenceIgnored,
    /// Redis is refilled before PostgreSQL is past the fence.
    RefilledTooEarly,
    /// A rebuild discards the outbox.
    NotDrained,
}
