//! Cancels, restocks, closings.

use super::super::example::{change, id, placed, restock};
use super::{AdminCall, AdminOutcome, Answer, Violation, finds, finds_nothing, name};
use crate::answer::Status;

#[test]
fn a_cancel_that_did_not_happen_is_found() {
    finds(Violation::CancelLost { id: id(0) }, |e| {
        e.row(0).status = Status::Confirmed;
        e.ledger().sold = 6;
        e.redis().remaining = 0;
    });
}

#[test]
fn a_cancel_that_only_a_reader_or_a_retry_saw_is_lost_too() {
    let expected = || Violation::CancelLost { id: id(3) };
    finds(expected(), |e| e.read(3, Status::Cancelled));
    finds(expected(), |e| {
        e.order(3, placed(3, Status::Cancelled, true))
    });
}

#[test]
fn a_cancel_that_no_call_asked_for_is_found() {
    finds(Violation::UnexplainedCancel { id: id(3) }, |e| {
        e.release(3, Status::Cancelled)
    });
    finds_nothing(|e| {
        e.call(AdminCall::Cancel(id(3)), AdminOutcome::Undecided);
        e.release(3, Status::Cancelled);
    });
}

#[test]
fn a_restock_that_was_lost_or_changed_is_found() {
    let lost = |written: &str| Violation::ChangeLost {
        what: format!("restock restock-1 of 2 units, written: {written}"),
    };
    finds(lost("3"), |e| {
        e.contents.changes[0].units = 3;
        e.redis().total = 7;
        e.redis().remaining = 2;
        e.ledger().total = 7;
    });
    finds(lost("nothing"), |e| {
        e.contents.changes.remove(0);
        e.redis().total = 4;
        e.ledger().total = 4;
        // Five are sold of four units, so one that was only in doubt goes.
        e.answer_instead(5, Answer::Undecided);
        e.unsell(5);
        e.redis().remaining = 0;
        e.redis().records -= 1;
    });
}

#[test]
fn a_restock_that_no_call_asked_for_is_found() {
    let extra = |e: &mut super::Example| {
        e.contents.changes.push(change("other", 5));
        e.redis().total += 5;
        e.redis().remaining += 5;
        e.redis().records += 1;
        e.ledger().total += 5;
    };
    let what = "restock other of 5 units".into();
    finds(Violation::UnexplainedChange { what }, extra);
    finds_nothing(|e| {
        extra(e);
        let call = AdminCall::Restock {
            change_id: "other".into(),
            units: 5,
        };
        e.call(call, AdminOutcome::Undecided);
    });
}

#[test]
fn a_closing_that_was_lost_or_that_no_call_asked_for_is_found() {
    let what = || "closing".into();
    finds(Violation::ChangeLost { what: what() }, |e| {
        drop(e.contents.changes.remove(1))
    });
    finds(Violation::UnexplainedChange { what: what() }, |e| {
        e.history.admin_calls.pop();
        e.answer_instead(7, Answer::Undecided);
    });
}

#[test]
fn only_a_restock_after_a_closing_is_refused() {
    let text = || format!("{:?} was answered sale_closed", AdminCall::Cancel(id(1)));
    finds(Violation::UnexpectedAnswer { text: text() }, |e| {
        e.call(AdminCall::Cancel(id(1)), AdminOutcome::SaleClosed);
    });
    finds_nothing(|e| e.call(restock(), AdminOutcome::SaleClosed));
}

#[test]
fn a_buyer_who_comes_after_the_closing_is_sold_nothing() {
    finds(Violation::SoldAfterClose { buyer: name(8) }, |e| {
        e.order(8, placed(8, Status::Accepted, false));
        e.read(8, Status::Confirmed);
        e.sell(8, 10);
    });
    finds_nothing(|e| e.order(6, placed(6, Status::Accepted, true)));
}
