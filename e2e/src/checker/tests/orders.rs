//! One key, one order; every 202 a row; every row an answer; every answer in its place; statuses.

use super::super::example::{UNANSWERED, id, placed, refused, response, restock};
use super::{Answer, DeadLetter, Example, sell_the_last_unit, when};
use crate::answer::{Failure, Response, Status};
use crate::order::Action;

#[test]
fn a_key_that_led_to_two_orders_is_found() {
    // A replay gives another order. Both have rows, so nothing is lost.
    when(|e| {
        e.order(2, placed(9, Status::Confirmed, true));
        e.read(9, Status::Confirmed);
        e.sell(2, 10);
        e.contents.rows.last_mut().unwrap().id = id(9);
    })
    .are("duplicate order: one key of buyer-2 led to [#2 #9]");
    // A second row, which the undecided request would explain.
    when(|e| {
        e.sell(5, 10);
        e.contents.rows.last_mut().unwrap().id = id(9);
    })
    .are("duplicate order: one key of buyer-5 led to [#5 #9]");
}

#[test]
fn one_answer_to_a_key_is_not_marked_as_a_replay() {
    when(|e| e.order(1, placed(1, Status::Accepted, false)))
        .are("first answers: 2 answers to buyer-1 are not marked as replays");
    when(|e| {
        *e = Example::sold_out();
        e.exchanges.remove(0);
    })
    .are("first answers: 0 answers to buyer-0 are not marked as replays");
    // It may be the one that was lost.
    when(|e| {
        *e = Example::sold_out();
        e.exchanges[0].response = UNANSWERED;
    })
    .are_none();
}

#[test]
fn a_key_that_had_its_order_is_answered_with_it() {
    when(|e| e.order_of(1, 2, placed(1, Status::Accepted, true)))
        .are("contradiction: buyer-1 had an order and was answered 202");
    when(|e| {
        sell_the_last_unit(e);
        e.order(1, Answer::SoldOut);
    })
    .are("contradiction: buyer-1 had an order and was answered sold_out");
    when(|e| e.order(1, Answer::SaleClosed))
        .are("contradiction: buyer-1 had an order and was answered sale_closed");
    // At the same time as his order, in a run in which no unit comes back.
    when(|e| {
        *e = Example::sold_out();
        e.order(2, Answer::SoldOut);
        (e.last().sent_us, e.last().done_us) = (48, 58);
    })
    .are("contradiction: buyer-2 had an order and was answered sold_out");
    when(|e| e.order_of(1, 2, Answer::KeyReused)).are_none();
    when(|e| e.order(1, Answer::Undecided)).are_none();
}

#[test]
fn an_order_without_its_row_is_found() {
    when(|e| e.unsell(1)).are("lost: order #1 was answered accepted and is in no store");
    when(|e| e.unsell(6)).are("lost: order #6 was answered reserved and is in no store");
    when(|e| e.release(3, Status::Rejected))
        .are("rejected: order #3 was answered 202 and has no units");
    when(|e| {
        e.row(3).quantity = 2;
        e.ledger().sold += 1;
        e.redis().remaining -= 1;
    })
    .are("quantity differs: the row of order #3 is not what was asked for");
    // A dead letter accounts for its order.
    when(|e| {
        e.unsell(1);
        let (sequence, _) = e.contents.changes.pop().unwrap();
        let order_id = Some(id(1));
        let letter = DeadLetter { order_id, sequence };
        e.contents.dead_letters.push(letter);
        e.redis().records += 1;
    })
    .are_none();
}

#[test]
fn a_row_that_no_answer_explains_is_found() {
    // Of a buyer who asked for nothing, of one who was refused for good, and of a user who is no buyer.
    when(|e| e.sell(8, 10)).are("unexplained row: no answer explains order #8");
    when(|e| e.sell(4, 10)).are("unexplained row: no answer explains order #4");
    when(|e| {
        e.sell(8, 10);
        e.row(8).buyer = None;
    })
    .are("unexplained row: no answer explains order #8");
    when(|e| e.row(3).buyer = None).are(
        "lost: order #3 was answered accepted and is in no store\n\
        unexplained row: no answer explains order #3",
    );
    when(|e| {
        e.answer_instead(4, Answer::Undecided);
        e.sell(4, 10);
    })
    .are_none();
    // A lost answer to a request for one unit does not explain two.
    when(|e| {
        e.answer_instead(4, Answer::Undecided);
        e.sell(4, 10);
        e.row(4).quantity = 2;
        e.ledger().sold += 1;
        e.redis().remaining -= 1;
        e.contents.opening_total += 1;
        e.add_units(1);
    })
    .are("unexplained row: no answer explains order #4");
}

#[test]
fn an_answer_without_its_reason_is_found() {
    when(|e| {
        sell_the_last_unit(e);
        e.order(8, Answer::InsufficientStock);
    })
    .are("unexpected answer: buyer-8 asked for 1 and was answered insufficient_stock");
    when(|e| e.order(8, Answer::KeyReused))
        .are("unexpected answer: buyer-8 asked for 1 and was answered idempotency_key_reused");
    when(|e| e.answer_instead(4, Answer::SaleClosed))
        .are("unexpected answer: buyer-4 asked for 1 and was answered sale_closed");
    // Only a restock after a closing is refused.
    let closed = || response(Answer::SaleClosed);
    when(|e| e.ask(Action::Cancel(id(1)), closed()))
        .are("unexpected answer: Cancel(OrderId(#1)) was answered sale_closed");
    when(|e| e.ask(restock(1, 2), closed())).are_none();
}

#[test]
fn an_answer_outside_the_contract_is_found_unless_it_is_a_proxys_own() {
    let (buyer, quantity) = (8, 1);
    let order = Action::Order { buyer, quantity };
    let refusal = "unexpected answer: Order { buyer: 8, quantity: 1 } was answered Refused";
    let found = |http, code| format!("{refusal} {{ http: {http}, code: {code:?} }}");
    for (http, code, is_proxys) in [
        (500, "internal", true),
        (503, "other", true),
        (429, "rate_limited", true),
        (404, "unknown_product", false),
    ] {
        when(|e| e.ask(order, refused(http, code))).are(&found(http, code));
        let expected = if is_proxys { "" } else { &found(http, code) };
        when(|e| {
            e.expectations.behind_proxy = true;
            e.ask(order, refused(http, code));
        })
        .are(expected);
    }
    when(|e| e.ask(order, refused(503, "unavailable"))).are_none();
    when(|e| e.ask(Action::ReadSale, UNANSWERED)).are_none();
    when(|e| e.ask(Action::ReadSale, response(Answer::SaleClosed))).are(
        "unexpected answer: ReadSale was answered Refused { http: 409, code: \"sale_closed\" }",
    );
    when(|e| {
        let (http, text) = (200, "GET".into());
        e.ask(Action::ReadSale, Response::Unexpected { http, text });
    })
    .are("unexpected answer: ReadSale was answered Unexpected { http: 200, text: \"GET\" }");
    // Without a connection there is no order, so that no answer explains its row.
    when(|e| {
        e.ask(order, Response::NoAnswer(Failure::Refused));
        e.sell(8, 10);
    })
    .are("unexplained row: no answer explains order #8");
}

#[test]
fn a_status_that_goes_backwards_or_is_never_final_is_found() {
    when(|e| e.read(2, Status::Accepted))
        .are("status went back: order #2 was Confirmed and then Accepted");
    when(|e| e.read(2, Status::Rejected))
        .are("status went back: order #2 was Confirmed and then Rejected");
    // The status in the answer to a retry ends at `accepted` while PostgreSQL is away.
    when(|e| e.order(2, placed(2, Status::Accepted, true))).are_none();
    // Two reads at the same time may have been answered in either order.
    when(|e| {
        e.read(2, Status::Confirmed);
        e.read(2, Status::Accepted);
        e.last().sent_us = 0;
    })
    .are_none();
    when(|e| {
        let accepted = response(placed(3, Status::Accepted, false));
        let mut reads = e.exchanges.iter_mut();
        let read = reads.find(|it| it.request.action == Action::ReadStatus(id(3)));
        read.unwrap().response = accepted;
    })
    .are("final status never shown: order #3 has its row");
}
