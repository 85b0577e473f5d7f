//! The way of an order as a state machine, small enough to look at every interleaving.
//!
//! One sale of a few units, a few orders of one unit each, one restock. Any order may be cancelled.
//! Copies of the API, workers and PostgreSQL may fail at every point. What is modelled is what the
//! promises rest on: in which step which store changes, and what is forgotten by whom.
//!
//! | file | holds |
//! |---|---|
//! | `state` | what each store and each process knows |
//! | `steps` | everything that can happen next, and what it changes |
//! | `promises` | what must hold in every state |
//!
//! Redis may lose everything it has; then, or at any other time, the sale may be rebuilt from
//! PostgreSQL behind a fence, while copies of the API that slept through it still publish. What
//! only Redis had is lost then: it is no longer promised. Not in the model: a Redis that has lost
//! some of its writes; it sells nothing either, and is emptied when it is rebuilt.
//!
//! A [`Mistake`] breaks one rule on purpose; the tests show that each is found.

mod promises;
mod state;
mod steps;

pub use promises::{CONSERVED, IN_STEP, NEVER_LOST, NEVER_OVERSOLD, NEVER_REJECTED};
pub use state::{Entry, Event, Row, State};
pub use steps::Step;

/// The state machine with its bounds.
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    /// Units at opening.
    pub units: u8,
    /// Orders that buyers send, of one unit each.
    pub orders: u8,
    /// How many of them, from the first, may be cancelled.
    pub cancellable: u8,
    /// Whether the sale may be restocked by one unit.
    pub restock: bool,
    /// Whether Redis may lose its data, and the sale be rebuilt.
    pub rebuild: bool,
    /// Most records on the log.
    pub records_max: usize,
    /// What is done wrong, if anything.
    pub mistake: Option<Mistake>,
}

/// A rule of the design, broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// An order is taken without an outbox entry.
    NoOutboxEntry,
    /// A cancel or restock counts in Redis before its event is on Kafka.
    RoomBeforeKafka,
    /// An entry is cleared before Kafka has acknowledged its event.
    ClearedUnacknowledged,
    /// The effect of an entry is applied by every call that clears it, not only the one that removed it.
    EffectWithoutRemoval,
    /// The positions are committed before the rows.
    PositionsBeforeRows,
    /// A batch is written whatever position PostgreSQL holds, and duplicates are counted.
    PositionsIgnored,
    /// Workers take what stands behind a fence, whatever its epoch.
    FenceIgnored,
    /// Redis is filled before PostgreSQL is past the fence.
    FilledTooEarly,
    /// A rebuild throws away what waits in the outbox.
    NotDrained,
}
