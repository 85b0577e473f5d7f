//! Units and numbers: each is somewhere, and in one place.

use std::collections::BTreeMap;

use super::{View, Violation, quantity};
use crate::faults::history::{Ask, Asked, Reply};
use crate::truth::{Ledger, Shelf};
use crate::verdict::confirmed_units;

pub fn violations(view: &View<'_>) -> Vec<Violation> {
    let truth = &view.end.truth;
    let (Some(shelf), Some(ledger)) = (truth.shelf, truth.ledger) else {
        let stores = [
            ("Redis", truth.shelf.is_none()),
            ("PostgreSQL", truth.ledger.is_none()),
        ];
        let missing = stores.into_iter().filter(|(_, missing)| *missing);
        return missing
            .map(|(store, _)| Violation::Missing { store })
            .collect();
    };
    let mut found = balance(view, shelf, ledger);
    found.extend(numbers(view, shelf));
    found.extend(early_sell_outs(view));
    found.extend(late_sell_outs(view, shelf));
    found
}

fn balance(view: &View<'_>, shelf: Shelf, ledger: Ledger) -> Vec<Violation> {
    let mut found = Vec::new();
    let restocked: i64 = view.end.changes.iter().map(|change| change.units).sum();
    let total = i64::from(view.end.sale.total) + restocked;
    let confirmed = confirmed_units(&view.end.truth.rows);
    if confirmed > total {
        found.push(Violation::Oversold { confirmed, total });
    } else if shelf.remaining + confirmed != total {
        found.push(Violation::Stranded {
            total,
            remaining: shelf.remaining,
            confirmed,
        });
    }
    for (what, seen, expected) in [
        ("total in Redis", shelf.total, total),
        ("total in the ledger", ledger.total, total),
        ("units sold by the ledger", ledger.sold, confirmed),
        ("entries in Redis's outbox", shelf.outbox, 0),
        ("unwritten records", view.end.truth.lag.unwritten, 0),
    ] {
        if seen != expected {
            found.push(Violation::Disagreement {
                what,
                seen,
                expected,
            });
        }
    }
    found
}

/// Each number up to the highest that Redis gave stands for one thing.
fn numbers(view: &View<'_>, shelf: Shelf) -> Option<Violation> {
    let dead = view.dead_letters.iter().map(|letter| letter.sequence);
    let mut times: BTreeMap<i64, usize> = BTreeMap::new();
    for number in view.end.numbers.iter().copied().chain(dead) {
        *times.entry(number).or_default() += 1;
    }
    let given = 1..=shelf.sequence;
    let missing = given.clone().filter(|number| !times.contains_key(number));
    let repeated = times.iter().filter(|(_, times)| **times > 1);
    let beyond = times.keys().filter(|number| !given.contains(number));
    let (missing, repeated, beyond) = (
        missing.collect::<Vec<_>>(),
        repeated.map(|(number, _)| *number).collect::<Vec<_>>(),
        beyond.copied().collect::<Vec<_>>(),
    );
    let is_right = missing.is_empty() && repeated.is_empty() && beyond.is_empty();
    (!is_right).then_some(Violation::Numbers {
        missing,
        repeated,
        beyond,
    })
}

/// Units that an answer says were not there: one where it was sold out, else what was asked for.
fn refused_units(asked: &Asked) -> Option<i64> {
    match asked.reply.code() {
        "sold_out" => Some(1),
        "insufficient_stock" => Some(quantity(&asked.ask)),
        _ => None,
    }
}

fn phantom(asked: &Asked, left: i64) -> Option<Violation> {
    match &asked.ask {
        Ask::Order { user, .. } => Some(Violation::PhantomSellOut {
            user: user.clone(),
            left,
        }),
        _ => None,
    }
}

/// A sale cannot be sold out before so many units were asked for.
fn early_sell_outs(view: &View<'_>) -> Option<Violation> {
    let mut wanted: Vec<(u64, i64)> = Vec::new();
    for asked in view.keys.values() {
        let most = asked.iter().map(|it| quantity(&it.ask)).max().unwrap_or(0);
        wanted.push((asked[0].sent_us, most));
    }
    let total = i64::from(view.end.sale.total);
    let refusals = view.asked.iter();
    let mut refusals = refusals.filter_map(|it| Some((it, refused_units(it)?)));
    refusals.find_map(|(it, units)| {
        let before = wanted.iter().filter(|(sent_us, _)| *sent_us < it.done_us);
        let left = total - before.map(|(_, units)| units).sum::<i64>();
        (left >= units).then(|| phantom(it, left)).flatten()
    })
}

/// From when the last unit had come back, what is left only falls: whatever is left at the end was
/// left at every moment since.
fn late_sell_outs(view: &View<'_>, shelf: Shelf) -> Option<Violation> {
    let mut returned_us: BTreeMap<&Ask, u64> = BTreeMap::new();
    for it in &view.asked {
        let done = match (&it.ask, &it.reply) {
            (Ask::Cancel { .. }, Reply::Order { .. })
            | (Ask::Restock { .. }, Reply::Sale { .. }) => it.done_us,
            // Noted perhaps, and counted at any time; or not at all.
            (Ask::Cancel { .. } | Ask::Restock { .. }, reply) if reply.is_undecided() => u64::MAX,
            _ => continue,
        };
        let earliest = returned_us.entry(&it.ask).or_insert(done);
        *earliest = done.min(*earliest);
    }
    let last_us = returned_us.into_values().max().unwrap_or(0);
    let mut refusals = view.asked.iter().filter(|it| it.sent_us > last_us);
    refusals.find_map(|it| {
        let units = refused_units(it)?;
        (shelf.remaining >= units)
            .then(|| phantom(it, shelf.remaining))
            .flatten()
    })
}
