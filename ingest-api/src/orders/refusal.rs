use std::time::Duration;

use fluxgate_domain::ids::OrderId;
use fluxgate_gate::GateError;

use crate::boot_instant::BootInstant;
use crate::queue::QueueError;
use crate::sales::SaleLookupError;
use crate::sold_out::RefusalReason;

/// Why an order was not taken. A refusal binds no key: the buyer may use the key again.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No store knows the sale.
    #[error("no sale of this product")]
    UnknownProduct,
    /// The sale opens later.
    #[error("the sale is not open yet")]
    NotOpen {
        /// Milliseconds until it opens; 0: as soon as its opening is published.
        opens_in_ms: u64,
    },
    /// The sale takes no more orders.
    #[error("the sale is closed")]
    Closed,
    /// No unit is left.
    #[error("no units are left")]
    SoldOut,
    /// Fewer units are left than the order requests.
    #[error("fewer units are left than requested")]
    Insufficient,
    /// The user would hold more units than the sale allows.
    #[error("the user would hold more units than the sale allows per user")]
    UserLimit,
    /// The user has left as many orders unpaid as the sale allows.
    #[error("the user has left as many orders unpaid as the sale allows")]
    UnpaidLimit,
    /// The same product, user and key placed an order with another quantity. Also if the ids of two users' orders collide.
    #[error("the key was used before with another quantity")]
    KeyReused,
    /// The same product, user and key placed an order that was cancelled.
    #[error("the key belongs to a cancelled order; a new order needs a new key")]
    Cancelled {
        /// The cancelled order.
        order_id: OrderId,
    },
    /// The same product, user and key placed an order that was not paid in time.
    #[error("the key belongs to an order that was not paid in time; a new order needs a new key")]
    Expired {
        /// The expired order.
        order_id: OrderId,
    },
    /// The same product, user and key placed an order that was rejected.
    #[error("the key belongs to a rejected order; a new order needs a new key")]
    Rejected {
        /// The rejected order.
        order_id: OrderId,
    },
    /// The sale has taken as many orders as its rate allows.
    #[error("the sale takes no more orders at this moment")]
    RateLimited {
        /// Milliseconds until it may take one more.
        wait_ms: u64,
    },
    /// The user has placed as many orders as the sale allows in a window.
    #[error("the user has placed as many orders as the sale allows in its window")]
    UserRateLimited {
        /// Milliseconds until the window ends.
        wait_ms: u64,
    },
    /// The sale has a queue, and the order has no ticket.
    #[error("orders of this sale need a ticket of its queue; join the queue")]
    TicketMissing,
    /// The ticket is forged, or of another sale or user.
    #[error("the ticket is not one of this user for this sale")]
    TicketInvalid,
    /// The turn of the ticket has not begun.
    #[error("it is not the turn of this ticket yet")]
    NotYourTurn {
        /// People who are served before; `None` if the position must not be told yet.
        ahead: Option<u64>,
        /// How long that takes at the pace of the last seconds; `None` if the queue has stopped.
        estimate: Option<Duration>,
    },
    /// The turn of the ticket has ended.
    #[error("the turn of this ticket is over; join the queue again, at its end")]
    TurnOver,
    /// The queue of the sale did not tell whose turn it is.
    #[error(transparent)]
    Queue(#[from] Box<QueueError>),
    /// The outbox of the sale is at OUTBOX_MAX.
    #[error("too many orders of this sale are waiting to be published")]
    OutboxFull,
    /// IN_FLIGHT_MAX orders wait for Redis on this HTTP thread.
    #[error("too many orders are waiting for Redis")]
    QueueFull,
    /// Redis has lost acknowledged orders or the whole sale, so it must not sell.
    #[error("Redis has lost data of this sale")]
    RedisBehind,
    /// Neither Redis nor PostgreSQL can tell whether the sale exists.
    #[error("PostgreSQL is unavailable")]
    Undecided,
    /// Redis gave no usable answer. A retry with the same key tells whether the order was taken.
    #[error("{error}")]
    Unanswered {
        /// The id of the order, if it was taken.
        order_id: OrderId,
        /// The cause.
        error: GateError,
    },
    /// Redis gave no usable answer about the sale.
    #[error(transparent)]
    Gate(#[from] GateError),
}

impl From<SaleLookupError> for Refusal {
    fn from(error: SaleLookupError) -> Self {
        match error {
            SaleLookupError::Unknown => Self::UnknownProduct,
            SaleLookupError::Over(_) => Self::Closed,
            SaleLookupError::Lost => Self::RedisBehind,
            SaleLookupError::Undecided => Self::Undecided,
            SaleLookupError::Gate(error) => Self::Gate(error),
        }
    }
}

impl From<RefusalReason> for Refusal {
    fn from(reason: RefusalReason) -> Self {
        match reason {
            RefusalReason::SoldOut => Self::SoldOut,
            RefusalReason::Closed => Self::Closed,
            RefusalReason::NotOpen { opens_at } => {
                let opens_in_ms = opens_at.since(BootInstant::now()).as_millis();
                Self::NotOpen {
                    opens_in_ms: u64::try_from(opens_in_ms).unwrap_or(u64::MAX),
                }
            }
        }
    }
}

impl Refusal {
    /// The stable code for clients and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownProduct => "unknown_product",
            Self::NotOpen { .. } => "sale_not_open",
            Self::Closed => "sale_closed",
            Self::SoldOut => "sold_out",
            Self::Insufficient => "insufficient_stock",
            Self::UserLimit => "user_limit_reached",
            Self::UnpaidLimit => "unpaid_limit_reached",
            Self::KeyReused => "idempotency_key_reused",
            Self::Cancelled { .. } => "order_cancelled",
            Self::Expired { .. } => "order_expired",
            Self::Rejected { .. } => "order_rejected",
            Self::RateLimited { .. } | Self::UserRateLimited { .. } => "rate_limited",
            Self::TicketMissing => "ticket_required",
            Self::TicketInvalid => "invalid_ticket",
            Self::NotYourTurn { .. } => "not_your_turn",
            Self::TurnOver => "turn_over",
            Self::OutboxFull | Self::QueueFull => "overloaded",
            Self::Queue(error) => error.code(),
            Self::RedisBehind | Self::Undecided | Self::Unanswered { .. } | Self::Gate(_) => {
                "unavailable"
            }
        }
    }
}
