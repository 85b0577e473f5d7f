//! Cancels, restocks, closings.

use super::super::example::{Example, change, silence, user};
use super::super::{Ask, Violation};
use super::{finds, nothing_wrong, sell};
use crate::answer::Status;

#[test]
fn a_cancel_that_did_not_happen_is_found() {
    finds(
        |e| Violation::CancelLost { id: e.id(0) },
        |e| {
            e.row(0).status = "confirmed".into();
            e.ledger().sold = 6;
            e.shelf().remaining = 0;
        },
    );
}

#[test]
fn a_cancel_that_nobody_asked_for_is_found() {
    finds(
        |e| Violation::CancelUnasked { id: e.id(3) },
        |e| {
            e.row(3).status = "cancelled".into();
            e.ledger().sold = 4;
            e.shelf().remaining = 2;
        },
    );
}

#[test]
fn a_restock_that_was_lost_or_changed_is_found() {
    let lost = |written: Option<i64>| {
        move |_: &Example| Violation::ChangeLost {
            what: format!("restock restock-1 of 2, written: {written:?}"),
        }
    };
    finds(lost(Some(3)), |e| {
        e.sale().changes[0].units = 3;
        e.shelf().total = 7;
        e.shelf().remaining = 2;
        e.ledger().total = 7;
    });
    finds(lost(None), |e| {
        e.sale().changes.remove(0);
        e.shelf().total = 4;
        e.shelf().remaining = -1;
        e.ledger().total = 4;
        // Five are sold of four units, so take one away that was only in doubt.
        e.instead(
            |it| matches!(&it.ask, Ask::Order { user, .. } if user == "buyer-5"),
            &silence(),
        );
        let id = e.id(5);
        e.rows().retain(|row| row.id != id);
        e.ledger().sold = 4;
        e.shelf().remaining = 0;
    });
}

#[test]
fn a_restock_that_nobody_asked_for_is_found() {
    finds(
        |_| Violation::ChangeUnasked {
            what: "1 restocks".into(),
        },
        |e| {
            e.sale().changes.push(change("other", "restock", 5));
            e.shelf().total = 11;
            e.shelf().remaining = 6;
            e.ledger().total = 11;
        },
    );
}

#[test]
fn a_closing_that_was_not_written_is_found() {
    finds(
        |_| Violation::ChangeLost {
            what: "closing".into(),
        },
        |e| drop(e.sale().changes.remove(1)),
    );
}

#[test]
fn whoever_comes_after_the_closing_is_sold_nothing() {
    finds(
        |_| Violation::AfterClose { user: user(8) },
        |e| {
            e.buy(8, e.taken(8, Status::Accepted, false));
            e.look(8, Status::Confirmed);
            sell(e, 8);
        },
    );
    nothing_wrong(|e| e.buy(6, e.taken(6, Status::Accepted, true)));
}
