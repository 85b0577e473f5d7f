//! Passes the history of a load to the checker, sale by sale, and counts the violations.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::history::History;
use crate::answer::{Refusal, Response, Status};
use crate::checker::{self, Lag, StoreContents, Violation};
use crate::stores::Stores;

/// Violations that are kept as sentences; the rest are counted.
const SENTENCES_MAX: usize = 20;

/// The result over all sales.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Everything that can have only one value when nothing is wrong.
    pub figures: Vec<Figure>,
    /// Buyers who got an answer, each with one order.
    pub buyers: i64,
    /// The time from the first request until everything was written.
    pub written: Duration,
    /// All violations, and the first of them as sentences.
    pub violations: usize,
    pub sentences: Vec<String>,
}

/// A figure, and its only right value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    pub what: &'static str,
    pub counted: i64,
    pub expected: i64,
}

/// Waits until everything is written, for at most `limit`, and looks for violations. If not everything was written in
/// time, that is a violation.
pub async fn check(history: &History, stores: &Stores, limit: Duration) -> Result<Findings> {
    let (mut findings, mut lag) = (Findings::default(), Lag::default());
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
        let history = history.of_sale(number);
        let contents = stores.contents_before(sale, &ends).await?;
        findings.count(history, &contents);
        checker::check(history, &contents, &mut |it| findings.add(&it));
        // It is of all sales.
        lag = contents.lag;
    }
    findings.figure("orders never answered", history.given_up() as i64, 0);
    findings.figure("Kafka: records not written", lag.unwritten, 0);
    findings.figure("Kafka: records not committed", lag.uncommitted, 0);
    Ok(findings)
}

/// Waits until everything is written and compares the history with the stores.
///
/// # Errors
/// With every violation, or when it takes longer than `limit`.
pub async fn expect_right(history: &History, stores: &Stores, limit: Duration) -> Result<Findings> {
    let findings = check(history, stores, limit).await?;
    let (count, sentences) = (findings.violations, findings.sentences.join("\n"));
    ensure!(count == 0, "{count} violations:\n{sentences}");
    Ok(findings)
}

impl Findings {
    /// What was counted; 0 where there is no such figure.
    pub fn counted(&self, what: &str) -> i64 {
        let figure = self.figures.iter().find(|it| it.what == what);
        figure.map_or(0, |it| it.counted)
    }

    pub fn wrong(&self) -> impl Iterator<Item = &Figure> {
        let figures = self.figures.iter();
        figures.filter(|it| it.counted != it.expected)
    }

    /// Adds to a figure.
    fn figure(&mut self, what: &'static str, counted: i64, expected: i64) {
        if let Some(figure) = self.figures.iter_mut().find(|it| it.what == what) {
            figure.counted += counted;
            figure.expected += expected;
        } else {
            self.figures.push(Figure {
                what,
                counted,
                expected,
            });
        }
    }

    /// Adds the figures of one sale, in the order in which they are shown.
    fn count(&mut self, history: checker::History<'_>, contents: &StoreContents) {
        let (total, asked) = (history.sale.total.into(), Asked::count(history));
        let winners = asked.buyers.min(total);
        self.buyers += asked.buyers;
        self.figure("orders accepted (202)", asked.accepted, winners);
        let losers = asked.buyers - winners;
        self.figure("orders told sold_out", asked.sold_out, losers);
        self.figure(
            "retries answered with the order",
            asked.replays,
            asked.retries,
        );
        self.figure("orders never answered", 0, 0);
        self.figure("units oversold", 0, 0);
        self.figure("orders lost", 0, 0);
        self.figure("orders duplicated", 0, 0);
        let rows = |status| {
            let rows = contents.rows.iter().filter(|row| row.status == status);
            rows.count() as i64
        };
        self.figure("PostgreSQL: rows", contents.rows.len() as i64, winners);
        let (confirmed, rejected) = (rows(Status::Confirmed), rows(Status::Rejected));
        self.figure("PostgreSQL: orders confirmed", confirmed, winners);
        self.figure("PostgreSQL: orders rejected", rejected, 0);
        let dead_letters = contents.dead_letters.len() as i64;
        self.figure("PostgreSQL: dead letters", dead_letters, 0);
        // A store that does not have the sale has one less.
        let sold = contents.ledger.map_or(-1, |it| it.sold);
        self.figure("PostgreSQL: units sold by the ledger", sold, winners);
        let remaining = contents.redis.map_or(-1, |it| it.remaining);
        self.figure("Redis: units remaining", remaining, total - winners);
        let outbox = contents.redis.map_or(-1, |it| it.outbox);
        self.figure("Redis: outbox entries", outbox, 0);
    }

    fn add(&mut self, violation: &Violation) {
        match violation {
            // Accepted and nowhere, or rejected in the end.
            Violation::Lost { .. } | Violation::Rejected { .. } => {
                self.figure("orders lost", 1, 0);
            }
            Violation::DuplicateOrder { .. } => self.figure("orders duplicated", 1, 0),
            Violation::Oversold { confirmed, total } => {
                self.figure("units oversold", confirmed - total, 0);
            }
            _ => {}
        }
        self.violations += 1;
        if self.sentences.len() < SENTENCES_MAX {
            self.sentences.push(violation.to_string());
        }
    }
}

/// What the buyers of one sale were answered.
#[derive(Default)]
struct Asked {
    buyers: i64,
    accepted: i64,
    sold_out: i64,
    /// Answers to an accepted order beyond one, and those of them that name the same order.
    retries: i64,
    replays: i64,
}

impl Asked {
    fn count(history: checker::History<'_>) -> Self {
        let orders = history.orders();
        let mut asked = Self::default();
        for own in orders.chunk_by(|a, b| a.buyer() == b.buyer()) {
            asked.buyers += 1;
            let count = |pick: &dyn Fn(&Response) -> bool| {
                own.iter().filter(|it| pick(&it.response)).count() as i64
            };
            if let Some(first) = own.iter().find_map(|it| it.response.order()) {
                asked.accepted += 1;
                asked.retries += count(&|it| !it.is_undecided()) - 1;
                let is_same = |it: &Response| it.order().is_some_and(|it| it.id == first.id);
                asked.replays += count(&is_same) - 1;
            } else {
                let sold_out = count(&|it| it.is_refused(Refusal::SoldOut));
                asked.sold_out += i64::from(sold_out == own.len() as i64);
            }
        }
        asked
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::checker::script::{Run, SOLD_OUT, id};

    /// The figures of a sale that sold out, after more steps and with spoiled stores.
    pub fn findings(steps: &str, spoil: impl FnOnce(&mut StoreContents)) -> Findings {
        let run = Run::of(&[SOLD_OUT, steps]);
        let mut contents = run.contents.clone();
        spoil(&mut contents);
        let mut findings = Findings::default();
        findings.count(run.history(), &contents);
        findings
    }

    #[test]
    fn every_wrong_figure_is_found() {
        let wrong = |steps, spoil: fn(&mut StoreContents)| {
            let findings = findings(steps, spoil);
            findings.wrong().map(|it| it.what).collect::<Vec<_>>()
        };
        let rows = ["PostgreSQL: rows", "PostgreSQL: orders confirmed"];
        let redis = ["Redis: units remaining", "Redis: outbox entries"];
        let answers = ["orders accepted (202)", "orders told sold_out"];
        assert_eq!(wrong("", |_| ()), [""; 0]);
        assert_eq!(wrong("", |it| it.rows.truncate(2)), rows);
        assert_eq!(wrong("", |it| it.rows.push(it.rows[0])), rows);
        assert_eq!(wrong("no redis", |_| ()), redis);
        assert_eq!(wrong("forget order 0", |_| ()), answers);
        let undecided = wrong("order 3 unanswered", |_| ());
        assert_eq!(undecided, ["orders told sold_out"]);
        let contradicted = wrong("order 0 sold_out", |_| ());
        assert_eq!(contradicted, ["retries answered with the order"]);
    }

    #[test]
    fn violations_are_sorted_into_lost_duplicated_and_oversold() {
        let (mut findings, id) = (Findings::default(), id(0));
        findings.add(&Violation::Lost { id, accepted: true });
        findings.add(&Violation::Rejected { id });
        let (buyer, ids) = ("buyer-1".into(), vec![id]);
        findings.add(&Violation::DuplicateOrder { buyer, ids });
        let (confirmed, total) = (5, 3);
        findings.add(&Violation::Oversold { confirmed, total });
        let what = ["orders lost", "orders duplicated", "units oversold"];
        assert_eq!(what.map(|it| findings.counted(it)), [2, 1, 2]);
        assert_eq!((findings.violations, findings.sentences.len()), (4, 4));
    }
}
