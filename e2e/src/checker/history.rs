//! The input of the checker: what clients asked about one sale, and what they were answered.
//!
//! An order's answer takes 48 bytes, so that a run of ten million orders fits into memory sale by sale.
//! All times are microseconds since the run began.

use fluxgate_domain::ids::OrderId;

use crate::answer::Status;

/// Everything that was asked about one sale. In a sale a buyer has one idempotency key.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Requests for orders, in any order.
    pub orders: Vec<OrderAnswer>,
    /// What `GET /orders/{id}` showed.
    pub status_reads: Vec<StatusRead>,
    /// Cancels, restocks and closings.
    pub admin_calls: Vec<AdminAnswer>,
    /// Every answer that breaks the contract, whatever was asked.
    pub unexpected: Vec<String>,
    /// Rules that hold only in runs of this kind.
    pub expectations: Expectations,
}

/// Rules that hold only in some kinds of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expectations {
    /// Some answer to each order is not marked as a replay, unless an answer was lost on its way to the buyer.
    /// Not so where a proxy may repeat a request, or where a reply may be lost between the API and Redis.
    pub first_answer_unmarked: bool,
    /// `GET /orders/{id}` was repeated for each order until it showed a final status.
    pub final_status_read: bool,
}

/// One request for an order and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct OrderAnswer {
    pub sent_us: u64,
    /// When the answer was complete, or the buyer stopped waiting.
    pub done_us: u64,
    /// The number of the buyer: 7 for `buyer-7`.
    pub buyer: u32,
    pub quantity: u32,
    pub answer: Answer,
}

/// What can come back for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Answer {
    /// 202.
    Placed {
        id: OrderId,
        status: Status,
        /// Whether it was marked as the answer to a retry.
        replayed: bool,
    },
    /// 409 `sold_out`.
    SoldOut,
    /// 409 `insufficient_stock`: fewer units are left than were asked for.
    InsufficientStock,
    /// 409 `sale_closed`.
    SaleClosed,
    /// 422 `idempotency_key_reused`: the key belongs to an order of another quantity.
    KeyReused,
    /// 503, no answer, or an answer listed in [`History::unexpected`]: the order may exist or not.
    Undecided,
}

/// A status that an order was shown with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct StatusRead {
    pub sent_us: u64,
    pub done_us: u64,
    pub id: OrderId,
    pub status: Status,
}

/// One admin call and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct AdminAnswer {
    pub sent_us: u64,
    /// When the answer was complete, or the caller stopped waiting.
    pub done_us: u64,
    pub call: AdminCall,
    pub outcome: AdminOutcome,
}

/// What an admin can ask for, and what the stores can hold of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum AdminCall {
    Cancel(OrderId),
    Restock {
        /// The id that the change has in `sale_changes`, derived from product and key.
        change_id: String,
        units: i64,
    },
    Close,
}

/// What can come back for an admin call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminOutcome {
    /// It is done.
    Done,
    /// 409 `sale_closed`.
    SaleClosed,
    /// 503, no answer, or an answer listed in [`History::unexpected`]: it may have happened or not.
    Undecided,
}

impl OrderAnswer {
    /// The order and its status, where the answer shows them.
    pub fn shown(&self) -> Option<StatusRead> {
        let Answer::Placed { id, status, .. } = self.answer else {
            return None;
        };
        Some(StatusRead {
            sent_us: self.sent_us,
            done_us: self.done_us,
            id,
            status,
        })
    }
}

impl AdminAnswer {
    /// The order that it shows as cancelled, if any.
    pub fn shown(&self) -> Option<StatusRead> {
        match (&self.call, self.outcome) {
            (AdminCall::Cancel(id), AdminOutcome::Done) => Some(StatusRead {
                sent_us: self.sent_us,
                done_us: self.done_us,
                id: *id,
                status: Status::Cancelled,
            }),
            _ => None,
        }
    }
}

impl Answer {
    /// What a problem with this status and code means; `None` where the contract does not have it.
    pub fn refused(http: u16, code: &str) -> Option<Self> {
        match (http, code) {
            (409, "sold_out") => Some(Self::SoldOut),
            (409, "insufficient_stock") => Some(Self::InsufficientStock),
            (409, "sale_closed") => Some(Self::SaleClosed),
            (422, "idempotency_key_reused") => Some(Self::KeyReused),
            (503, "unavailable" | "overloaded") => Some(Self::Undecided),
            _ => None,
        }
    }

    /// The order, where the answer names one.
    pub fn order_id(self) -> Option<OrderId> {
        match self {
            Self::Placed { id, .. } => Some(id),
            _ => None,
        }
    }
}
