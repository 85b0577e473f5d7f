//! The queue of a sale as a state machine: several instances of the API join people and serve the queue, and Redis may fail over to a
//! replica that lacks its latest writes.
//!
//! | file | holds |
//! |---|---|
//! | `state` | what Redis and each instance know |
//! | `actions` | every action that can happen next |
//! | `calls` | `join_queue.lua` and `pace_queue.lua` |
//! | `promises` | what must hold in every state |
//!
//! A call to Redis is one action, its reply another one: between them Redis may lose the call's writes, or the instance may die.
//! Time passes in ticks of Redis's clock, in each of which the queue is served by one person.
//!
//! What an instance has not seen before Redis loses it may be lost: a number may be given again. And what only one instance has
//! seen is lost with it, if it dies before it has called Redis again.
//!
//! A [`QueueMistake`] breaks one rule on purpose. The tests show that each is found.

mod actions;
mod calls;
mod promises;
mod state;

pub use actions::QueueAction;
pub use promises::{
    CLOCK_STANDS, NEVER_BACK, NUMBERS_ARE_OWN, SHOWN_IS_KEPT, START_IS_OVER, queue_promises,
};
pub use state::{Instance, Progress, QueueState, Reply};

/// The state machine with its bounds.
#[derive(Debug, Clone, Copy)]
pub struct Queue {
    /// Instances of the API.
    pub instances: usize,
    /// People who joined before the start, with a place each.
    pub early: u8,
    /// Largest number of calls that let somebody join.
    pub joins: u8,
    /// Ticks of the clock. The sale opens with the first one.
    pub ticks: u8,
    /// Whether Redis may fail over.
    pub failover: bool,
    /// Whether the clock of the replica that takes over may be behind, before the opening of the sale.
    pub clock_set_back: bool,
    /// Whether an instance may die.
    pub kill: bool,
    /// Whether the outbox may be full for a while.
    pub outbox_full: bool,
    /// The rule that is broken, if any.
    pub mistake: Option<QueueMistake>,
}

/// A rule of the design, broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueMistake {
    /// Calls do not bring what their instance has seen.
    MarkNotBrought,
    /// Calls do not bring that the start is over.
    StartNotBrought,
    /// The late numbers of Redis and the instance are not compared.
    NumberNotCompared,
    /// The thresholds of Redis are moved, whatever the instance has seen.
    ThresholdsNotCompared,
    /// Redis decides by what the instance has seen, and does not keep it.
    MarkNotKept,
    /// Every call moves the clock by a tick, however little time has passed.
    EveryCallMoves,
    /// The clock runs while the outbox is full.
    ClockRunsWhileFull,
}
