//! Each answer against the contract.

use super::{View, Violation, quantity};
use crate::faults::history::{Ask, Asked, Reply};

pub fn violations(view: &View<'_>) -> Vec<Violation> {
    let unexpected = view.asked.iter().filter(|it| !is_expected(view, it));
    unexpected
        .map(|it| Violation::Unexpected {
            asked: format!("{:?}", it.ask),
            answer: format!("{:?}", it.reply),
        })
        .collect()
}

fn is_expected(view: &View<'_>, asked: &Asked) -> bool {
    match (&asked.ask, &asked.reply) {
        (_, Reply::Broken { .. }) => false,
        (_, Reply::Silence { .. }) => true,
        (_, Reply::Refused { http: 503, code }) => code == "unavailable" || code == "overloaded",
        (Ask::Order { .. }, Reply::Refused { http: 409, code }) => match code.as_str() {
            "sold_out" => true,
            // Something is left, less than was asked for.
            "insufficient_stock" => quantity(&asked.ask) > 1,
            "sale_closed" => is_closing(view, asked),
            _ => false,
        },
        (Ask::Order { user, .. }, Reply::Refused { http: 422, code }) => {
            let others = view.keys.get(user.as_str()).into_iter().flatten();
            let mut others = others.filter(|it| it.sent_us < asked.done_us);
            code == "idempotency_key_reused"
                && others.any(|it| quantity(&it.ask) != quantity(&asked.ask))
        }
        (Ask::Restock { .. }, Reply::Refused { http: 409, code }) => {
            code == "sale_closed" && is_closing(view, asked)
        }
        (_, Reply::Refused { .. }) => false,
        (Ask::Order { .. } | Ask::Status { .. } | Ask::Cancel { .. }, reply) => {
            matches!(reply, Reply::Order { .. })
        }
        (
            _,
            Reply::Sale {
                total, remaining, ..
            },
        ) => (0..=*total).contains(remaining),
        (_, Reply::Order { .. }) => false,
    }
}

/// Whether somebody had asked for the end of the sale.
fn is_closing(view: &View<'_>, asked: &Asked) -> bool {
    let mut closings = view.asked.iter();
    closings.any(|it| matches!(it.ask, Ask::Close { .. }) && it.sent_us < asked.done_us)
}
