//! What buyers are told.

use std::time::Duration;

use fluxgate_domain::ids::OrderId;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::order::Order;

/// How far an order has come, by the API's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// In the outbox; will be published.
    Reserved,
    /// On Kafka.
    Accepted,
    /// A row in PostgreSQL that has its units.
    Confirmed,
    /// A row in PostgreSQL without units.
    Rejected,
    /// Given back.
    Cancelled,
}

impl Status {
    /// An order's rank never falls.
    pub fn rank(self) -> u8 {
        match self {
            Self::Reserved | Self::Accepted => 0,
            Self::Confirmed | Self::Rejected => 1,
            Self::Cancelled => 2,
        }
    }
}

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// 202, with the order that was asked for.
    Accepted {
        /// The order.
        id: OrderId,
        /// How far it is.
        status: Status,
        /// Whether it was marked as the answer to a retry.
        replayed: bool,
    },
    /// A problem with its code.
    Refused {
        /// HTTP status.
        http: u16,
        /// The machine-readable code.
        code: String,
    },
    /// No answer, so that the order may or may not exist.
    Silence(String),
    /// An answer that the contract does not know.
    Broken {
        /// HTTP status.
        http: u16,
        /// Headers and body.
        text: String,
    },
}

impl Outcome {
    /// The order, where the answer names one.
    pub fn order_id(&self) -> Option<OrderId> {
        match self {
            Self::Accepted { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// Whether the buyer knows nothing about the order: only the same key can tell.
    pub fn is_undecided(&self) -> bool {
        match self {
            Self::Accepted { .. } => false,
            Self::Refused { http, .. } => *http >= 500,
            Self::Silence(_) | Self::Broken { .. } => true,
        }
    }

    /// Whether the sale had no unit left.
    pub fn is_sold_out(&self) -> bool {
        matches!(self, Self::Refused { http: 409, code } if code == "sold_out")
    }
}

/// One attempt and what came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was asked.
    pub order: Order,
    /// When it was sent.
    pub sent_at: Instant,
    /// From sending to the whole answer.
    pub latency: Duration,
    /// What came back.
    pub outcome: Outcome,
}
