//! The sale's numbers against each other.

use std::collections::BTreeSet;

use super::Fault;
use crate::order::Sale;
use crate::truth::{Lag, Ledger, Row, Shelf};

/// What the stores say about a sale as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Books {
    /// Its rows, counted.
    pub rows: Rows,
    /// Its row in `stock_ledger`, if it has one.
    pub ledger: Option<Ledger>,
    /// What Redis holds of it, if anything.
    pub shelf: Option<Shelf>,
    /// What the worker has not read yet, of all sales.
    pub lag: Lag,
}

/// A sale's rows in `orders`, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// All of them.
    pub orders: i64,
    /// Units of the confirmed ones.
    pub confirmed: i64,
    /// How many of the numbers 1 to the number of rows they have.
    numbered: i64,
}

impl Rows {
    /// Rows with so many confirmed units and these numbers.
    pub fn count(confirmed: i64, numbers: impl IntoIterator<Item = i64>) -> Self {
        let mut orders = 0;
        let counted = numbers.into_iter().inspect(|_| orders += 1);
        let numbers: BTreeSet<i64> = counted.collect();
        let numbered = numbers.range(1..=orders).count();
        Self {
            orders,
            confirmed,
            numbered: i64::try_from(numbered).unwrap_or(i64::MAX),
        }
    }
}

impl From<&[Row]> for Rows {
    fn from(rows: &[Row]) -> Self {
        Self::count(confirmed_units(rows), rows.iter().map(|row| row.sequence))
    }
}

/// What is wrong with the sale as a whole.
pub fn wrong(sale: &Sale, told_sold_out: bool, books: &Books) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (Some(shelf), Some(ledger)) = (books.shelf, books.ledger) else {
        faults.extend(books.shelf.is_none().then_some(Fault::Missing("Redis")));
        faults.extend(
            books
                .ledger
                .is_none()
                .then_some(Fault::Missing("PostgreSQL")),
        );
        return faults;
    };
    let total = i64::from(sale.total);
    let Rows {
        orders,
        confirmed,
        numbered,
    } = books.rows;
    if confirmed > total {
        faults.push(Fault::Oversold { confirmed, total });
    }
    if told_sold_out && confirmed < total {
        let unsold = total - confirmed;
        faults.push(Fault::PhantomSellOut { unsold });
    }
    let gone = shelf.gone();
    if gone != confirmed {
        faults.push(Fault::Stranded { gone, confirmed });
    }

    for (what, seen, expected) in [
        ("total in Redis", shelf.total, total),
        ("total in the ledger", ledger.total, total),
        ("units sold by the ledger", ledger.sold, confirmed),
        ("orders remembered in Redis", shelf.records, orders),
        ("highest number in Redis", shelf.sequence, orders),
        ("different numbers from 1 on", numbered, orders),
        ("entries in the outbox", shelf.outbox, 0),
        ("records on the topic not written", books.lag.unwritten, 0),
        (
            "records on the topic not committed",
            books.lag.uncommitted,
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
