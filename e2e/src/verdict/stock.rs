//! The sale's numbers against each other.

use std::collections::BTreeSet;

use super::Fault;
use crate::answer::Answer;
use crate::order::Sale;
use crate::truth::{Row, Truth};

/// What is wrong with the sale as a whole.
pub fn wrong(sale: &Sale, answers: &[&Answer], truth: &Truth) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (Some(shelf), Some(ledger)) = (truth.shelf, truth.ledger) else {
        faults.extend(truth.shelf.is_none().then_some(Fault::Missing("Redis")));
        faults.extend(
            truth
                .ledger
                .is_none()
                .then_some(Fault::Missing("PostgreSQL")),
        );
        return faults;
    };
    let total = i64::from(sale.total);
    let confirmed = confirmed_units(&truth.rows);
    if confirmed > total {
        faults.push(Fault::Oversold { confirmed, total });
    }
    let told_sold_out = answers.iter().any(|answer| answer.outcome.is_sold_out());
    if told_sold_out && confirmed < total {
        let unsold = total - confirmed;
        faults.push(Fault::PhantomSellOut { unsold });
    }
    let gone = shelf.gone();
    if gone != confirmed {
        faults.push(Fault::Stranded { gone, confirmed });
    }

    let orders = i64::try_from(truth.rows.len()).unwrap_or(i64::MAX);
    for (what, seen, expected) in [
        ("total in Redis", shelf.total, total),
        ("total in the ledger", ledger.total, total),
        ("units sold by the ledger", ledger.sold, confirmed),
        ("orders remembered in Redis", shelf.records, orders),
        ("highest number in Redis", shelf.sequence, orders),
        ("different numbers from 1 on", numbered(&truth.rows), orders),
        ("entries in the outbox", shelf.outbox, 0),
        ("records on the topic not written", truth.lag.unwritten, 0),
        (
            "records on the topic not committed",
            truth.lag.uncommitted,
            0,
        ),
    ] {
        if seen != expected {
            faults.push(Fault::Disagreement {
                what,
                seen,
                expected,
            });
        }
    }
    faults
}

/// Units of the confirmed rows.
pub fn confirmed_units(rows: &[Row]) -> i64 {
    let confirmed = rows.iter().filter(|row| row.status == "confirmed");
    confirmed.map(|row| row.quantity).sum()
}

/// How many of the numbers 1 to the number of rows are there.
fn numbered(rows: &[Row]) -> i64 {
    let numbers: BTreeSet<i64> = rows.iter().map(|row| row.sequence).collect();
    let expected = (1..).zip(rows);
    expected
        .map(|(number, _)| i64::from(numbers.contains(&number)))
        .sum()
}
