//! Units, sequence numbers, sell-outs.

use super::super::example::{id, row};
use super::{AdminCall, AdminOutcome, Answer, Violation, finds, finds_nothing, name};
use crate::answer::Status;

#[test]
fn a_cancelled_unit_that_came_back_twice_or_not_at_all_is_stranded() {
    for remaining in [2, 0] {
        let expected = Violation::Stranded {
            total: 6,
            remaining,
            confirmed: 5,
        };
        finds(expected, |e| e.redis().remaining = remaining);
    }
}

#[test]
fn more_units_than_there_are_is_oversold() {
    finds(
        Violation::Oversold {
            confirmed: 7,
            total: 6,
        },
        |e| {
            for (number, sequence) in [(8, 10), (9, 11)] {
                e.order(number, Answer::Undecided);
                e.sell(number, sequence);
            }
        },
    );
}

#[test]
fn a_sell_out_before_enough_was_asked_for_is_a_phantom() {
    finds(
        Violation::PhantomSellOut {
            buyer: name(0),
            left: 3,
        },
        |e| {
            let mut early = e.history.orders[0];
            early.answer = Answer::SoldOut;
            (early.sent_us, early.done_us) = (0, 5);
            e.history.orders.insert(0, early);
        },
    );
}

#[test]
fn a_sell_out_while_units_are_left_for_good_is_a_phantom() {
    let expected = || Violation::PhantomSellOut {
        buyer: name(8),
        left: 1,
    };
    finds(expected(), |e| e.order(8, Answer::SoldOut));
    // Fewer than the two that he asked for are left.
    finds_nothing(|e| e.order_of(8, 2, Answer::InsufficientStock));
    finds(
        Violation::PhantomSellOut {
            buyer: name(8),
            left: 2,
        },
        |e| {
            e.order_of(8, 2, Answer::InsufficientStock);
            e.call(AdminCall::Close, AdminOutcome::Done);
            e.call(AdminCall::Cancel(id(3)), AdminOutcome::Done);
            e.release(3, Status::Cancelled);
            e.order_of(9, 2, Answer::Undecided);
            e.order_of(8, 2, Answer::InsufficientStock);
        },
    );
    // A unit may have come back between his answer and the end.
    finds_nothing(|e| {
        e.order(8, Answer::SoldOut);
        let mut calls = e.history.admin_calls.iter_mut();
        calls
            .find(|it| it.call == AdminCall::Cancel(id(0)))
            .unwrap()
            .outcome = AdminOutcome::Undecided;
        e.call(AdminCall::Cancel(id(0)), AdminOutcome::Done);
    });
}

#[test]
fn a_sequence_number_that_is_missing_repeated_or_beyond_the_last_is_found() {
    let numbers = |missing: &[i64], repeated: &[i64], beyond: &[i64]| Violation::SequenceNumbers {
        missing: missing.to_vec(),
        repeated: repeated.to_vec(),
        beyond: beyond.to_vec(),
    };
    finds(numbers(&[5], &[], &[]), |e| {
        e.contents.change_sequences.retain(|it| *it != 5)
    });
    finds(numbers(&[], &[5], &[]), |e| {
        e.contents.change_sequences.push(5)
    });
    finds(numbers(&[2], &[3], &[]), |e| e.row(1).sequence = 3);
    finds(numbers(&[], &[], &[9]), |e| e.redis().sequence = 8);
}

#[test]
fn stores_that_disagree_are_found() {
    let off = |what, seen, expected| Violation::Disagreement {
        what,
        seen,
        expected,
    };
    finds(off("total in Redis", 7, 6), |e| e.redis().total = 7);
    finds(off("total in the ledger", 7, 6), |e| e.ledger().total = 7);
    finds(off("units sold in the ledger", 4, 5), |e| {
        e.ledger().sold = 4
    });
    finds(off("records of orders and restocks in Redis", 6, 7), |e| {
        e.redis().records = 6
    });
    finds(off("outbox entries in Redis", 1, 0), |e| {
        e.redis().outbox = 1
    });
    finds(off("unwritten records", 1, 0), |e| {
        e.contents.lag.unwritten = 1
    });
    finds(off("uncommitted records", 1, 0), |e| {
        e.contents.lag.uncommitted = 1
    });
}

#[test]
fn a_store_that_does_not_have_the_sale_is_found() {
    finds(Violation::SaleMissing { store: "Redis" }, |e| {
        e.contents.redis = None
    });
    finds(
        Violation::SaleMissing {
            store: "PostgreSQL",
        },
        |e| e.contents.ledger = None,
    );
}

/// What a run of ten million orders needs must stay small.
#[test]
fn answers_and_rows_are_compact() {
    assert_eq!(size_of::<super::OrderAnswer>(), 48);
    assert_eq!(size_of_val(&row(0, 1)), 40);
}
