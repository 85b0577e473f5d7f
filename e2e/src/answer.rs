//! What comes back for a request.

use fluxgate_domain::ids::OrderId;
pub use fluxgate_domain::order_status::OrderStatus as Status;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What came back for one request: 24 bytes, because a load keeps millions of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// The order that was placed, read, completed or cancelled, or what has become of it instead.
    Order(OrderShown),
    /// The order whose completion counts, but is not in its row yet: the request has to be repeated.
    Pending(OrderShown),
    /// The sale that was read, restocked or closed.
    Sale(SaleShown),
    /// A problem that the contract has for this request.
    Refused(Refusal),
    /// The request may have had its effect or not.
    NoAnswer(Failure),
    /// An answer that the contract does not have for this request, with headers and body.
    Unexpected { http: u16, text: Box<str> },
}

/// An order in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OrderShown {
    pub id: OrderId,
    pub status: Status,
    /// Whether it was marked as the answer to a retry.
    pub replayed: bool,
}

/// A sale in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleShown {
    pub total: u32,
    pub remaining: u32,
    /// Units of orders that are not paid, in a sale with holds.
    #[serde(default)]
    pub held: u32,
}

/// A problem of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    SoldOut,
    /// Fewer units are left than were asked for.
    InsufficientStock,
    SaleClosed,
    /// The key belongs to an order of another quantity.
    KeyReused,
    /// The user has left too many orders unpaid.
    UnpaidLimit,
    /// The order does not have to be paid.
    NoHold,
    /// The order may exist or not.
    Unavailable,
    /// The same.
    Overloaded,
}

/// Their statuses and codes.
pub(crate) const REFUSALS: [(u16, &str, Refusal); 8] = [
    (409, "sold_out", Refusal::SoldOut),
    (409, "insufficient_stock", Refusal::InsufficientStock),
    (409, "sale_closed", Refusal::SaleClosed),
    (422, "idempotency_key_reused", Refusal::KeyReused),
    (409, "unpaid_limit_reached", Refusal::UnpaidLimit),
    (409, "no_hold", Refusal::NoHold),
    (503, "unavailable", Refusal::Unavailable),
    (503, "overloaded", Refusal::Overloaded),
];

/// Why a request has to be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Error)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No connection.
    #[error("refused")]
    Refused,
    /// The connection broke before the whole answer was there.
    #[error("reset")]
    Reset,
    /// No answer in time.
    #[error("timeout")]
    TimedOut,
    /// 429 or 5xx, from the API or from a proxy that could not reach it; 202 of a completion.
    #[error("status {0}")]
    Status(u16),
}

impl Response {
    /// A request without an answer.
    pub fn none(error: &reqwest::Error) -> Self {
        Self::NoAnswer(if error.is_timeout() {
            Failure::TimedOut
        } else if error.is_connect() {
            Failure::Refused
        } else {
            Failure::Reset
        })
    }

    pub fn order(&self) -> Option<OrderShown> {
        match self {
            Self::Order(order) | Self::Pending(order) => Some(*order),
            _ => None,
        }
    }

    /// Whether what was asked for is done.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Order(_) | Self::Sale(_))
    }

    pub fn is_refused(&self, refusal: Refusal) -> bool {
        *self == Self::Refused(refusal)
    }

    /// Whether it says that there is no such order.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Unexpected { http: 404, .. })
    }

    /// Whether it leaves open what became of the request: only a repeat can tell.
    pub fn is_undecided(&self) -> bool {
        match self {
            Self::Order(_) | Self::Sale(_) => false,
            Self::Refused(refusal) => refusal.is_temporary(),
            Self::Pending(_) | Self::NoAnswer(_) | Self::Unexpected { .. } => true,
        }
    }

    /// Why the request has to be sent again; nothing where the answer is final.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::NoAnswer(failure) => Some(*failure),
            Self::Pending(_) => Some(Failure::Status(202)),
            Self::Refused(refusal) if refusal.is_temporary() => Some(Failure::Status(503)),
            // The contract has none of these: they may be a proxy's own.
            Self::Unexpected { http, .. } if matches!(http, 429 | 502..=504) => {
                Some(Failure::Status(*http))
            }
            _ => None,
        }
    }
}

impl Refusal {
    /// Whether the same request may be answered otherwise soon.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::Unavailable | Self::Overloaded)
    }

    pub fn code(self) -> &'static str {
        let all = REFUSALS.iter();
        all.map(|it| (it.1, it.2))
            .find(|it| it.1 == self)
            .map_or("", |it| it.0)
    }
}

impl Failure {
    /// Whether the order may exist all the same.
    pub fn may_have_ordered(self) -> bool {
        !matches!(self, Self::Refused | Self::Status(429))
    }
}
