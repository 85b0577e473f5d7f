//! Passes the history of a load to the checker, sale by sale, and counts the violations.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::history::History;
use crate::answer::Status;
use crate::checker::{self, Answer, Lag, OrderAnswer, StoreContents, Violation};
use crate::stores::Stores;

/// Violations that are kept as sentences; the rest are counted.
const SENTENCES_MAX: usize = 20;

/// The result over all sales.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Buyers who got an answer, each with one order.
    pub buyers: i64,
    /// Buyers whose order should be accepted: as many as there are units.
    pub winners: i64,
    pub accepted: i64,
    pub sold_out: i64,
    /// Answers to an accepted order beyond one, and those of them that name the same order.
    pub retries: i64,
    pub replays: i64,
    pub rows: i64,
    pub confirmed: i64,
    pub rejected: i64,
    pub dead_letters: i64,
    /// Units sold according to `stock_ledger`; one less for each sale that it does not have.
    pub sold: i64,
    /// Units and outbox entries in Redis; one less for each sale that it does not have.
    pub remaining: i64,
    pub outbox: i64,
    /// Units that should remain.
    pub unsold: i64,
    pub lag: Lag,
    /// The time from the first request until everything was written.
    pub written: Duration,
    /// Orders that were accepted but are in no store, or were rejected.
    pub lost: i64,
    /// Keys that led to several orders.
    pub duplicated: i64,
    /// Units confirmed beyond the stock.
    pub oversold: i64,
    /// All violations, including those above, and the first of them as sentences.
    pub violations: usize,
    pub sentences: Vec<String>,
}

/// Waits until everything is written, for at most `limit`, and looks for violations. If not everything was written in
/// time, that is a violation.
pub async fn check(history: &History, stores: &Stores, limit: Duration) -> Result<Findings> {
    let mut findings = Findings::default();
    let ends = match stores.drained(&history.sales, limit).await {
        Ok(ends) => ends,
        Err(error) => {
            let why = format!("{error:#}");
            findings.add(&Violation::NotDrained { why });
            stores.ends().await?
        }
    };
    findings.written = history.start.elapsed();
    for (number, sale) in (0..).zip(&history.sales) {
        let answers = history.of_sale(number);
        let contents = stores.contents_before(sale, &ends).await?;
        findings.count(sale.total.into(), &answers.orders, &contents);
        checker::check(&answers, &contents, &mut |it| findings.add(&it));
    }
    Ok(findings)
}

/// Waits until everything is written and compares the history with the stores.
///
/// # Errors
/// With every violation, or when it takes longer than `limit`.
pub async fn expect_right(history: &History, stores: &Stores, limit: Duration) -> Result<Findings> {
    let findings = check(history, stores, limit).await?;
    findings.expect_none()?;
    Ok(findings)
}

impl Findings {
    /// # Errors
    /// With the violations, if there are any.
    pub fn expect_none(&self) -> Result<()> {
        let (count, sentences) = (self.violations, self.sentences.join("\n"));
        ensure!(count == 0, "{count} violations:\n{sentences}");
        Ok(())
    }

    fn count(&mut self, total: i64, answers: &[OrderAnswer], contents: &StoreContents) {
        let buyers = self.count_buyers(answers);
        let rows = |status| {
            let rows = contents.rows.iter().filter(|row| row.status == status);
            rows.count() as i64
        };
        self.winners += total.min(buyers);
        self.unsold += total - total.min(buyers);
        self.rows += contents.rows.len() as i64;
        self.confirmed += rows(Status::Confirmed);
        self.rejected += rows(Status::Rejected);
        self.dead_letters += contents.dead_letters.len() as i64;
        self.sold += contents.ledger.map_or(-1, |it| it.sold);
        self.remaining += contents.redis.map_or(-1, |it| it.remaining);
        self.outbox += contents.redis.map_or(-1, |it| it.outbox);
        // The lag covers all sales.
        self.lag = contents.lag;
    }

    /// How many there are.
    fn count_buyers(&mut self, answers: &[OrderAnswer]) -> i64 {
        let mut answers: Vec<&OrderAnswer> = answers.iter().collect();
        answers.sort_unstable_by_key(|it| it.buyer);
        let mut buyers = 0;
        for own in answers.chunk_by(|a, b| a.buyer == b.buyer) {
            buyers += 1;
            let count = |pick: &dyn Fn(Answer) -> bool| {
                own.iter().filter(|it| pick(it.answer)).count() as i64
            };
            if let Some(id) = own.iter().find_map(|it| it.answer.order_id()) {
                self.accepted += 1;
                self.retries += count(&|it| it != Answer::Undecided) - 1;
                self.replays += count(&|it| it.order_id() == Some(id)) - 1;
            } else {
                self.sold_out += i64::from(count(&|it| it == Answer::SoldOut) == own.len() as i64);
            }
        }
        self.buyers += buyers;
        buyers
    }

    fn add(&mut self, violation: &Violation) {
        match violation {
            Violation::Lost { .. } | Violation::Rejected { .. } => self.lost += 1,
            Violation::DuplicateOrder { .. } => self.duplicated += 1,
            Violation::Oversold { confirmed, total } => self.oversold += confirmed - total,
            _ => {}
        }
        self.violations += 1;
        if self.sentences.len() < SENTENCES_MAX {
            self.sentences.push(violation.to_string());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::checker::{Ledger, RedisSale, Row};
    use crate::load::history::tests::{ID, history, placed};

    /// Three units and five buyers, of whom one sends its order twice; then `spoil` changes the result.
    pub fn findings(
        spoil: impl FnOnce(&mut Vec<(u32, u64, Answer)>, &mut StoreContents),
    ) -> Findings {
        let mut tries: Vec<_> = [0, 1, 2, 0].map(|buyer| (buyer, 1, placed())).into();
        tries.extend([3, 4].map(|buyer| (buyer, 2, Answer::SoldOut)));
        let row = |buyer| Row {
            sequence: i64::from(buyer) + 1,
            buyer: Some(buyer),
            quantity: 1,
            id: ID.parse().unwrap(),
            status: Status::Confirmed,
        };
        let mut contents = StoreContents {
            opening_total: 3,
            rows: (0..3).map(row).collect(),
            ledger: Some(Ledger { total: 3, sold: 3 }),
            redis: Some(RedisSale {
                total: 3,
                remaining: 0,
                sequence: 3,
                records: 3,
                outbox: 0,
            }),
            ..Default::default()
        };
        spoil(&mut tries, &mut contents);
        let mut findings = Findings::default();
        findings.count(3, &history(&tries).of_sale(0).orders, &contents);
        findings
    }

    #[test]
    fn buyers_retries_and_rows_are_counted() {
        let it = findings(|_, _| ());
        assert_eq!(
            [it.buyers, it.winners, it.accepted, it.sold_out],
            [5, 3, 3, 2]
        );
        assert_eq!([it.retries, it.replays], [1, 1]);
        assert_eq!(
            [it.rows, it.confirmed, it.rejected, it.unsold],
            [3, 3, 0, 0]
        );
    }

    #[test]
    fn violations_are_sorted_into_lost_duplicated_and_oversold() {
        let mut findings = Findings::default();
        let id = ID.parse().unwrap();
        findings.add(&Violation::Lost { id, accepted: true });
        findings.add(&Violation::Rejected { id });
        let (buyer, ids) = ("buyer-1".into(), vec![id]);
        findings.add(&Violation::DuplicateOrder { buyer, ids });
        let (confirmed, total) = (5, 3);
        findings.add(&Violation::Oversold { confirmed, total });
        let it = &findings;
        assert_eq!([it.lost, it.duplicated, it.oversold], [2, 1, 2]);
        assert_eq!((findings.violations, findings.sentences.len()), (4, 4));
        assert!(findings.expect_none().is_err());
    }
}
