//! Units and sequence numbers: each is in one place.

use std::collections::BTreeMap;

use super::{AdminCall, Exchange, Ledger, RedisSale, Refusal, Response, Sale, Violation, name};

/// Sequence numbers of each kind that are listed.
const LISTED_MAX: usize = 1_000;

pub fn check(sale: &Sale<'_>, report: &mut impl FnMut(Violation)) {
    let strangers = sale.contents.rows.iter().filter(|row| row.buyer.is_none());
    strangers.for_each(|row| report(Violation::UnexplainedRow { id: row.id }));
    let stores = (sale.contents.redis, sale.contents.ledger);
    if stores.0.is_none() {
        report(Violation::SaleMissing { store: "Redis" });
    }
    if stores.1.is_none() {
        report(Violation::SaleMissing {
            store: "PostgreSQL",
        });
    }
    let (Some(redis), Some(ledger)) = stores else {
        return;
    };
    units(sale, redis, ledger, report);
    let found = [
        sequence_numbers(sale, redis),
        early_sell_out(sale),
        late_sell_out(sale, redis),
    ];
    found.into_iter().flatten().for_each(report);
}

fn units(sale: &Sale<'_>, redis: RedisSale, ledger: Ledger, report: &mut impl FnMut(Violation)) {
    let contents = sale.contents;
    let total = contents.opening_total + contents.restocks().sum::<i64>();
    let (remaining, confirmed) = (redis.remaining, contents.sold_units());
    if confirmed > total {
        report(Violation::Oversold { confirmed, total });
    } else if remaining + confirmed != total {
        report(Violation::Stranded {
            total,
            remaining,
            confirmed,
        });
    }
    let records = contents.rows.len() + sale.dead_orders.len() + contents.restocks().count();
    let records = i64::try_from(records).unwrap_or(i64::MAX);
    for (what, seen, expected) in [
        ("total in Redis", redis.total, total),
        ("total in the ledger", ledger.total, total),
        ("units sold in the ledger", ledger.sold, confirmed),
        (
            "records of orders and restocks in Redis",
            redis.records,
            records,
        ),
        ("outbox entries in Redis", redis.outbox, 0),
        ("unwritten records", contents.lag.unwritten, 0),
        ("uncommitted records", contents.lag.uncommitted, 0),
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

/// Each number up to the highest that Redis gave is written once.
fn sequence_numbers(sale: &Sale<'_>, redis: RedisSale) -> Option<Violation> {
    let contents = sale.contents;
    let orders = contents.rows.iter().map(|row| row.sequence);
    let dead = contents.dead_letters.iter().map(|letter| letter.sequence);
    let changes = contents.changes.iter().map(|(sequence, _)| *sequence);
    let expiries = contents.expiries.iter().map(|(sequence, _)| *sequence);
    let of_queue = contents.queue_numbers.iter().copied();
    let numbers = orders.chain(dead).chain(changes).chain(of_queue);
    let numbers = numbers.chain(expiries);
    let mut numbers: Vec<i64> = numbers.collect();
    numbers.sort_unstable();
    let given = 1..=redis.sequence;
    let outside = numbers.iter().copied().filter(|it| !given.contains(it));
    let beyond: Vec<i64> = outside.take(LISTED_MAX).collect();
    let groups = numbers.chunk_by(|a, b| a == b).filter(|it| it.len() > 1);
    let repeated: Vec<i64> = groups.map(|it| it[0]).take(LISTED_MAX).collect();
    let unwritten = given.filter(|it| numbers.binary_search(it).is_err());
    let missing: Vec<i64> = unwritten.take(LISTED_MAX).collect();
    let is_right = missing.is_empty() && repeated.is_empty() && beyond.is_empty();
    (!is_right).then_some(Violation::SequenceNumbers {
        missing,
        repeated,
        beyond,
    })
}

/// Units that an answer says were not there: one where the sale was sold out, else what was asked for.
fn refused_units(it: &Exchange) -> Option<i64> {
    match it.response {
        Response::Refused(Refusal::SoldOut) => Some(1),
        Response::Refused(Refusal::InsufficientStock) => Some(it.quantity().into()),
        _ => None,
    }
}

/// A violation if as many units as an answer refused were left.
fn phantom(it: &Exchange, left: i64) -> Option<Violation> {
    let is_phantom = left >= refused_units(it)?;
    let buyer = name(it.buyer()?);
    is_phantom.then_some(Violation::PhantomSellOut { buyer, left })
}

/// A sale cannot refuse units before so many were asked for.
fn early_sell_out(sale: &Sale<'_>) -> Option<Violation> {
    let refusals = sale.orders.iter().filter(|it| refused_units(it).is_some());
    let mut refusals = refusals.peekable();
    refusals.peek()?;
    // By time: how many units had been asked for, the largest request of each buyer from his first on.
    let buyers = sale.orders.chunk_by(|a, b| a.buyer() == b.buyer());
    let most = |own: &[&Exchange]| {
        own.iter()
            .map(|it| it.quantity())
            .max()
            .map_or(0, i64::from)
    };
    let mut wanted: Vec<_> = buyers.map(|own| (own[0].sent_us, most(own))).collect();
    wanted.sort_unstable();
    let mut sum = 0;
    for (_, units) in &mut wanted {
        sum += *units;
        *units = sum;
    }
    refusals.find_map(|it| {
        let before = wanted.partition_point(|(sent_us, _)| *sent_us < it.done_us);
        let asked = before.checked_sub(1).map_or(0, |last| wanted[last].1);
        phantom(it, sale.contents.opening_total - asked)
    })
}

/// From when the last unit had come back, `remaining` only falls: what is left at the end was left at every moment
/// since. When the units of an expired order have come back is not known.
fn late_sell_out(sale: &Sale<'_>, redis: RedisSale) -> Option<Violation> {
    if !sale.contents.expiries.is_empty() {
        return None;
    }
    let mut returned_us: BTreeMap<&AdminCall, u64> = BTreeMap::new();
    let calls = sale.admin_calls.iter();
    for (call, it) in calls.filter(|it| it.0.returns_units()) {
        let done_us = match it.response {
            Response::Refused(Refusal::SaleClosed) => continue,
            Response::Order(_) | Response::Sale(_) => it.done_us,
            // It may take effect at any time, or never.
            _ => u64::MAX,
        };
        let earliest = returned_us.entry(call).or_insert(done_us);
        *earliest = done_us.min(*earliest);
    }
    let last_us = returned_us.into_values().max();
    let after = sale.orders.iter();
    let mut after = after.filter(|it| last_us.is_none_or(|last_us| it.sent_us > last_us));
    after.find_map(|it| phantom(it, redis.remaining))
}
