//! Orders that have to be paid: each is completed or expires, neither before its time, and its units are in one place.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use fluxgate_domain::ids::OrderId;

use super::{AdminCall, Exchange, RedisHolds, RedisSale, Sale, Violation};
use crate::answer::Status;

pub fn check(sale: &Sale<'_>, report: &mut impl FnMut(Violation)) {
    both_ends(sale, report);
    shown_expiries(sale, report);
    if let Some(redis) = sale.contents.redis
        && let Some(holds) = redis.holds
    {
        units(sale, redis, holds, report);
    }
}

/// In Redis exactly one of completion and expiry wins, so that no row has both.
fn both_ends(sale: &Sale<'_>, report: &mut impl FnMut(Violation)) {
    let changes = sale.contents.changes.iter();
    let completed: HashSet<OrderId> = changes
        .filter_map(|(_, call)| match call {
            AdminCall::Complete(id) => Some(*id),
            _ => None,
        })
        .collect();
    for (_, id) in &sale.contents.expiries {
        if completed.contains(id) {
            report(Violation::CompletedAndExpired { id: *id });
        }
        if sale.holds.is_none() {
            report(Violation::UnexplainedExpiry { id: *id });
        }
    }
}

/// An order that was answered as expired is so for good, and had its whole time before.
fn shown_expiries(sale: &Sale<'_>, report: &mut impl FnMut(Violation)) {
    let time = sale.holds.map_or(Duration::ZERO, |it| it.time());
    let first_sent_us = first_sent_us(sale);
    let rows = sale.contents.rows.iter();
    let rows: HashMap<OrderId, Status> = rows.map(|row| (row.id, row.status)).collect();
    let mut seen = HashSet::new();
    for it in earliest_first(sale) {
        let Some(id) = it.order_id() else { continue };
        if it.status() != Some(Status::Expired) || !seen.insert(id) {
            continue;
        }
        if let Some(status) = rows.get(&id).filter(|it| **it != Status::Expired) {
            let status = *status;
            report(Violation::ExpiryLost { id, status });
        }
        let after_us = first_sent_us.get(&id).map(|sent| it.done_us - sent);
        if let Some(after_us) = after_us.filter(|us| u128::from(*us) < time.as_micros()) {
            let after_ms = after_us / 1_000;
            report(Violation::ExpiredEarly { id, after_ms });
        }
    }
}

fn earliest_first<'a>(sale: &Sale<'a>) -> Vec<&'a Exchange> {
    let mut exchanges = sale.exchanges.clone();
    exchanges.sort_unstable_by_key(|it| it.done_us);
    exchanges
}

/// When each order may have been placed first: any try of its buyer may have placed it.
fn first_sent_us(sale: &Sale<'_>) -> HashMap<OrderId, u64> {
    let buyers = sale.orders.chunk_by(|a, b| a.buyer() == b.buyer());
    let ids = buyers.flat_map(|own| {
        let ids = own.iter().filter_map(|it| it.order_id());
        ids.map(|id| (id, own[0].sent_us))
    });
    ids.collect()
}

fn units(sale: &Sale<'_>, redis: RedisSale, holds: RedisHolds, report: &mut impl FnMut(Violation)) {
    let contents = sale.contents;
    let (held, completed) = (holds.held_by_records, holds.completed_by_records);
    let (total, remaining) = (redis.total, redis.remaining);
    if remaining + held + completed != total {
        report(Violation::NotConserved {
            total,
            remaining,
            held,
            completed,
        });
    }
    let confirmed = |status| status == Status::Confirmed;
    let rows = contents.rows.iter().filter(|row| confirmed(row.status));
    let completed = contents.units(|status| status == Status::Completed);
    let in_ledger = contents.ledger.map_or(completed, |it| it.completed);
    for (what, seen, expected) in [
        ("holds in Redis", holds.holds, rows.count() as i64),
        ("units held in Redis", held, contents.units(confirmed)),
        ("units completed in Redis", holds.completed, completed),
        (
            "units completed by the records in Redis",
            holds.completed_by_records,
            completed,
        ),
        ("units completed in the ledger", in_ledger, completed),
    ] {
        if seen != expected {
            report(Violation::Disagreement {
                what,
                seen,
                expected,
            });
        }
    }
}
