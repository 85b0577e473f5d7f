//! One request and its answer: what the load player records and the checker reads.

use fluxgate_domain::ids::OrderId;
use serde::Serialize;

use crate::answer::{Answer, Failure, Response};
use crate::order::Action;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Request {
    /// The index of its sale.
    pub sale: u16,
    pub action: Action,
}

/// A request and its answer: 80 bytes, so that a run of ten million orders fits into memory. Times are microseconds
/// since the run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exchange {
    #[serde(flatten)]
    pub request: Request,
    /// Which instance of the API was asked, from 0.
    pub instance: u16,
    /// 1 for the first try.
    pub number: u8,
    pub due_us: u64,
    pub sent_us: u64,
    /// When the answer was complete, or the caller stopped waiting.
    pub done_us: u64,
    pub response: Response,
}

/// What an exchange says of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderAnswer {
    pub sent_us: u64,
    pub done_us: u64,
    pub buyer: u32,
    pub quantity: u32,
    pub answer: Answer,
}

impl Exchange {
    /// What the answer means; undecided where the contract does not have it.
    pub fn answer(&self) -> Answer {
        self.response.answer().unwrap_or(Answer::Undecided)
    }

    pub fn order_id(&self) -> Option<OrderId> {
        self.response.order().map(|it| it.id)
    }

    /// As the answer to an order; none where nothing was ordered: without a connection, or where it was limited.
    pub fn order_answer(&self) -> Option<OrderAnswer> {
        let Action::Order { buyer, quantity } = self.request.action else {
            return None;
        };
        let failure = self.response.failure();
        let order = OrderAnswer {
            sent_us: self.sent_us,
            done_us: self.done_us,
            buyer,
            quantity,
            answer: self.answer(),
        };
        failure
            .is_none_or(Failure::may_have_ordered)
            .then_some(order)
    }

    /// Whether the contract has this answer to this request.
    pub fn is_in_contract(&self) -> bool {
        let answer = self.response.answer();
        match self.request.action {
            Action::Order { .. } => answer.is_some(),
            _ if self.response.is_done() || answer == Some(Answer::Undecided) => true,
            Action::ReadStatus(_) | Action::ReadSale => false,
            Action::Cancel(_) | Action::Restock { .. } | Action::Close => {
                answer == Some(Answer::SaleClosed)
            }
        }
    }
}
