//! The report of a load: the figures that must be right, those that were measured, and a last line.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::check::{Findings, check};
use super::history::{History, percentiles};
use super::{Attempt, Pace, Player};
use crate::answer::{Failure, Status};
use crate::deployment::Deployment;
use crate::order::Sale;
use crate::table::{table, thousands};

/// An order that is sent later than this after it was due has waited for a free connection.
const LATE_US: u64 = 100_000;
/// A load that fell behind by more than this share of its duration, and by more than a second, has not reached its rate.
const BEHIND_SHARE: f64 = 0.01;

/// The report of one load.
#[derive(Debug, Clone)]
pub struct Report {
    pub history: History,
    pub findings: Findings,
}

impl Report {
    /// # Errors
    /// With a summary of what is wrong, unless every order was answered and every answer was kept.
    pub fn expect_right(&self) -> Result<()> {
        let (violations, figures) = (self.findings.violations, &self.findings.figures);
        ensure!(violations == 0, "{violations} violations found");
        let (wrong, all) = (self.findings.wrong().count(), figures.len());
        ensure!(wrong == 0, "{wrong} of {all} figures are wrong");
        Ok(())
    }

    /// The last line, if nothing is wrong.
    ///
    /// # Errors
    /// With a summary of what is wrong, including a rate that was not reached.
    pub fn conclude(&self) -> Result<String> {
        self.expect_right()?;
        let sent = per_second(&self.history);
        if let Pace::PerSecond(rate) = self.history.player.pace {
            let (is_reached, rate) = (rate_is_reached(&self.history), thousands(rate));
            ensure!(
                is_reached,
                "load not reached: {sent} of {rate} orders a second"
            );
        }
        let accepted = thousands(self.findings.counted("orders accepted (202)"));
        let buyers = thousands(self.findings.buyers);
        Ok(format!(
            "{accepted} of {buyers} orders accepted at {sent} requests a second, oversold 0, lost 0, duplicated 0"
        ))
    }
}

fn measured(history: &History, findings: &Findings) -> Vec<[String; 2]> {
    let mut rows = Vec::new();
    let mut add = |what: &str, value: String| rows.push([what.to_owned(), value]);
    let first = || history.orders().filter(|it| it.number == 1);
    let per_second = per_second(history);
    add("requests", thousands(history.orders().count() as u64));
    if let Pace::PerSecond(rate) = history.player.pace {
        let rates = format!("{per_second} / {}", thousands(rate));
        add("orders a second, sent / asked for", rates);
        let late = first().map(|it| it.sent_us.saturating_sub(it.due_us));
        let count = late.clone().filter(|us| *us > LATE_US).count() as u64;
        let latest = Duration::from_micros(late.max().unwrap_or_default());
        let late = format!("{} / {}", thousands(count), seconds(latest));
        add("orders sent over 100 ms late / latest", late);
    } else {
        add("requests a second", per_second);
    }
    let failures = count_failures(first().filter_map(|it| it.response.failure()));
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
    let placed = history.orders().filter_map(|it| it.response.order());
    let reserved = placed.filter(|it| it.status == Status::Reserved);
    let reserved = thousands(reserved.count() as u64);
    add("202 before the order was on Kafka", reserved);
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

/// Opens the sales, plays the load, checks every answer and prints the report; returns its last line. The workers
/// may take so long to write the rest.
///
/// # Errors
/// When something is wrong, a service or store fails, or a signal stopped it.
pub async fn play_and_report(
    player: &Player,
    deployment: &Deployment,
    sales: &[Sale],
    attempts: impl Iterator<Item = Attempt> + Send + 'static,
    write_limit: Duration,
) -> Result<String> {
    let report = deployment.with_sales(sales, async || {
        let running = player.start(sales, attempts)?;
        let history = running.finish_and_print().await?;
        let findings = check(&history, &deployment.stores, write_limit).await?;
        Ok(Report { history, findings })
    });
    let report = report.await?;
    println!("\n{report}");
    report.conclude()
}

/// How many there are of each kind.
pub fn count_failures(failures: impl Iterator<Item = Failure>) -> BTreeMap<Failure, u64> {
    let mut counts = BTreeMap::new();
    failures.for_each(|it| *counts.entry(it).or_default() += 1);
    counts
}

/// Answered requests per second; with a constant rate also sent orders per second.
fn per_second(history: &History) -> String {
    let (count, time) = if history.player.pace == Pace::AsAnswered {
        let end = history.exchanges.last().map_or(0, |it| it.done_us);
        let count = history.orders().count() as u64;
        (count, Duration::from_micros(end))
    } else {
        // The first order is due at once: so many are sent in one interval less.
        (history.sent.orders.saturating_sub(1), history.sent.sending)
    };
    let per_second = count as f64 / time.as_secs_f64().max(f64::MIN_POSITIVE);
    thousands(per_second.round() as i64)
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
        let figures = self.findings.figures.iter().map(|it| {
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
        let measured = measured(&self.history, &self.findings);
        writeln!(f, "{}", table(["", "measured"], &measured))?;
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
    use crate::answer::{Refusal, Response};
    use crate::checker::script::accepted;
    use crate::load::check::tests::findings;
    use crate::load::history::tests::history;

    #[test]
    fn a_violation_a_wrong_figure_and_a_missed_rate_each_fail_the_report() {
        let tries = [
            (0, 500, accepted(0)),
            (1, 1_500, accepted(0)),
            (2, 2_500, accepted(0)),
            (3, 4_000, Response::Refused(Refusal::SoldOut)),
        ];
        let right = Report {
            history: history(&tries),
            findings: findings("", |_| ()),
        };
        right.conclude().unwrap();

        let mut violated = right.clone();
        violated.findings.violations = 1;
        assert!(violated.expect_right().is_err());
        let mut wrong = right.clone();
        wrong.findings = findings("order 3 unanswered", |_| ());
        assert!(wrong.expect_right().is_err());
        let mut report = right;
        report.history.sent.sending = Duration::from_secs(2);
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
