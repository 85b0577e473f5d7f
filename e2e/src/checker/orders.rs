//! Each key against the rows: one key, one order; every 202 a row; every row an answer; every answer in its place.

use std::collections::{BTreeMap, BTreeSet};

use fluxgate_domain::ids::OrderId;

use super::{Buyer, OrderAnswer, Sale, Violation, name};
use crate::answer::{Answer, OrderShown, Status};

pub fn check(sale: &Sale<'_>, buyer: &Buyer<'_>, report: &mut impl FnMut(Violation)) {
    answers_in_place(sale, buyer, report);
    one_order(sale, buyer, report);
    contradictions(sale, buyer, report);
    rows(sale, buyer, report);
    if sold_after_close(sale, buyer) {
        let buyer = name(buyer.number);
        report(Violation::SoldAfterClose { buyer });
    }
}

/// Each refusal needs its reason.
fn answers_in_place(sale: &Sale<'_>, buyer: &Buyer<'_>, report: &mut impl FnMut(Violation)) {
    for it in buyer.answers {
        let expected = match it.answer {
            Answer::Placed(_) | Answer::SoldOut | Answer::Undecided => true,
            Answer::InsufficientStock => it.quantity > 1,
            Answer::SaleClosed => sale.is_closing(it.done_us),
            Answer::KeyReused => buyer
                .answers
                .iter()
                .any(|other| other.sent_us < it.done_us && other.quantity != it.quantity),
        };
        if !expected {
            let (name, answer) = (name(buyer.number), it.answer.code());
            let text = format!("{name} asked for {} and was answered {answer}", it.quantity);
            report(Violation::UnexpectedAnswer { text });
        }
    }
}

/// One order, and one answer that is not marked as a replay.
fn one_order(sale: &Sale<'_>, buyer: &Buyer<'_>, report: &mut impl FnMut(Violation)) {
    let placed = buyer.answers.iter().filter_map(|it| it.answer.order_id());
    let ids: BTreeSet<OrderId> = placed.chain(buyer.rows.iter().map(|row| row.id)).collect();
    if ids.len() > 1 {
        report(Violation::DuplicateOrder {
            buyer: name(buyer.number),
            ids: ids.into_iter().collect(),
        });
    }
    let answers = buyer.answers.iter().map(|it| it.answer);
    let is_first = |it: &Answer| matches!(it, Answer::Placed(order) if !order.replayed);
    let count = answers.clone().filter(is_first).count();
    let placed = answers.clone().any(|it| it.order_id().is_some());
    // An answer that was lost may have been the first.
    let none_lost = answers.clone().all(|it| it != Answer::Undecided);
    let must_be_one = sale.expectations.first_answer_unmarked && placed && none_lost;
    if count > 1 || (count == 0 && must_be_one) {
        let buyer = name(buyer.number);
        report(Violation::FirstAnswers { buyer, count });
    }
}

/// From the first 202 on, the key is answered with its order, or, asked for another quantity, with 422. Where no unit
/// comes back, a key that was sold out once has no order at all.
fn contradictions(sale: &Sale<'_>, buyer: &Buyer<'_>, report: &mut impl FnMut(Violation)) {
    let placed = buyer
        .answers
        .iter()
        .filter(|it| it.answer.order_id().is_some());
    let Some(first) = placed.min_by_key(|it| it.done_us) else {
        return;
    };
    let contradicts = |it: &OrderAnswer| {
        let later = it.sent_us > first.done_us;
        match it.answer {
            Answer::Placed(_) => later && it.quantity != first.quantity,
            Answer::KeyReused => later && it.quantity == first.quantity,
            Answer::SoldOut => later || !sale.units_come_back,
            Answer::InsufficientStock | Answer::SaleClosed => later,
            Answer::Undecided => false,
        }
    };
    for it in buyer.answers.iter().filter(|it| contradicts(it)) {
        let (buyer, answer) = (name(buyer.number), it.answer.code());
        report(Violation::Contradiction { buyer, answer });
    }
}

/// Every 202 a row or a dead letter; every row a 202 or an undecided request for its quantity.
fn rows(sale: &Sale<'_>, buyer: &Buyer<'_>, report: &mut impl FnMut(Violation)) {
    // By order: the quantity that was asked for, and whether an answer said that it is on Kafka.
    let mut placed: BTreeMap<OrderId, (u32, bool)> = BTreeMap::new();
    for it in buyer.answers {
        if let Answer::Placed(OrderShown { id, status, .. }) = it.answer {
            let order = placed.entry(id).or_insert((it.quantity, false));
            order.1 |= status != Status::Reserved;
        }
    }
    for (id, (quantity, accepted)) in &placed {
        let (id, accepted) = (*id, *accepted);
        match buyer.rows.iter().find(|row| row.id == id) {
            None if sale.dead_orders.contains(&id) => {}
            None => report(Violation::Lost { id, accepted }),
            Some(row) if row.quantity != *quantity => report(Violation::QuantityDiffers { id }),
            Some(row) if row.status == Status::Rejected => report(Violation::Rejected { id }),
            Some(_) => {}
        }
    }
    for row in buyer.rows {
        let undecided =
            |it: &OrderAnswer| it.answer == Answer::Undecided && it.quantity == row.quantity;
        if !placed.contains_key(&row.id) && !buyer.answers.iter().any(undecided) {
            report(Violation::UnexplainedRow { id: row.id });
        }
    }
}

fn sold_after_close(sale: &Sale<'_>, buyer: &Buyer<'_>) -> bool {
    let closed_us = sale.closed_us.unwrap_or(u64::MAX);
    let came_late = buyer
        .answers
        .first()
        .is_some_and(|it| it.sent_us > closed_us);
    came_late
        && buyer
            .answers
            .iter()
            .any(|it| it.answer.order_id().is_some())
}
