//! Each key against the rows: one key, one order; every 202 a row; every row an answer; every answer in its place.

use std::collections::{BTreeMap, BTreeSet};

use fluxgate_domain::ids::OrderId;

use super::{Buyer, Exchange, Refusal, Response, Sale, Violation, name};
use crate::answer::{OrderShown, Status};

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
        let Response::Refused(refusal) = it.response else {
            continue;
        };
        let has_reason = match refusal {
            Refusal::SoldOut | Refusal::Unavailable | Refusal::Overloaded => true,
            Refusal::InsufficientStock => it.quantity() > 1,
            Refusal::SaleClosed => sale.is_closing(it.done_us),
            Refusal::KeyReused => buyer
                .answers
                .iter()
                .any(|other| other.sent_us < it.done_us && other.quantity() != it.quantity()),
            // A buyer has one order in a sale, and may leave one unpaid.
            Refusal::UnpaidLimit | Refusal::NoHold => false,
        };
        if !has_reason {
            let (name, quantity, code) = (name(buyer.number), it.quantity(), refusal.code());
            let text = format!("{name} asked for {quantity} and was answered {code}");
            report(Violation::UnexpectedAnswer { text });
        }
    }
}

/// One order, and one answer that is not marked as a replay.
fn one_order(sale: &Sale<'_>, buyer: &Buyer<'_>, report: &mut impl FnMut(Violation)) {
    let placed = buyer.answers.iter().filter_map(|it| it.response.order());
    let written = buyer.rows.iter().map(|row| row.id);
    let ids: BTreeSet<OrderId> = placed.clone().map(|it| it.id).chain(written).collect();
    if ids.len() > 1 {
        report(Violation::DuplicateOrder {
            buyer: name(buyer.number),
            ids: ids.into_iter().collect(),
        });
    }
    let count = placed.clone().filter(|it| !it.replayed).count();
    // An answer that was lost may have been the first.
    let none_lost = buyer.answers.iter().all(|it| !it.response.is_undecided());
    let must_be_one = sale.expectations.first_answer_unmarked && placed.count() > 0 && none_lost;
    if count > 1 || (count == 0 && must_be_one) {
        let buyer = name(buyer.number);
        report(Violation::FirstAnswers { buyer, count });
    }
}

/// From the first 202 on, the key is answered with its order, or, asked for another quantity, with 422. Where no unit
/// comes back, a key that was sold out once has no order at all.
fn contradictions(sale: &Sale<'_>, buyer: &Buyer<'_>, report: &mut impl FnMut(Violation)) {
    let placed = buyer.answers.iter().filter(|it| it.order_id().is_some());
    let Some(first) = placed.min_by_key(|it| it.done_us) else {
        return;
    };
    for it in buyer.answers {
        let later = it.sent_us > first.done_us;
        let same_quantity = it.quantity() == first.quantity();
        let (contradicts, answer) = match it.response {
            Response::Order(_) => (later && !same_quantity, "202"),
            Response::Refused(refusal) => {
                let contradicts = match refusal {
                    Refusal::KeyReused => later && same_quantity,
                    Refusal::SoldOut => later || !sale.units_come_back,
                    Refusal::InsufficientStock | Refusal::SaleClosed => later,
                    Refusal::UnpaidLimit | Refusal::NoHold => false,
                    Refusal::Unavailable | Refusal::Overloaded => false,
                };
                (contradicts, refusal.code())
            }
            _ => continue,
        };
        if contradicts {
            let buyer = name(buyer.number);
            report(Violation::Contradiction { buyer, answer });
        }
    }
}

/// Every 202 a row or a dead letter; every row a 202 or an undecided request for its quantity.
fn rows(sale: &Sale<'_>, buyer: &Buyer<'_>, report: &mut impl FnMut(Violation)) {
    // By order: the quantity that was asked for, and whether an answer said that it is on Kafka.
    let mut placed: BTreeMap<OrderId, (u32, bool)> = BTreeMap::new();
    for it in buyer.answers {
        if let Response::Order(OrderShown { id, status, .. }) = it.response {
            let order = placed.entry(id).or_insert((it.quantity(), false));
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
        let may_be_it =
            |it: &&Exchange| it.response.is_undecided() && it.quantity() == row.quantity;
        if !placed.contains_key(&row.id) && !buyer.answers.iter().any(may_be_it) {
            report(Violation::UnexplainedRow { id: row.id });
        }
    }
}

fn sold_after_close(sale: &Sale<'_>, buyer: &Buyer<'_>) -> bool {
    let closed_us = sale.closed_us.unwrap_or(u64::MAX);
    let first = buyer.answers.first();
    let came_late = first.is_some_and(|it| it.sent_us > closed_us);
    came_late && buyer.answers.iter().any(|it| it.order_id().is_some())
}
