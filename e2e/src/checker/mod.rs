//! Compares the answers that clients got with the contents of the stores: the one history checker of the demo, the
//! end-to-end tests, rehearsals, scale runs and fault runs.
//!
//! It is pure, so that its own tests can show that every rule finds its violation. It checks one sale at a time and
//! assumes one key per buyer.
//!
//! | module | holds |
//! |---|---|
//! | [`History`] | input: requests and their answers, as the load player records them |
//! | [`store_contents`] | input: rows, ledger, changes, dead letters, Redis, lag |
//! | `orders` | one key, one order; every 202 a row; every row an answer |
//! | `statuses` | statuses never go backwards |
//! | `changes` | cancels, completions, restocks and closings |
//! | `holds` | orders that have to be paid: completed or expired, never both, and their units |
//! | `stock` | units, sequence numbers, sell-outs |
//! | [`violation`] | output |

pub mod store_contents;
pub mod violation;

pub use store_contents::{
    AdminCall, DeadLetter, Lag, Ledger, RedisHolds, RedisSale, Row, StoreContents,
};
pub use violation::{Loss, Violation, judge};

mod changes;
mod holds;
mod orders;
#[cfg(test)]
pub(crate) mod script;
mod statuses;
mod stock;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::iter;

use fluxgate_domain::ids::OrderId;

use crate::answer::{Refusal, Response};
use crate::exchange::Exchange;
use crate::order;

/// Everything that was asked about one sale. In a sale a buyer has one idempotency key.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    pub sale: &'a order::Sale,
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
    fn own(self) -> impl Iterator<Item = &'a Exchange> {
        let all = self.exchanges.iter();
        all.filter(move |it| it.request.sale == self.number)
    }

    /// The requests for orders, by buyer and in the order of sending.
    pub fn orders(self) -> Vec<&'a Exchange> {
        let mut orders: Vec<_> = self.own().filter(|it| it.buyer().is_some()).collect();
        orders.sort_unstable_by_key(|it| (it.buyer(), it.sent_us));
        orders
    }
}

/// Calls `report` with every violation that the history and the stores prove. A run with millions of orders can prove
/// millions of violations: the caller decides how many to keep.
pub fn check(history: History<'_>, contents: &StoreContents, report: &mut impl FnMut(Violation)) {
    let sale = Sale::new(history, contents);
    for it in sale.unexpected() {
        let text = format!("{:?} was answered {:?}", it.request.action, it.response);
        report(Violation::UnexpectedAnswer { text });
    }
    for buyer in sale.buyers() {
        orders::check(&sale, &buyer, report);
        statuses::check(&sale, &buyer, report);
    }
    changes::check(&sale, report);
    holds::check(&sale, report);
    stock::check(&sale, report);
}

/// The same, collected.
pub fn violations(history: History<'_>, contents: &StoreContents) -> Vec<Violation> {
    let mut found = Vec::new();
    check(history, contents, &mut |violation| found.push(violation));
    found
}

/// One sale under inspection.
struct Sale<'a> {
    /// None if its orders do not have to be paid.
    holds: Option<order::Holds>,
    contents: &'a StoreContents,
    expectations: Expectations,
    exchanges: Vec<&'a Exchange>,
    /// By buyer, and in the order of sending.
    orders: Vec<&'a Exchange>,
    /// By buyer. A row without a buyer belongs to none.
    rows: Vec<&'a Row>,
    admin_calls: Vec<(AdminCall, &'a Exchange)>,
    dead_orders: HashSet<OrderId>,
    /// What reads, cancels and completions showed, by order.
    reads: HashMap<OrderId, Vec<&'a Exchange>>,
    /// When the first closing was sent.
    close_sent_us: Option<u64>,
    /// When the first closing was answered.
    closed_us: Option<u64>,
    /// Whether a cancel or a restock was asked for, or an order has expired.
    units_come_back: bool,
}

/// One buyer of a sale.
struct Buyer<'a> {
    number: u32,
    /// In the order of sending.
    answers: &'a [&'a Exchange],
    rows: &'a [&'a Row],
}

/// What a buyer is called in sentences.
fn name(buyer: u32) -> String {
    format!("buyer-{buyer}")
}

impl<'a> Sale<'a> {
    fn new(history: History<'a>, contents: &'a StoreContents) -> Self {
        let exchanges: Vec<_> = history.own().collect();
        let rows = contents.rows.iter();
        let mut rows: Vec<_> = rows.filter(|row| row.buyer.is_some()).collect();
        rows.sort_unstable_by_key(|row| row.buyer);
        let call = |it: &&'a Exchange| {
            let call = AdminCall::asked(&history.sale.product, &it.request.action);
            call.map(|call| (call, *it))
        };
        let admin_calls: Vec<_> = exchanges.iter().filter_map(call).collect();
        let closings = admin_calls.iter().filter(|it| it.0 == AdminCall::Close);
        let closed = closings.clone().filter(|it| it.1.response.is_done());
        Self {
            holds: history.sale.holds,
            contents,
            expectations: history.expectations,
            dead_orders: contents.dead_orders(),
            reads: statuses::reads(&exchanges),
            close_sent_us: closings.clone().map(|it| it.1.sent_us).min(),
            closed_us: closed.map(|it| it.1.done_us).min(),
            units_come_back: admin_calls.iter().any(|it| it.0.returns_units())
                || !contents.expiries.is_empty(),
            exchanges,
            orders: history.orders(),
            rows,
            admin_calls,
        }
    }

    /// The answers that break the contract and are not a proxy's own.
    fn unexpected(&self) -> impl Iterator<Item = &'a Exchange> {
        let behind_proxy = self.expectations.behind_proxy;
        let exchanges = self.exchanges.iter().copied();
        exchanges.filter(move |it| {
            let is_unexpected = matches!(it.response, Response::Unexpected { .. });
            is_unexpected && !(behind_proxy && it.response.failure().is_some())
        })
    }

    /// Each buyer who asked for an order or has a row.
    fn buyers(&self) -> impl Iterator<Item = Buyer<'_>> {
        let (mut answers, mut rows) = (self.orders.as_slice(), self.rows.as_slice());
        iter::from_fn(move || {
            let asked = answers.first().and_then(|it| it.buyer());
            let written = rows.first().and_then(|row| row.buyer);
            let number = asked.into_iter().chain(written).min()?;
            let asked_by = |it: &&Exchange| it.buyer() == Some(number);
            let (own, others) = answers.split_at(answers.partition_point(asked_by));
            let of_buyer = |row: &&Row| row.buyer == Some(number);
            let (own_rows, other_rows) = rows.split_at(rows.partition_point(of_buyer));
            (answers, rows) = (others, other_rows);
            Some(Buyer {
                number,
                answers: own,
                rows: own_rows,
            })
        })
    }

    /// Whether a closing had been sent before this time.
    fn is_closing(&self, before_us: u64) -> bool {
        self.close_sent_us
            .is_some_and(|sent_us| sent_us < before_us)
    }
}
