//! The queue in front of a sale: people join it, and are let through in their turns. Nothing is stored per person; see
//! `fluxgate_domain::queue`. [`Queues`] finds the [`SaleQueue`] of a sale; each has one task, which serves it and lets people join.

#[cfg(test)]
pub mod fixture;
mod join_request;
mod proof_of_work;
mod queue_map;
mod queue_snapshot;
mod queue_task;
mod queues;
mod sale_queue;
mod secret_check;
mod stalled_clock;

pub use proof_of_work::{ProofOfWork, WorkError, WorkKey};
pub use queue_snapshot::QueueSnapshot;
pub use queues::Queues;
pub use sale_queue::{SaleQueue, SignedTicket};
pub use secret_check::SecretCheck;

use std::time::Duration;

use fluxgate_gate::GateError;

/// Why a queue did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The sale has none.
    #[error("the sale has no queue")]
    NoQueue,
    /// One cannot join yet.
    #[error("one cannot join the queue yet")]
    NotOpen {
        /// How long.
        opens_in: Duration,
    },
    /// Nobody can join any more.
    #[error("nobody can join the queue any more")]
    Ended,
    /// The sale is closed.
    #[error("the sale is closed")]
    Closed,
    /// A limit of the queues is reached.
    #[error("too many people are joining, or too many sales have queues")]
    Overloaded,
    /// QUEUE_SECRETS lacks the secret of this sale.
    #[error("QUEUE_SECRETS lacks the secret of this sale")]
    NoSecret,
    /// Redis has not answered for a while, so nobody knows whose turn it is; or this instance knows old terms of the sale.
    #[error("the state of the queue is not known")]
    Stale,
    /// Redis has lost data of the sale, or the sale is being rebuilt.
    #[error("Redis has lost data of this sale")]
    RedisBehind,
    /// Redis gave no usable answer.
    #[error(transparent)]
    Gate(#[from] GateError),
}

impl QueueError {
    /// The stable code for clients and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoQueue => "no_queue",
            Self::NotOpen { .. } => "join_not_open",
            Self::Ended => "join_ended",
            Self::Closed => "sale_closed",
            Self::Overloaded => "overloaded",
            Self::NoSecret => "queue_secret_missing",
            Self::Stale | Self::RedisBehind | Self::Gate(_) => "unavailable",
        }
    }
}
