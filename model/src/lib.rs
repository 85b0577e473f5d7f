//! The pipeline as a state machine, small enough to check every interleaving.
//!
//! One sale of a few units, a few orders of one unit each, one restock. Any order may be cancelled, and an order with a hold
//! may be completed or expire. Instances of the API, workers and PostgreSQL may fail at every point. The model holds what the
//! promises rest on: which action changes which store, and what a failure loses.
//!
//! | file | holds |
//! |---|---|
//! | `state` | what each store and each process knows |
//! | `actions` | every action that can happen next |
//! | `effects` | what the actions change |
//! | `holds` | completions and expiries |
//! | `promises` | what must hold in every state |
//! | [`queue`] | the queue of a sale, a state machine of its own |
//!
//! Redis may lose all its data. Then, or at any other time, the sale may be rebuilt from PostgreSQL behind a fence, while
//! instances of the API that were frozen meanwhile still publish events of the epoch before. Orders that only Redis had are
//! lost and no longer promised.
//!
//! Instead, Redis may fail over to a replica that lacks its latest writes. It sells nothing while it is behind the highest
//! number that was assigned. Only the instance that expires orders may know none of the lost numbers but those that PostgreSQL
//! has. Until the sale is rebuilt, the ledger may reject orders, and the stores may disagree; every other promise is kept.
//!
//! There are no times: the grace of an order has ended or not, and by Redis's clock it may have ended too early. A completion
//! is answered 200 as soon as the row says `completed`.
//!
//! Not in the model: a failover in a sale with several holds. There, an expiry that was under way can get the number of a
//! completion that was lost; then Redis no longer looks as if it were behind. So an order whose row is completed does not
//! expire either, whatever the numbers say ([decision 29](../../docs/decisions/0029-holds.md)).
//!
//! A [`Mistake`] breaks one rule on purpose. The tests show that each is found.

mod actions;
mod effects;
mod holds;
mod promises;
pub mod queue;
mod state;

pub use actions::Action;
pub use promises::{
    COMPLETED_IS_KEPT, CONSERVED, GRACE_IS_KEPT, NEVER_LOST, NEVER_OVERSOLD, NEVER_REJECTED,
    PAID_KEEPS_UNIT, STORES_AGREE,
};
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
    /// How many of them, from the first, have a hold that may end: they may be completed, or expire.
    pub held: u8,
    /// Whether Redis's clock may jump.
    pub clock_jumps: bool,
    /// Whether Redis may fail over to a replica that lacks its latest writes.
    pub failover: bool,
    /// Workers. Of two, one may be a zombie.
    pub workers: usize,
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
    /// A completion is answered 200 before its row says so.
    AnsweredBeforeRow,
    /// Orders expire whatever numbers the ledger has.
    ExpiredWithoutMark,
    /// The ledger's highest number is read before the worker is past the log's end.
    PositionNotAwaited,
    /// Orders expire by Redis's clock alone.
    ClocksNotCompared,
}
