//! Cancels, restocks, closings; units, sequence numbers, sell-outs.

use super::super::example::{UNANSWERED, id, placed, response, restock};
use super::{Answer, sell_the_last_unit, when};
use crate::answer::Status;
use crate::order::Action;

#[test]
fn a_cancel_that_was_lost_or_that_no_call_asked_for_is_found() {
    let lost = |number| format!("cancel lost: order #{number} was cancelled, its row is not");
    when(|e| {
        e.row(0).status = Status::Confirmed;
        e.ledger().sold += 1;
        e.redis().remaining -= 1;
    })
    .are(&lost(0));
    // Only a reader or a retry saw it.
    when(|e| e.read(3, Status::Cancelled)).are(&lost(3));
    when(|e| e.order(3, placed(3, Status::Cancelled, true))).are(&lost(3));
    when(|e| e.release(3, Status::Cancelled))
        .are("unexplained cancel: no call asked to cancel order #3");
    when(|e| {
        e.ask(Action::Cancel(id(3)), UNANSWERED);
        e.release(3, Status::Cancelled);
    })
    .are_none();
}

#[test]
fn a_restock_that_was_lost_or_changed_or_that_no_call_asked_for_is_found() {
    when(|e| {
        e.contents.changes[1].1 = e.stored(restock(1, 3));
        e.add_units(1);
    })
    .are(
        "change lost: restock restock-1 of 2 units\n\
         unexplained change: no call asked for restock restock-1 of 3 units",
    );
    when(|e| {
        e.contents.changes[1].1 = e.stored(Action::Cancel(id(0)));
        e.redis().records -= 1;
        e.add_units(-2);
        // Five are sold of four units, so one that was only in doubt goes.
        e.answer_instead(5, Answer::Undecided);
        e.unsell(5);
    })
    .are("change lost: restock restock-1 of 2 units");
    when(|e| e.change(10, restock(2, 5)))
        .are("unexplained change: no call asked for restock other of 5 units");
    when(|e| {
        e.ask(restock(2, 5), UNANSWERED);
        e.change(10, restock(2, 5));
    })
    .are_none();
}

#[test]
fn a_closing_that_was_lost_or_ignored_or_that_no_call_asked_for_is_found() {
    when(|e| e.contents.changes[2].1 = e.stored(Action::Cancel(id(0)))).are("change lost: closing");
    when(|e| {
        e.exchanges.retain(|it| it.request.action != Action::Close);
        e.answer_instead(7, Answer::Undecided);
    })
    .are("unexplained change: no call asked for closing");
    when(|e| {
        e.order(8, placed(8, Status::Accepted, false));
        e.read(8, Status::Confirmed);
        e.sell(8, 10);
    })
    .are("sold after close: buyer-8 came after the closing and got an order");
    when(|e| e.order(6, placed(6, Status::Accepted, true))).are_none();
}

#[test]
fn units_that_are_sold_twice_or_are_nowhere_are_found() {
    // The unit of a cancel came back twice, or not at all.
    when(|e| e.redis().remaining = 2).are("stranded: of 6 units 2 are left and 5 are confirmed");
    when(|e| e.redis().remaining = 0).are("stranded: of 6 units 0 are left and 5 are confirmed");
    when(|e| {
        sell_the_last_unit(e);
        e.order(8, Answer::Undecided);
        e.sell(8, 11);
    })
    .are("oversold: 7 units are confirmed of 6");
}

#[test]
fn a_sell_out_while_units_were_left_is_a_phantom() {
    // Before enough was asked for.
    when(|e| {
        let mut early = e.exchanges[0].clone();
        early.response = response(Answer::SoldOut);
        (early.sent_us, early.done_us) = (0, 5);
        e.exchanges.insert(0, early);
    })
    .are("phantom sell-out: buyer-0 was refused while 3 units were left");
    // While units are left for good.
    when(|e| e.order(8, Answer::SoldOut))
        .are("phantom sell-out: buyer-8 was refused while 1 units were left");
    when(|e| {
        e.order_of(8, 2, Answer::InsufficientStock);
        e.done(Action::Close);
        e.done(Action::Cancel(id(3)));
        e.release(3, Status::Cancelled);
        e.order_of(9, 2, Answer::Undecided);
        e.order_of(8, 2, Answer::InsufficientStock);
    })
    .are("phantom sell-out: buyer-8 was refused while 2 units were left");
    // Fewer than the two that he asked for are left.
    when(|e| e.order_of(8, 2, Answer::InsufficientStock)).are_none();
    // A unit may have come back between his answer and the end.
    when(|e| {
        e.order(8, Answer::SoldOut);
        let mut calls = e.exchanges.iter_mut();
        let cancel = calls.find(|it| it.request.action == Action::Cancel(id(0)));
        cancel.unwrap().response = UNANSWERED;
        e.done(Action::Cancel(id(0)));
    })
    .are_none();
}

#[test]
fn a_sequence_number_that_is_missing_repeated_or_beyond_the_last_is_found() {
    let numbers = |missing, repeated, beyond| {
        format!(
            "sequence numbers: missing {missing}, repeated {repeated}, beyond the last {beyond}"
        )
    };
    when(|e| drop(e.contents.changes.remove(0))).are(&numbers("[5]", "[]", "[]"));
    when(|e| e.change(5, Action::Cancel(id(0)))).are(&numbers("[]", "[5]", "[]"));
    when(|e| e.row(1).sequence = 3).are(&numbers("[2]", "[3]", "[]"));
    when(|e| e.redis().sequence = 8).are(&numbers("[]", "[]", "[9]"));
}

#[test]
fn stores_that_disagree_or_do_not_have_the_sale_are_found() {
    when(|e| e.redis().total = 7).are("disagreement: total in Redis: 7, should be 6");
    when(|e| e.ledger().total = 7).are("disagreement: total in the ledger: 7, should be 6");
    when(|e| e.ledger().sold = 4).are("disagreement: units sold in the ledger: 4, should be 5");
    when(|e| e.redis().records = 6)
        .are("disagreement: records of orders and restocks in Redis: 6, should be 7");
    when(|e| e.redis().outbox = 1).are("disagreement: outbox entries in Redis: 1, should be 0");
    when(|e| e.contents.lag.unwritten = 1).are("disagreement: unwritten records: 1, should be 0");
    when(|e| e.contents.lag.uncommitted = 1)
        .are("disagreement: uncommitted records: 1, should be 0");
    when(|e| e.contents.redis = None).are("sale missing: Redis does not have it");
    when(|e| e.contents.ledger = None).are("sale missing: PostgreSQL does not have it");
}
