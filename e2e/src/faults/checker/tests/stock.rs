//! Units and numbers.

use super::super::example::{Example, refused, silence, user};
use super::super::{Ask, Violation};
use super::{finds, nothing_wrong};
use crate::answer::Status;

#[test]
fn a_cancelled_unit_that_came_back_twice_or_not_at_all_is_stranded() {
    for remaining in [2, 0] {
        finds(
            |_| Violation::Stranded {
                total: 6,
                remaining,
                confirmed: 5,
            },
            |e| e.shelf().remaining = remaining,
        );
    }
}

#[test]
fn sold_out_before_enough_was_asked_for_is_a_phantom() {
    finds(
        |_| Violation::PhantomSellOut {
            user: user(0),
            left: 3,
        },
        |e| {
            let mut early = e.history[0].clone();
            early.reply = refused(409, "sold_out");
            (early.sent_us, early.done_us) = (0, 5);
            e.history.insert(0, early);
        },
    );
}

#[test]
fn sold_out_while_something_is_left_for_good_is_a_phantom() {
    finds(
        |_| Violation::PhantomSellOut {
            user: user(8),
            left: 1,
        },
        |e| e.buy(8, refused(409, "sold_out")),
    );
    // Less than the two that he wanted is left.
    nothing_wrong(|e| e.tell(e.order(8, 2), refused(409, "insufficient_stock")));
    // A unit may have come back between his answer and the end.
    nothing_wrong(|e| {
        e.buy(8, refused(409, "sold_out"));
        e.tell(e.cancel(0), e.taken(0, Status::Cancelled, false));
        e.instead(
            |it| matches!(it.ask, Ask::Cancel { .. }) && it.sent_us < 200,
            &silence(),
        );
    });
}

#[test]
fn more_than_there_is_is_oversold() {
    finds(
        |_| Violation::Oversold {
            confirmed: 7,
            total: 6,
        },
        |e| {
            for buyer in [8, 9] {
                e.tell(e.order(buyer, 1), silence());
                let row = e.row_of(buyer, 0);
                e.rows().push(row);
            }
            e.ledger().sold = 7;
        },
    );
}

#[test]
fn a_number_that_is_missing_or_stands_twice_is_found() {
    let numbers = |missing: &[i64], repeated: &[i64], beyond: &[i64]| {
        let (missing, repeated, beyond) = (missing.to_vec(), repeated.to_vec(), beyond.to_vec());
        move |_: &Example| Violation::Numbers {
            missing,
            repeated,
            beyond,
        }
    };
    finds(numbers(&[5], &[], &[]), |e| {
        e.sale().numbers.retain(|number| *number != 5);
    });
    finds(numbers(&[], &[5], &[]), |e| e.sale().numbers.push(5));
    finds(numbers(&[], &[], &[9]), |e| e.shelf().sequence = 8);
}

#[test]
fn stores_that_disagree_are_found() {
    let off = |what, seen, expected| {
        move |_: &Example| Violation::Disagreement {
            what,
            seen,
            expected,
        }
    };
    finds(off("total in Redis", 7, 6), |e| e.shelf().total = 7);
    finds(off("total in the ledger", 7, 6), |e| e.ledger().total = 7);
    finds(off("units sold by the ledger", 4, 5), |e| {
        e.ledger().sold = 4;
    });
    finds(off("entries in Redis's outbox", 1, 0), |e| {
        e.shelf().outbox = 1;
    });
    finds(off("unwritten records", 1, 0), |e| {
        e.sale().truth.lag.unwritten = 1;
    });
    finds(
        |_| Violation::Missing { store: "Redis" },
        |e| {
            e.sale().truth.shelf = None;
        },
    );
}
