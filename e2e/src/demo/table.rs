use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail};

use super::Plan;
use super::figures::Figures;
use crate::history::History;
use crate::thousands::{signed, thousands};

/// Faults that are spelled out below the table; the rest are counted.
const FAULTS_SHOWN: usize = 10;

/// The result, as it is printed.
pub struct Table {
    figures: Figures,
    requests: u64,
    percentiles: [Duration; 3],
    stormed: Duration,
    written: Duration,
}

impl Table {
    /// `stormed`: from the first request to the last answer; `written`: to the last row.
    pub fn new(figures: Figures, history: &History, stormed: Duration, written: Duration) -> Self {
        Self {
            figures,
            requests: history.answers().len() as u64,
            percentiles: [50, 95, 99].map(|percent| history.latency(percent)),
            stormed,
            written,
        }
    }

    fn requests_per_second(&self) -> u64 {
        (self.requests as f64 / self.stormed.as_secs_f64()) as u64
    }

    /// The last line, when all is right; the table stands before it.
    ///
    /// # Errors
    /// With how many numbers are off.
    pub fn print_and_conclude(&self, plan: &Plan) -> Result<String> {
        println!("\n{self}\n");
        if !self.figures.are_right() {
            let lines = &self.figures.lines;
            let wrong = lines.iter().filter(|it| it.seen != it.expected).count();
            let faults = self.figures.faults.len();
            bail!(
                "{wrong} of {} numbers are wrong, {faults} faults found",
                lines.len()
            );
        }
        Ok(format!(
            "{} units sold to {} buyers, oversold 0, lost 0, doubled 0, {} requests/s",
            thousands(u64::from(plan.units.min(plan.buyers))),
            thousands(u64::from(plan.buyers)),
            thousands(self.requests_per_second()),
        ))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {:<52}{:>10}{:>12}", "", "counted", "should be")?;
        for line in &self.figures.lines {
            let mark = if line.seen == line.expected {
                "ok"
            } else {
                "WRONG"
            };
            let (what, seen, expected) = (line.what, signed(line.seen), signed(line.expected));
            writeln!(f, "  {what:<52}{seen:>10}{expected:>12}  {mark}")?;
        }
        for fault in self.figures.faults.iter().take(FAULTS_SHOWN) {
            writeln!(f, "  WRONG  {fault}")?;
        }
        let hidden = self.figures.faults.len().saturating_sub(FAULTS_SHOWN);
        if hidden > 0 {
            writeln!(f, "  WRONG  and {hidden} more faults")?;
        }
        let [p50, p95, p99] = self
            .percentiles
            .map(|latency| latency.as_secs_f64() * 1_000.0);
        let (requests, speed) = (
            thousands(self.requests),
            thousands(self.requests_per_second()),
        );
        writeln!(f)?;
        writeln!(
            f,
            "  {requests} requests in {:.2} s: {speed} a second",
            self.stormed.as_secs_f64()
        )?;
        writeln!(
            f,
            "  latency: p50 {p50:.1} ms, p95 {p95:.1} ms, p99 {p99:.1} ms"
        )?;
        write!(
            f,
            "  from the first request to the last row: {:.2} s",
            self.written.as_secs_f64()
        )
    }
}
