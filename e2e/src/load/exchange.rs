//! Requests and their answers, and how the checker takes them.

use fluxgate_domain::ids::{IdempotencyKey, OrderId, RestockId};
use serde::Serialize;

use super::Request;
use crate::answer::{Failure, Response};
use crate::checker::{self, AdminAnswer, AdminCall, AdminOutcome, Answer, OrderAnswer, StatusRead};
use crate::order::{Action, Sale, restock_key};

/// Unexpected answers of one sale that the checker is told of.
const UNEXPECTED_MAX: usize = 1_000;

/// A request and its answer: 80 bytes. Times are microseconds since the run began.
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
    /// As the answer to an order.
    pub fn answer(&self) -> Answer {
        self.answer_in_contract().unwrap_or(Answer::Undecided)
    }

    pub fn order_id(&self) -> Option<OrderId> {
        self.response.order().map(|it| it.id)
    }

    /// As the answer to an order; none where the contract does not have it.
    fn answer_in_contract(&self) -> Option<Answer> {
        match &self.response {
            Response::Order(order) => Some(Answer::Placed {
                id: order.id,
                status: order.status,
                replayed: order.replayed,
            }),
            Response::Refused { http, code } => Answer::refused(*http, code),
            Response::NoAnswer(_) => Some(Answer::Undecided),
            Response::Sale(_) | Response::Unexpected { .. } => None,
        }
    }

    /// As the outcome of an admin call; none where the contract does not have it.
    fn outcome_in_contract(&self) -> Option<AdminOutcome> {
        match (&self.response, self.answer_in_contract()) {
            (Response::Order(_) | Response::Sale(_), _) => Some(AdminOutcome::Done),
            (_, Some(Answer::SaleClosed)) => Some(AdminOutcome::SaleClosed),
            (_, Some(Answer::Undecided)) => Some(AdminOutcome::Undecided),
            _ => None,
        }
    }
}

/// What was asked about one sale, as the checker takes it. A proxy may answer 429 and 5xx in its own way.
pub fn of_sale(
    number: u16,
    sale: &Sale,
    exchanges: &[Exchange],
    behind_proxy: bool,
) -> checker::History {
    let mut history = checker::History::default();
    for it in exchanges.iter().filter(|it| it.request.sale == number) {
        let tolerated = behind_proxy && it.response.failure().is_some();
        if !add(&mut history, sale, it) && !tolerated && history.unexpected.len() < UNEXPECTED_MAX {
            let (action, response) = (&it.request.action, &it.response);
            let text = format!("{action:?} was answered {response:?}");
            history.unexpected.push(text);
        }
    }
    history
}

/// Adds one exchange; false where the contract does not have its answer.
fn add(history: &mut checker::History, sale: &Sale, it: &Exchange) -> bool {
    let (sent_us, done_us, answer) = (it.sent_us, it.done_us, it.answer_in_contract());
    let undecided = Answer::Undecided;
    let call = match it.request.action {
        Action::Order { buyer, quantity } => {
            // Elsewhere the order cannot exist.
            let failure = it.response.failure();
            if failure.is_none_or(Failure::may_have_ordered) {
                history.orders.push(OrderAnswer {
                    sent_us,
                    done_us,
                    buyer,
                    quantity,
                    answer: answer.unwrap_or(undecided),
                });
            }
            return answer.is_some();
        }
        Action::ReadStatus(_) => {
            let shown = it.response.order();
            history.status_reads.extend(shown.map(|order| StatusRead {
                sent_us,
                done_us,
                id: order.id,
                status: order.status,
            }));
            return shown.is_some() || answer == Some(undecided);
        }
        Action::ReadSale => {
            let is_sale = matches!(it.response, Response::Sale(_));
            return is_sale || answer == Some(undecided);
        }
        Action::Cancel(id) => AdminCall::Cancel(id),
        Action::Restock { number, units } => AdminCall::Restock {
            change_id: change_id(sale, number),
            units: units.into(),
        },
        Action::Close => AdminCall::Close,
    };
    let expected = it.outcome_in_contract();
    history.admin_calls.push(AdminAnswer {
        sent_us,
        done_us,
        call,
        outcome: expected.unwrap_or(AdminOutcome::Undecided),
    });
    expected.is_some()
}

/// The id that a restock has in `sale_changes`.
fn change_id(sale: &Sale, number: u32) -> String {
    let key = IdempotencyKey::parse(&restock_key(number)).expect("letters and digits are a key");
    RestockId::derive(&sale.product, &key).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::history::tests::{UNANSWERED, history, placed, refused};

    #[test]
    fn only_answers_outside_the_contract_are_unexpected_and_a_proxys_own_are_tolerated() {
        let answers = [
            placed(),
            UNANSWERED,
            Response::NoAnswer(Failure::Refused),
            refused(409, "sold_out"),
            refused(503, "unavailable"),
            refused(429, "rate_limited"),
            refused(404, "x"),
        ];
        let tries: Vec<_> = (0..)
            .zip(answers)
            .map(|(buyer, it)| (buyer, 9, it))
            .collect();
        let mut history = history(&tries);
        for (behind_proxy, unexpected) in [(true, 1), (false, 2)] {
            history.player.behind_proxy = behind_proxy;
            let input = history.of_sale(0);
            assert_eq!(input.unexpected.len(), unexpected, "{:?}", input.unexpected);
            // Without a connection, or where it was limited, there is no order.
            let buyers: Vec<_> = input.orders.iter().map(|it| it.buyer).collect();
            assert_eq!(buyers, [0, 1, 3, 4, 6]);
        }
    }
}
