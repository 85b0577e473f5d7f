//! What came out of a rehearsal.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::attempt::{Ending, Failure};
use super::check::Findings;
use super::heard::{Heard, micros, percentiles};
use crate::thousands::{signed, thousands};

/// An order that is sent so much after it was due has waited for a free connection.
const LATE: Duration = Duration::from_millis(100);
/// A rehearsal that fell behind by more than this part of its time, and by more than a second, says nothing about
/// its rate.
const BEHIND: f64 = 0.01;

/// The table and the last line.
#[derive(Debug)]
pub struct Report {
    /// Orders a second that were asked for, and that were sent.
    pub rate: (u64, u64),
    /// Whether all were sent, and none long after it should have been.
    pub rate_is_reached: bool,
    /// Orders that were sent at least once.
    pub sent: u64,
    /// Orders that were sent late, and the latest by how much.
    pub late: (u64, Duration),
    /// Requests, with every retry.
    pub requests: u64,
    /// First tries that failed, by how.
    pub failed: BTreeMap<Failure, u64>,
    /// Orders that were sent more than once and answered in the end, and the most tries one took.
    pub mended: (u64, u8),
    /// Orders that no try got an answer for.
    pub given_up: u64,
    /// Orders that were answered 202.
    pub ordered: u64,
    /// Those of them that were not on Kafka yet.
    pub reserved: u64,
    /// Orders that were answered `sold_out`.
    pub sold_out: u64,
    /// The longest time in which no 202 came.
    pub longest_silence: Duration,
    /// From when an order was due until its last answer: p50, p95, p99, p99.9, the longest.
    pub latency: [Duration; 5],
    /// What the stores hold.
    pub findings: Findings,
}

impl Report {
    /// Counts everything.
    pub fn of(heard: &Heard, findings: Findings) -> Self {
        let mut failed = BTreeMap::new();
        for it in heard.failed.iter().filter(|it| it.first) {
            *failed.entry(it.failure).or_default() += 1;
        }
        let count = |pick: fn(Ending) -> bool| {
            let endings = heard.told.iter().map(|told| told.ending);
            endings.filter(|ending| pick(*ending)).count() as u64
        };
        let again = heard.told.iter().filter(|told| told.tries > 1);
        let most_tries = heard.told.iter().map(|told| told.tries).max();
        let late = heard.told.iter().map(|told| u64::from(told.late_us));
        let latest = late.clone().max().unwrap_or_default();
        let latencies = heard.told.iter().map(|it| heard.latency_us(it));
        let seconds = heard.sending.as_secs_f64().max(f64::MIN_POSITIVE);
        // The first one is due at once: so many are sent in one interval less.
        let intervals = f64::from(heard.sent.saturating_sub(1));
        Self {
            rate: (
                heard.schedule.per_second.into(),
                (intervals / seconds).round() as u64,
            ),
            rate_is_reached: rate_is_reached(heard),
            sent: heard.sent.into(),
            late: (
                late.filter(|us| *us > micros(LATE)).count() as u64,
                Duration::from_micros(latest),
            ),
            requests: heard.requests(),
            failed,
            mended: (again.count() as u64, most_tries.unwrap_or_default()),
            given_up: heard.given_up(),
            ordered: count(|it| matches!(it, Ending::Ordered { .. })),
            reserved: count(|it| matches!(it, Ending::Ordered { reserved: true, .. })),
            sold_out: count(|it| it == Ending::SoldOut),
            longest_silence: heard.longest_silence(),
            latency: percentiles(latencies.collect(), [0.5, 0.95, 0.99, 0.999, 1.0]),
            findings,
        }
    }

    /// First tries that failed.
    pub fn first_tries_failed(&self) -> u64 {
        self.failed.values().sum()
    }

    /// # Errors
    /// With what is wrong, in short, unless every order was answered and every answer was kept.
    pub fn expect_right(&self) -> Result<()> {
        let faults = self.findings.faults;
        ensure!(faults == 0, "{faults} faults found");
        let given_up = thousands(self.given_up);
        ensure!(self.given_up == 0, "{given_up} orders never answered");
        Ok(())
    }

    /// The last line, when nothing is wrong.
    ///
    /// # Errors
    /// With what is wrong, in short; that the load was not reached is, too.
    pub fn conclude(&self) -> Result<String> {
        self.expect_right()?;
        let (asked, sent) = self.rate;
        let (asked, sent) = (thousands(asked), thousands(sent));
        ensure!(
            self.rate_is_reached,
            "load not reached: {sent} of {asked} orders a second"
        );
        Ok(format!(
            "{} orders at {} a second, {} accepted, {} rows, {} failed first and were mended, oversold 0, lost 0, doubled 0",
            thousands(self.sent),
            sent,
            thousands(self.ordered),
            thousands(self.findings.rows),
            thousands(self.first_tries_failed()),
        ))
    }
}

fn rate_is_reached(heard: &Heard) -> bool {
    let (schedule, sent) = (heard.schedule, u64::from(heard.sent));
    let due = schedule.due_after(sent.saturating_sub(1));
    let behind = heard.sending.saturating_sub(due);
    sent == schedule.count && behind <= due.mul_f64(BEHIND).max(Duration::from_secs(1))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (asked, sent) = self.rate;
        let (late, latest) = self.late;
        let (mended, most_tries) = self.mended;
        let rate = format!(
            "{} a second, {} asked for",
            thousands(sent),
            thousands(asked)
        );
        let late = format!(
            "{} later than {LATE:?} after they were due, the latest {}",
            thousands(late),
            seconds(latest)
        );
        let number = |n| thousands(n);
        line(f, "orders sent", &number(self.sent), &rate)?;
        line(f, "", "", &late)?;
        line(f, "requests, retries too", &number(self.requests), "")?;
        let failed = self.first_tries_failed();
        line(f, "first tries that failed", &number(failed), "")?;
        for (failure, count) in &self.failed {
            line(f, &format!("  {failure}"), &number(*count), "")?;
        }
        let most = format!("{most_tries} tries at most");
        line(f, "orders that needed retries", &number(mended), &most)?;
        line(f, "orders never answered", &number(self.given_up), "")?;
        let reserved = format!("{} of them not on Kafka yet", number(self.reserved));
        line(f, "orders accepted (202)", &number(self.ordered), &reserved)?;
        line(f, "orders told sold_out", &number(self.sold_out), "")?;
        let silence = seconds(self.longest_silence);
        line(f, "longest time without a 202", &silence, "")?;
        let names = ["p50", "p95", "p99", "p99.9", "max"];
        let latency = names.iter().zip(self.latency);
        let latency: Vec<_> = latency
            .map(|(name, it)| format!("{name} {:.1}", it.as_secs_f64() * 1_000.0))
            .collect();
        line(f, "latency from when due, ms", "", &latency.join("  "))?;
        let found = &self.findings;
        line(f, "rows in PostgreSQL", &number(found.rows), "")?;
        let repeated = number(found.repeated_on_the_way);
        line(f, "orders repeated on the way", &repeated, "")?;
        line(f, "units oversold", &signed(found.oversold), "")?;
        line(f, "orders lost", &number(found.lost), "")?;
        line(f, "orders doubled", &number(found.doubled), "")?;
        for words in &found.words {
            writeln!(f, "  WRONG  {words}")?;
        }
        let hidden = found.faults - found.words.len();
        if hidden > 0 {
            writeln!(f, "  WRONG  and {hidden} more faults")?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, what: &str, number: &str, more: &str) -> fmt::Result {
    let text = format!("  {what:<30}{number:>12}   {more}");
    writeln!(f, "{}", text.trim_end())
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
