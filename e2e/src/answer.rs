//! What comes back for a request.

use std::fmt;

use fluxgate_domain::ids::OrderId;
pub use fluxgate_domain::order_status::OrderStatus as Status;
use serde::{Deserialize, Serialize};

/// What came back for one request: 24 bytes, because a load keeps millions of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// The order that was placed, read or cancelled.
    Order(OrderShown),
    /// The sale that was read, restocked or closed.
    Sale(SaleShown),
    /// A problem with its code.
    Refused { http: u16, code: Box<str> },
    /// The request may have had its effect or not.
    NoAnswer(Failure),
    /// An answer that is not in the contract, with headers and body.
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
}

/// What an answer means to a buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 202 for an order; 200 where it was read or cancelled.
    Placed(OrderShown),
    SoldOut,
    /// Fewer units are left than were asked for.
    InsufficientStock,
    SaleClosed,
    /// The key belongs to an order of another quantity.
    KeyReused,
    /// 503 or no answer: the order may exist or not.
    Undecided,
}

/// The refusals that the contract has: status, code and meaning.
pub(crate) const REFUSALS: [(u16, &str, Answer); 6] = [
    (409, "sold_out", Answer::SoldOut),
    (409, "insufficient_stock", Answer::InsufficientStock),
    (409, "sale_closed", Answer::SaleClosed),
    (422, "idempotency_key_reused", Answer::KeyReused),
    (503, "unavailable", Answer::Undecided),
    (503, "overloaded", Answer::Undecided),
];

/// Why a request has to be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No connection.
    Refused,
    /// The connection broke before the whole answer was there.
    Reset,
    /// No answer in time.
    TimedOut,
    /// 429 or 5xx, from the API or from a proxy that could not reach it.
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
            Self::Order(order) => Some(*order),
            _ => None,
        }
    }

    /// What it means; none where the contract does not have it.
    pub fn answer(&self) -> Option<Answer> {
        match self {
            Self::Order(order) => Some(Answer::Placed(*order)),
            Self::Refused { http, code } => {
                let refusal = REFUSALS.iter().find(|it| (it.0, it.1) == (*http, code));
                refusal.map(|it| it.2)
            }
            Self::NoAnswer(_) => Some(Answer::Undecided),
            Self::Sale(_) | Self::Unexpected { .. } => None,
        }
    }

    /// Whether what was asked for is done.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Order(_) | Self::Sale(_))
    }

    /// Whether it is a problem with this code.
    pub fn is_refused(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if **code == *wanted)
    }

    /// Whether it leaves open what became of the request: only a repeat can tell.
    pub fn is_undecided(&self) -> bool {
        match self {
            Self::Order(_) | Self::Sale(_) => false,
            Self::Refused { http, .. } => *http >= 500,
            Self::NoAnswer(_) | Self::Unexpected { .. } => true,
        }
    }

    /// Why the request has to be sent again; nothing where the answer is final.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::NoAnswer(failure) => Some(*failure),
            Self::Refused { http, .. } if *http == 429 || *http >= 500 => {
                Some(Failure::Status(*http))
            }
            // A proxy's answer for an API that it cannot reach is no problem document.
            Self::Unexpected { http, .. } if (502..=504).contains(http) => {
                Some(Failure::Status(*http))
            }
            _ => None,
        }
    }
}

impl Answer {
    /// The order, where the answer names one.
    pub fn order_id(self) -> Option<OrderId> {
        match self {
            Self::Placed(order) => Some(order.id),
            _ => None,
        }
    }

    /// The code of a refusal, or what came instead.
    pub fn code(self) -> &'static str {
        match self {
            Self::Placed(_) => "202",
            Self::Undecided => "nothing",
            refusal => REFUSALS
                .iter()
                .find(|it| it.2 == refusal)
                .map_or("", |it| it.1),
        }
    }
}

impl Failure {
    /// Whether the order may exist all the same.
    pub fn may_have_ordered(self) -> bool {
        !matches!(self, Self::Refused | Self::Status(429))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("refused"),
            Self::Reset => f.write_str("reset"),
            Self::TimedOut => f.write_str("timeout"),
            Self::Status(http) => write!(f, "status {http}"),
        }
    }
}
