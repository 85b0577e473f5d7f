//! One request and its answer: what the load player records and the checker reads.

use std::collections::HashMap;

use fluxgate_domain::ids::OrderId;
use serde::Serialize;

use crate::answer::{Failure, Response, Status};
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

impl Exchange {
    pub fn order_id(&self) -> Option<OrderId> {
        self.response.order().map(|it| it.id)
    }

    pub fn status(&self) -> Option<Status> {
        self.response.order().map(|it| it.status)
    }

    /// Who asked for an order and may have it; none where nothing was ordered: without a connection, or where it was
    /// limited.
    pub fn buyer(&self) -> Option<u32> {
        let failure = self.response.failure();
        match self.request.action {
            Action::Order { buyer, .. } if failure.is_none_or(Failure::may_have_ordered) => {
                Some(buyer)
            }
            _ => None,
        }
    }

    /// Units that were ordered.
    pub fn quantity(&self) -> u32 {
        match self.request.action {
            Action::Order { quantity, .. } => quantity,
            _ => 0,
        }
    }
}

/// The requests whose last answer decided nothing, each once. Reads change nothing, and are not repeated.
pub fn undecided(exchanges: &[Exchange]) -> Vec<Request> {
    let mut last: HashMap<&Request, (u64, bool)> = HashMap::new();
    for it in exchanges.iter().filter(|it| !it.request.action.is_read()) {
        let now = (it.done_us, it.response.is_undecided());
        let last = last.entry(&it.request).or_insert(now);
        *last = now.max(*last);
    }
    let open = last.into_iter().filter(|(_, (_, undecided))| *undecided);
    open.map(|(request, _)| *request).collect()
}
