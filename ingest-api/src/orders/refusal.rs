use fluxgate_domain::ids::OrderId;

use crate::sales::SaleLookupError;
use fluxgate_gate::GateError;

/// Why an order was not taken. A refusal binds no key: the buyer may try again with it.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such sale.
    #[error("there is no sale of this product")]
    UnknownProduct,
    /// It opens later.
    #[error("the sale has not opened yet")]
    NotOpen {
        /// Milliseconds until it does; 0: any moment.
        opens_in_ms: u64,
    },
    /// It is over.
    #[error("the sale is over")]
    Closed,
    /// Nothing is left.
    #[error("everything is sold")]
    SoldOut,
    /// Less is left than was asked for.
    #[error("fewer units are left than were asked for")]
    Insufficient,
    /// The buyer would hold more than the sale allows.
    #[error("the buyer's limit in this sale is reached")]
    UserLimit,
    /// The same product, user and key ordered another quantity before.
    #[error("this key was used before for another quantity")]
    KeyReused,
    /// Too much waits for Kafka.
    #[error("too many orders wait to be published")]
    OutboxFull,
    /// Redis has lost acknowledged orders, or the whole sale: it must not sell.
    #[error("the sale's data in Redis is not complete")]
    RedisBehind,
    /// Nobody can tell whether the sale exists.
    #[error("PostgreSQL does not answer")]
    Undecided,
    /// Redis gave no usable answer; whether units were taken, the same key will tell.
    #[error("{error}")]
    Unanswered {
        /// The order as which they were, if they were.
        order_id: OrderId,
        /// What went wrong.
        error: GateError,
    },
    /// Redis gave no usable answer about the sale.
    #[error(transparent)]
    ReservationStore(#[from] GateError),
}

impl From<SaleLookupError> for Refusal {
    fn from(absence: SaleLookupError) -> Self {
        match absence {
            SaleLookupError::Unknown => Self::UnknownProduct,
            SaleLookupError::Closed => Self::Closed,
            SaleLookupError::Lost => Self::RedisBehind,
            SaleLookupError::Undecided => Self::Undecided,
            SaleLookupError::ReservationStore(error) => Self::ReservationStore(error),
        }
    }
}

impl Refusal {
    /// The stable code, as the buyer and the metrics see it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownProduct => "unknown_product",
            Self::NotOpen { .. } => "sale_not_open",
            Self::Closed => "sale_closed",
            Self::SoldOut => "sold_out",
            Self::Insufficient => "insufficient_stock",
            Self::UserLimit => "user_limit_reached",
            Self::KeyReused => "idempotency_key_reused",
            Self::OutboxFull => "overloaded",
            Self::RedisBehind
            | Self::Undecided
            | Self::Unanswered { .. }
            | Self::ReservationStore(_) => "unavailable",
        }
    }
}
