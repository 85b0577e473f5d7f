use fluxgate_domain::ids::Total;
use fluxgate_gate::GateError;

use super::SaleLookupError;

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// No store knows the order.
    #[error("no such order")]
    UnknownOrder,
    /// The order was rejected and never had units.
    #[error("the order was rejected and holds no units")]
    Rejected,
    /// The order was not paid in time.
    #[error("the order was not paid in time, and its units are given back")]
    Expired,
    /// The order was cancelled.
    #[error("the order was cancelled")]
    Cancelled,
    /// The order is paid, so its buyer cannot cancel it.
    #[error("the order is paid; only the shop can cancel it")]
    NotAllowed,
    /// The orders of the sale need not be paid.
    #[error("the sale has no holds: its orders are not completed")]
    NoHold,
    /// The sale was not found.
    #[error(transparent)]
    Sale(#[from] SaleLookupError),
    /// The sale's opening is not on Kafka yet.
    #[error("the sale is not open yet")]
    NotOpen,
    /// The sale has no queue.
    #[error("the sale has no queue")]
    NoQueue,
    /// The sale is closed.
    #[error("the sale is closed")]
    Closed,
    /// The sale would have more units than a sale can have.
    #[error("a sale can have at most {} units", Total::MAX.get())]
    TooMany,
    /// The same key changed the sale in another way.
    #[error("the key was used before with another body")]
    KeyReused,
    /// Too many changes wait in the sale's outbox.
    #[error("too many orders and changes wait for Kafka")]
    OutboxFull,
    /// Redis has lost acknowledged writes.
    #[error("Redis has lost data of this sale")]
    RedisBehind,
    /// Kafka has not acknowledged the change. If Redis has the sale, the change stands: a repeated call or the outbox relay
    /// finishes it.
    #[error("Kafka has not acknowledged the change yet; repeat the call")]
    NotPublished,
    /// PostgreSQL does not show the change of a sale that is over. If Kafka has it, a worker will write it.
    #[error("PostgreSQL does not show the change yet; repeat the call")]
    NotWritten,
    /// Redis gave no usable answer; the change may have been recorded.
    #[error(transparent)]
    Gate(#[from] GateError),
}

impl ChangeError {
    /// Whether Redis answered and does not have the order or sale that was to be changed.
    pub fn is_missing_in_redis(&self) -> bool {
        match self {
            Self::UnknownOrder | Self::RedisBehind => true,
            Self::Sale(error) => !matches!(error, SaleLookupError::Gate(_)),
            _ => false,
        }
    }
}
