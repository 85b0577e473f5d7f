//! What Redis and each instance know of the queue.

use std::collections::BTreeSet;

/// How far a queue has come. Every part of it only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Progress {
    /// Whether the start is over.
    pub is_started: bool,
    /// The highest number that was given to somebody who joined after the start.
    pub late: u8,
    /// Early places that were served.
    pub served_early: u8,
    /// Late numbers that were served.
    pub served_late: u8,
    /// The turn clock.
    pub clock: u8,
}

impl Progress {
    /// The larger of both, part by part.
    pub fn max(self, other: Self) -> Self {
        Self {
            is_started: self.is_started || other.is_started,
            late: self.late.max(other.late),
            served_early: self.served_early.max(other.served_early),
            served_late: self.served_late.max(other.served_late),
            clock: self.clock.max(other.clock),
        }
    }

    /// Whether no part of it is behind `other`.
    pub fn includes(self, other: Self) -> bool {
        self.max(other) == self
    }
}

/// The queue in Redis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Redis {
    /// How far it has come.
    pub progress: Progress,
    /// When it was served last.
    pub paced_at: u8,
}

/// A reply on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reply {
    /// Somebody joined before the start.
    Early,
    /// Somebody joined after it, with this number.
    Late(u8),
    /// The queue was served this far.
    Paced(Progress),
}

/// An instance of the API, with at most one call on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance {
    /// The highest state that it has seen.
    pub mark: Progress,
    /// The reply to its call, if one is on its way.
    pub reply: Option<Reply>,
    /// Whether it has served the queue since Redis lost writes.
    pub has_paced_since_loss: bool,
}

/// The state of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QueueState {
    /// The queue in Redis.
    pub redis: Redis,
    /// The replica since it no longer follows.
    pub replica: Option<Redis>,
    /// Whether the replica has taken over.
    pub has_failed_over: bool,
    /// Redis's clock.
    pub now: u8,
    /// Ticks that have passed.
    pub ticks: u8,
    /// Those of them in which orders could be placed.
    pub open_ticks: u8,
    /// Whether the outbox is full.
    pub is_full: bool,
    /// Whether the outbox was full once.
    pub was_full: bool,
    /// Whether an instance has died.
    pub has_killed: bool,
    /// Calls that let somebody join.
    pub joins: u8,
    /// The instances.
    pub instances: Vec<Instance>,
    /// Numbers that somebody has on a ticket.
    pub given: BTreeSet<u8>,
    /// Numbers up to it had been seen by every instance when Redis lost writes.
    pub seen_by_all: u8,
    /// The highest state that any instance has seen.
    pub shown: Progress,
    /// Whether a number that every instance had seen was given twice.
    pub number_given_twice: bool,
    /// Whether an instance that had seen the start gave an early place.
    pub early_after_start: bool,
    /// Whether an instance has shown less than before.
    pub went_back: bool,
}

impl QueueState {
    /// Whether what an instance had seen may be lost: Redis has lost writes, and an instance its memory.
    pub fn has_lost_both(&self) -> bool {
        self.has_failed_over && self.has_killed
    }
}
