//! One key, one order; every promise kept.

use super::super::example::{refused, silence, user};
use super::super::{Ask, DeadLetter, Violation};
use super::{finds, nothing_wrong, sell, unsell};
use crate::answer::Status;

#[test]
fn a_promised_order_that_is_nowhere_is_lost() {
    finds(
        |e| Violation::Lost {
            id: e.id(1),
            accepted: true,
        },
        |e| unsell(e, 1),
    );
    finds(
        |e| Violation::Lost {
            id: e.id(6),
            accepted: false,
        },
        |e| unsell(e, 6),
    );
}

#[test]
fn a_dead_letter_with_a_reason_accounts_for_its_order() {
    nothing_wrong(|e| {
        unsell(e, 1);
        e.sale().numbers.retain(|number| *number != 2);
        let letter = DeadLetter {
            order_id: Some(e.id(1)),
            product_id: e.sale().sale.product.to_string(),
            sequence: 2,
            reason: "unreadable".into(),
        };
        e.end.dead_letters.push(letter);
    });
}

#[test]
fn a_promised_order_without_units_is_rejected() {
    finds(
        |e| Violation::Rejected { id: e.id(3) },
        |e| {
            e.row(3).status = "rejected".into();
            e.ledger().sold = 4;
            e.shelf().remaining = 2;
        },
    );
}

#[test]
fn a_row_with_another_quantity_is_altered() {
    finds(
        |e| Violation::Altered { id: e.id(3) },
        |e| {
            e.row(3).quantity = 2;
            e.ledger().sold = 6;
            e.shelf().remaining = 0;
        },
    );
}

#[test]
fn a_replay_that_gives_another_order_is_doubled() {
    finds(
        |e| {
            let mut ids = vec![e.id(2), e.id(9)];
            ids.sort_unstable();
            Violation::Doubled { user: user(2), ids }
        },
        // Both have rows, so nothing is lost.
        |e| {
            e.buy(2, e.taken(9, Status::Confirmed, true));
            e.look(9, Status::Confirmed);
            sell(e, 9);
            e.row(9).user = user(2);
        },
    );
}

#[test]
fn two_answers_that_claim_to_be_the_first_are_found() {
    let times = 2;
    finds(
        |_| Violation::Unmarked {
            user: user(1),
            times,
        },
        |e| e.buy(1, e.taken(1, Status::Accepted, false)),
    );
}

#[test]
fn a_key_that_had_its_order_is_not_refused_later() {
    for (http, code) in [(409, "sold_out"), (409, "sale_closed")] {
        finds(
            |_| Violation::Contradicted {
                user: user(1),
                code: code.into(),
            },
            |e| {
                // Where no unit is left, being sold out is at least plausible.
                sell(e, 8);
                let doubt = e.order(8, 1);
                e.tell(doubt, silence());
                e.buy(1, refused(http, code));
            },
        );
    }
    nothing_wrong(|e| {
        e.tell(e.order(1, 2), refused(422, "idempotency_key_reused"));
        e.buy(1, refused(503, "unavailable"));
    });
}

#[test]
fn the_same_key_with_another_quantity_is_not_taken() {
    finds(
        |_| Violation::Contradicted {
            user: user(1),
            code: "another quantity".into(),
        },
        |e| e.tell(e.order(1, 2), e.taken(1, Status::Accepted, true)),
    );
}

#[test]
fn a_row_that_nobody_can_have_ordered_is_found() {
    // Of a stranger, and of a buyer who was refused for good.
    finds(|e| Violation::Unasked { id: e.id(8) }, |e| sell(e, 8));
    finds(|e| Violation::Unasked { id: e.id(4) }, |e| sell(e, 4));
    nothing_wrong(|e| {
        e.instead(
            |it| matches!(&it.ask, Ask::Order { user, .. } if user == "buyer-4"),
            &silence(),
        );
        sell(e, 4);
    });
}
