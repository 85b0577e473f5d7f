//! Every way in which a sale can go wrong, each found.

use super::example::{Example, accepted, sold_out};
use super::*;
use crate::answer::Outcome;
use crate::truth::Row;
use fluxgate_domain::ids::OrderId;

fn user(buyer: usize) -> String {
    format!("buyer-{buyer}")
}

/// Fails unless `fault` is among what is found once `spoil` has been at work.
fn finds(fault: impl FnOnce(&Example) -> Fault, spoil: impl FnOnce(&mut Example)) {
    let mut example = Example::new();
    spoil(&mut example);
    let (fault, faults) = (fault(&example), example.faults());
    assert!(faults.contains(&fault), "{fault:?} is not in {faults:?}");
}

#[test]
fn a_sale_that_went_right_has_no_fault() {
    assert_eq!(Example::new().faults(), []);
}

#[test]
fn a_promised_order_without_a_row_is_lost() {
    finds(|e| Fault::Lost(e.id(1)), |e| drop(e.truth.rows.remove(1)));
}

#[test]
fn a_retry_that_gets_another_order_is_doubled() {
    finds(
        |e| Fault::Doubled {
            user: user(0),
            ids: sorted([e.id(0), e.id(9)]),
        },
        |e| e.tell(0, accepted(e.id(9), true)),
    );
}

#[test]
fn a_second_row_of_one_buyer_is_doubled() {
    finds(
        |e| Fault::Doubled {
            user: user(2),
            ids: sorted([e.id(2), e.id(9)]),
        },
        |e| {
            let second = Row {
                id: e.id(9),
                ..e.row(2)
            };
            e.truth.rows.push(second);
        },
    );
}

#[test]
fn two_first_answers_to_one_key_are_found() {
    finds(
        |_| Fault::Unmarked {
            user: user(1),
            times: 2,
        },
        |e| e.tell(1, accepted(e.id(1), false)),
    );
}

#[test]
fn a_key_with_retries_only_is_found() {
    finds(
        |_| Fault::Unmarked {
            user: user(0),
            times: 0,
        },
        |e| drop(e.answers.remove(0)),
    );
}

#[test]
fn a_lost_first_answer_leaves_only_retries() {
    let mut example = Example::new();
    example.answers[0].outcome = Outcome::Silence("reset".into());
    assert_eq!(example.faults(), []);
}

#[test]
fn a_key_that_is_sold_and_refused_is_contradicted() {
    finds(
        |_| Fault::Contradicted { user: user(0) },
        |e| e.tell(0, sold_out()),
    );
}

#[test]
fn a_row_with_another_quantity_or_buyer_is_altered() {
    finds(
        |e| Fault::Altered(e.id(0)),
        |e| e.truth.rows[0].quantity = 2,
    );
    finds(
        |e| Fault::Altered(e.id(0)),
        |e| e.truth.rows[0].user = user(3),
    );
}

#[test]
fn a_row_of_a_refused_buyer_is_unasked() {
    finds(|e| Fault::Unasked(e.id(4)), |e| e.truth.rows.push(e.row(4)));
}

#[test]
fn a_row_of_a_buyer_without_an_answer_is_explained() {
    let mut example = Example::new();
    for buyer in [1, 2] {
        let mine = example.sale.order_of(buyer);
        let answers = example.answers.iter_mut().filter(|it| it.order == mine);
        answers.for_each(|it| it.outcome = Outcome::Silence("reset".into()));
    }
    assert_eq!(example.faults(), []);
}

#[test]
fn a_promise_that_ends_as_rejected_is_found() {
    finds(
        |e| Fault::Rejected(e.id(0)),
        |e| e.truth.rows[0].status = "rejected".into(),
    );
}

#[test]
fn answers_that_the_sale_gives_no_reason_for_are_found() {
    finds(
        |_| Fault::Unexpected("404 unknown_product".into()),
        |e| {
            let outcome = Outcome::Refused {
                http: 404,
                code: "unknown_product".into(),
            };
            e.tell(3, outcome);
        },
    );
    finds(
        |_| Fault::Unexpected("200 {}".into()),
        |e| {
            let (http, text) = (200, "200 {}".into());
            e.tell(3, Outcome::Broken { http, text });
        },
    );
}

#[test]
fn more_units_than_there_are_is_oversold() {
    finds(
        |_| Fault::Oversold {
            confirmed: 4,
            total: 3,
        },
        |e| e.truth.rows.push(e.row(3)),
    );
}

#[test]
fn sold_out_with_units_left_is_a_phantom() {
    finds(
        |_| Fault::PhantomSellOut { unsold: 1 },
        |e| drop(e.truth.rows.pop()),
    );
}

#[test]
fn a_unit_that_left_redis_and_did_not_arrive_is_stranded() {
    finds(
        |_| Fault::Stranded {
            gone: 3,
            confirmed: 2,
        },
        |e| drop(e.truth.rows.pop()),
    );
    finds(
        |_| Fault::Stranded {
            gone: 2,
            confirmed: 3,
        },
        |e| e.shelf().remaining = 1,
    );
}

#[test]
fn stores_that_disagree_are_found() {
    let off = |what, seen, expected| {
        move |_: &Example| Fault::Disagreement {
            what,
            seen,
            expected,
        }
    };
    finds(off("total in Redis", 4, 3), |e| e.shelf().total = 4);
    finds(off("total in the ledger", 4, 3), |e| e.ledger().total = 4);
    finds(off("units sold by the ledger", 2, 3), |e| {
        e.ledger().sold = 2
    });
    finds(off("orders remembered in Redis", 2, 3), |e| {
        e.shelf().records = 2
    });
    finds(off("highest number in Redis", 4, 3), |e| {
        e.shelf().sequence = 4
    });
    finds(off("different numbers from 1 on", 2, 3), |e| {
        e.truth.rows[0].sequence = 2
    });
    finds(off("entries in the outbox", 1, 0), |e| e.shelf().outbox = 1);
    finds(off("records on the topic not written", 1, 0), |e| {
        e.truth.lag.unwritten = 1
    });
    finds(off("records on the topic not committed", 1, 0), |e| {
        e.truth.lag.uncommitted = 1
    });
}

#[test]
fn a_store_that_does_not_know_the_sale_is_found() {
    finds(|_| Fault::Missing("Redis"), |e| e.truth.shelf = None);
    finds(|_| Fault::Missing("PostgreSQL"), |e| e.truth.ledger = None);
}

fn sorted<const N: usize>(mut ids: [OrderId; N]) -> Vec<OrderId> {
    ids.sort_unstable();
    ids.into()
}
