//! The input of the checker: what clients asked about one sale, and what they were answered.

use crate::exchange::{Exchange, OrderAnswer};
use crate::order::Sale;

/// Everything that was asked about one sale. In a sale a buyer has one idempotency key.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    pub sale: &'a Sale,
    /// What requests call the sale.
    pub number: u16,
    /// Of this sale and of others, in any order.
    pub exchanges: &'a [Exchange],
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
    /// The API may be behind a proxy, which answers 429 and 5xx in its own way.
    pub behind_proxy: bool,
}

impl<'a> History<'a> {
    /// The exchanges about this sale.
    pub(super) fn own(self) -> impl Iterator<Item = &'a Exchange> {
        let all = self.exchanges.iter();
        all.filter(move |it| it.request.sale == self.number)
    }

    /// The requests for orders, by buyer and in the order of sending.
    pub fn orders(self) -> Vec<OrderAnswer> {
        let mut orders: Vec<_> = self.own().filter_map(Exchange::order_answer).collect();
        orders.sort_unstable_by_key(|it| (it.buyer, it.sent_us));
        orders
    }
}
