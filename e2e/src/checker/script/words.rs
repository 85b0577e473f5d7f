//! The words of a script.

use std::fmt::Debug;
use std::str::FromStr;

use fluxgate_domain::ids::OrderId;

use crate::answer::{Failure, OrderShown, REFUSALS, Response, SaleShown, Status};
use crate::order::Action;

pub fn id(buyer: u32) -> OrderId {
    parse(&format!("018bcfe5-6800-8abc-9def-{buyer:012x}"))
}

/// The answer to the order of a buyer.
pub fn accepted(buyer: u32) -> Response {
    response(Action::Order { buyer, quantity: 1 }, "accepted")
}

pub fn action(words: &[&str]) -> Action {
    let pair = |word: &str| {
        let (number, units) = word.split_once('*').unwrap_or((word, "1"));
        (parse(number), parse(units))
    };
    match *words {
        ["order", order] => {
            let (buyer, quantity) = pair(order);
            Action::Order { buyer, quantity }
        }
        ["read", buyer] => Action::ReadStatus(id(parse(buyer))),
        ["read"] => Action::ReadSale,
        ["complete", buyer] => Action::Complete(id(parse(buyer))),
        ["cancel", buyer] => Action::Cancel(id(parse(buyer))),
        ["restock", restock] => {
            let (number, units) = pair(restock);
            Action::Restock { number, units }
        }
        ["close"] => Action::Close,
        _ => panic!("no such step: {words:?}"),
    }
}

pub fn response(action: Action, answer: &str) -> Response {
    let refusal = REFUSALS.iter().find(|it| it.1 == answer);
    if let Some((_, _, refusal)) = refusal {
        return Response::Refused(*refusal);
    }
    if let Ok(http) = answer.parse() {
        let text = "?".into();
        return Response::Unexpected { http, text };
    }
    let (status, other) = answer.split_once('#').unwrap_or((answer, ""));
    let id = match action {
        _ if !other.is_empty() => id(parse(other)),
        Action::Order { buyer, .. } => id(buyer),
        Action::ReadStatus(id) | Action::Cancel(id) | Action::Complete(id) => id,
        _ => id(0),
    };
    match (answer, action) {
        ("unanswered", _) => Response::NoAnswer(Failure::TimedOut),
        ("unconnected", _) => Response::NoAnswer(Failure::Refused),
        ("done", Action::Restock { .. } | Action::Close) => {
            let (total, remaining, held) = (0, 0, 0);
            Response::Sale(SaleShown {
                total,
                remaining,
                held,
            })
        }
        ("pending", _) => Response::Pending(OrderShown {
            id,
            status: Status::Confirmed,
            replayed: false,
        }),
        _ => Response::Order(OrderShown {
            id,
            status: match status.trim_end_matches('+') {
                "done" if matches!(action, Action::Complete(_)) => Status::Completed,
                "done" => Status::Cancelled,
                status => parse(status),
            },
            replayed: status.ends_with('+'),
        }),
    }
}

pub fn parse<T: FromStr<Err: Debug>>(word: &str) -> T {
    word.parse().unwrap()
}
