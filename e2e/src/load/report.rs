//! The report of a load: the figures that must be right, those that were measured, and a last line.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::Pace;
use super::check::Findings;
use super::history::{History, Try, percentiles};
use crate::answer::{Failure, Status};
use crate::checker::Answer;
use crate::table::{table, thousands};

/// An order that is sent later than this after it was due has waited for a free connection.
const LATE_US: u64 = 100_000;
/// A load that fell behind by more than this share of its duration, and by more than a second, has not reached its rate.
const BEHIND_SHARE: f64 = 0.01;

/// The report of one load.
#[derive(Debug, Clone)]
pub struct Report {
    figures: Vec<Figure>,
    measured: Vec<[String; 2]>,
    findings: Findings,
    given_up: u64,
    per_second: f64,
    /// The requested rate, if it was not reached.
    missed_rate: Option<u32>,
}

/// A figure, and its only right value.
#[derive(Debug, Clone)]
struct Figure {
    what: &'static str,
    counted: i64,
    expected: i64,
}

impl Report {
    /// Counts everything.
    pub fn of(history: &History, findings: Findings) -> Self {
        let given_up = history.given_up();
        Self {
            figures: figures(&findings, given_up),
            measured: measured(history, &findings),
            findings,
            given_up,
            per_second: per_second(history),
            missed_rate: match history.pace {
                Pace::PerSecond(rate) if !rate_is_reached(history) => Some(rate),
                _ => None,
            },
        }
    }

    /// # Errors
    /// With a summary of what is wrong, unless every order was answered and every answer was kept.
    pub fn expect_right(&self) -> Result<()> {
        let violations = self.findings.violations;
        ensure!(violations == 0, "{violations} violations found");
        let given_up = thousands(self.given_up);
        ensure!(self.given_up == 0, "{given_up} orders never answered");
        let wrong = self
            .figures
            .iter()
            .filter(|it| it.counted != it.expected)
            .count();
        ensure!(
            wrong == 0,
            "{wrong} of {} figures are wrong",
            self.figures.len()
        );
        Ok(())
    }

    /// The last line, if nothing is wrong.
    ///
    /// # Errors
    /// With a summary of what is wrong, including a rate that was not reached.
    pub fn conclude(&self) -> Result<String> {
        self.expect_right()?;
        let sent = thousands(self.per_second.round() as i64);
        if let Some(rate) = self.missed_rate {
            anyhow::bail!(
                "load not reached: {sent} of {} orders a second",
                thousands(rate)
            );
        }
        Ok(format!(
            "{} of {} orders accepted at {sent} requests a second, oversold 0, lost 0, duplicated 0",
            thousands(self.findings.accepted),
            thousands(self.findings.buyers),
        ))
    }
}

/// All figures that have only one right value.
fn figures(it: &Findings, given_up: u64) -> Vec<Figure> {
    let figure = |what, counted, expected| Figure {
        what,
        counted,
        expected,
    };
    let (winners, losers) = (it.winners, it.buyers - it.winners);
    vec![
        figure("orders accepted (202)", it.accepted, winners),
        figure("orders told sold_out", it.sold_out, losers),
        figure("retries answered with the order", it.replays, it.retries),
        figure("orders never answered", given_up as i64, 0),
        figure("units oversold", it.oversold, 0),
        figure("orders lost", it.lost, 0),
        figure("orders duplicated", it.duplicated, 0),
        figure("PostgreSQL: rows", it.rows, winners),
        figure("PostgreSQL: orders confirmed", it.confirmed, winners),
        figure("PostgreSQL: orders rejected", it.rejected, 0),
        figure("PostgreSQL: dead letters", it.dead_letters, 0),
        figure("PostgreSQL: units sold by the ledger", it.sold, winners),
        figure("Redis: units remaining", it.remaining, it.unsold),
        figure("Redis: outbox entries", it.outbox, 0),
        figure("Kafka: records not written", it.lag.unwritten, 0),
        figure("Kafka: records not committed", it.lag.uncommitted, 0),
    ]
}

fn measured(history: &History, findings: &Findings) -> Vec<[String; 2]> {
    let mut rows = Vec::new();
    let mut add = |what: &str, value: String| rows.push([what.to_owned(), value]);
    let first = || history.tries.iter().filter(|it| it.number == 1);
    let per_second = thousands(per_second(history).round() as i64);
    add("requests", thousands(history.tries.len() as u64));
    if let Pace::PerSecond(rate) = history.pace {
        let rates = format!("{per_second} / {}", thousands(rate));
        add("orders a second, sent / asked for", rates);
        let late = first().map(|it| it.sent_us.saturating_sub(it.due_us));
        let count = late.clone().filter(|us| *us > LATE_US).count() as u64;
        let latest = Duration::from_micros(late.max().unwrap_or_default());
        let late = format!("{} / {}", thousands(count), seconds(latest));
        add("orders sent over 100 ms late / latest", late);
        let gap = history.longest_gap(0..history.last_due_us());
        add("longest time without a 202", seconds(gap));
        let repeated = |it: &&Try| matches!(it.answer, Answer::Placed { replayed: true, .. });
        let repeated = first().filter(repeated).count() as u64;
        add("orders repeated by a proxy", thousands(repeated));
    } else {
        add("requests a second", per_second);
    }
    let failures = count_failures(first().filter_map(|it| it.failure));
    let failed: u64 = failures.values().sum();
    add("first tries that failed", thousands(failed));
    for (failure, count) in failures {
        add(&format!("  {failure}"), thousands(count));
    }
    let retried = history.answered().filter(|it| it.number > 1);
    let retried: Vec<u8> = retried.map(|it| it.number).collect();
    let most = retried.iter().max().unwrap_or(&1);
    let retried = format!("{} / {most}", thousands(retried.len() as u64));
    add("orders that needed retries / most tries", retried);
    let reserved =
        |it: Answer| matches!(it, Answer::Placed { status, .. } if status == Status::Reserved);
    let reserved = history.count(reserved) as u64;
    add("202 before the order was on Kafka", thousands(reserved));
    let names = ["p50", "p95", "p99", "p99.9", "max"];
    let latencies = percentiles(history.answered(), [0.5, 0.95, 0.99, 0.999, 1.0]);
    for (name, latency) in names.into_iter().zip(latencies) {
        let ms = latency.as_secs_f64() * 1_000.0;
        add(&format!("latency {name}, ms"), format!("{ms:.1}"));
    }
    let written = seconds(findings.written);
    add("from the first request to the last row", written);
    rows
}

/// How many there are of each kind.
pub fn count_failures(failures: impl Iterator<Item = Failure>) -> BTreeMap<Failure, u64> {
    let mut counts = BTreeMap::new();
    failures.for_each(|it| *counts.entry(it).or_default() += 1);
    counts
}

/// Answered requests per second; with a constant rate also sent orders per second.
fn per_second(history: &History) -> f64 {
    let (count, time) = if history.pace == Pace::AsAnswered {
        let end = history.tries.last().map_or(0, |it| it.done_us);
        (history.tries.len() as u64, Duration::from_micros(end))
    } else {
        // The first order is due at once: so many are sent in one interval less.
        (history.sent.orders.saturating_sub(1), history.sent.sending)
    };
    count as f64 / time.as_secs_f64().max(f64::MIN_POSITIVE)
}

fn rate_is_reached(history: &History) -> bool {
    let due = Duration::from_micros(history.last_due_us());
    let behind = history.sent.sending.saturating_sub(due);
    history.sent.complete && behind <= due.mul_f64(BEHIND_SHARE).max(Duration::from_secs(1))
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = self.figures.iter().map(|it| {
            let mark = if it.counted == it.expected {
                "ok"
            } else {
                "WRONG"
            };
            let [counted, expected] = [it.counted, it.expected].map(thousands);
            [it.what.to_owned(), counted, expected, mark.to_owned()]
        });
        let figures: Vec<_> = figures.collect();
        writeln!(f, "{}\n", table(["", "counted", "should be", ""], &figures))?;
        writeln!(f, "{}", table(["", "measured"], &self.measured))?;
        for sentence in &self.findings.sentences {
            writeln!(f, " WRONG  {sentence}")?;
        }
        let hidden = self.findings.violations - self.findings.sentences.len();
        if hidden > 0 {
            writeln!(f, " WRONG  and {hidden} more violations")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::check::tests::findings;
    use crate::load::history::tests::{history, placed};

    /// The figures that are wrong.
    fn wrong(findings: &Findings) -> Vec<&'static str> {
        let figures = figures(findings, 0);
        let wrong = figures.iter().filter(|it| it.counted != it.expected);
        wrong.map(|it| it.what).collect()
    }

    #[test]
    fn a_sale_that_went_right_has_only_right_figures() {
        assert!(wrong(&findings(|_, _| ())).is_empty());
    }

    #[test]
    fn every_wrong_figure_is_marked() {
        let rows = ["PostgreSQL: rows", "PostgreSQL: orders confirmed"];
        assert_eq!(
            wrong(&findings(|_, contents| contents.rows.truncate(2))),
            rows
        );
        let one_more = |contents: &mut crate::checker::StoreContents| {
            contents.rows.push(contents.rows[0]);
        };
        assert_eq!(wrong(&findings(|_, contents| one_more(contents))), rows);
        let sold_out = |buyer| (buyer, 9, Answer::SoldOut);
        assert_eq!(
            wrong(&findings(|tries, _| tries.push(sold_out(0)))),
            ["retries answered with the order"]
        );
        assert_eq!(
            wrong(&findings(|tries, _| tries.push((3, 9, Answer::Undecided)))),
            ["orders told sold_out"]
        );
        assert_eq!(
            wrong(&findings(|tries, _| tries.retain(|it| it.0 != 0))),
            ["orders accepted (202)", "orders told sold_out"]
        );
        assert_eq!(
            wrong(&findings(|_, contents| contents.lag.unwritten = 2)),
            ["Kafka: records not written"]
        );
        assert_eq!(
            wrong(&findings(|_, contents| contents.redis = None)),
            ["Redis: units remaining", "Redis: outbox entries"]
        );
    }

    #[test]
    fn a_violation_an_unanswered_order_and_a_missed_rate_each_fail_the_report() {
        let tries = [
            (0, 500, placed()),
            (1, 1_500, placed()),
            (2, 2_500, placed()),
        ];
        let tries: Vec<_> = tries
            .into_iter()
            .chain([(3, 4_000, Answer::SoldOut)])
            .collect();
        let right = history(&tries);
        let findings = || findings(|_, _| ());
        Report::of(&right, findings()).conclude().unwrap();

        let violated = Findings {
            violations: 1,
            ..findings()
        };
        assert!(Report::of(&right, violated).expect_right().is_err());
        let unanswered = history(&[&tries[..], &[(4, 9_000, Answer::Undecided)]].concat());
        assert!(Report::of(&unanswered, findings()).expect_right().is_err());
        let mut slow = right.clone();
        slow.sent.sending = Duration::from_secs(2);
        let report = Report::of(&slow, findings());
        report.expect_right().unwrap();
        let error = report.conclude().unwrap_err().to_string();
        assert_eq!(error, "load not reached: 2 of 1,000 orders a second");
        let text = report.to_string();
        assert!(
            text.contains("orders a second, sent / asked for") && !text.contains("WRONG"),
            "{text}"
        );
    }
}
