//! Finished runs, one JSON line each, so that an interrupted matrix goes on where it was.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::checker::Verdict;
use super::rows::VERSION;
use super::run::Report;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Every promise was kept.
    Right,
    /// Redis lost data by it; selling stopped and that was reported.
    Reported,
    /// Something was wrong.
    Wrong,
    /// It cannot be run here.
    Skipped,
    /// The runner itself failed.
    Failed,
}

/// One finished run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// The row.
    pub row: String,
    /// The seed.
    pub seed: u64,
    /// The rows' version.
    pub version: u32,
    /// How it ended.
    pub ending: Ending,
    /// Requests for orders.
    pub orders: usize,
    /// Orders answered 202.
    pub accepted: usize,
    /// Rows in `orders`.
    pub rows: usize,
    /// Seconds from the last answer to everything written.
    pub drain_s: f64,
    /// Seconds from the fault's end to service as usual.
    pub normal_s: Option<f64>,
    /// What was wrong, or why it was not run.
    pub notes: Vec<String>,
}

impl Finished {
    /// A run that came to a verdict.
    pub fn with(row: &str, seed: u64, report: &Report) -> Self {
        let (ending, notes) = match &report.verdict {
            Verdict::Right => (Ending::Right, Vec::new()),
            Verdict::Reported => (Ending::Reported, Vec::new()),
            Verdict::Wrong(found) => {
                let notes = found.iter().map(ToString::to_string).collect();
                (Ending::Wrong, notes)
            }
        };
        Self {
            orders: report.orders,
            accepted: report.accepted,
            rows: report.rows,
            drain_s: seconds(report.drain),
            normal_s: report.normal.map(seconds),
            ..Self::without(row, seed, ending, notes)
        }
    }

    /// A run that came to none.
    pub fn without(row: &str, seed: u64, ending: Ending, notes: Vec<String>) -> Self {
        Self {
            row: row.to_owned(),
            seed,
            version: VERSION,
            ending,
            orders: 0,
            accepted: 0,
            rows: 0,
            drain_s: 0.0,
            normal_s: None,
            notes,
        }
    }

    /// All that is to be known of a right run, in one line.
    pub fn line(&self) -> String {
        let normal = self
            .normal_s
            .map_or("never".into(), |it| format!("{it:.1} s"));
        format!(
            "{:24} seed {:<3} {:5} orders {:5} accepted {:5} rows  drain {:4.1} s  normal after {normal:6}  {:?}",
            self.row, self.seed, self.orders, self.accepted, self.rows, self.drain_s, self.ending
        )
    }

    /// Whether it proves something wrong, or nothing at all.
    pub fn is_bad(&self) -> bool {
        matches!(self.ending, Ending::Wrong | Ending::Failed)
    }
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 100.0).round() / 100.0
}

/// All finished runs in the file; none where there is no such file.
///
/// # Errors
/// When the file holds something else.
pub fn read(path: &Path) -> Result<Vec<Finished>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
        .collect()
}

/// Adds a finished run to the file.
///
/// # Errors
/// When it cannot be written.
pub fn append(path: &Path, finished: &Finished) -> Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let mut file = file.with_context(|| format!("opening {}", path.display()))?;
    writeln!(file, "{}", serde_json::to_string(finished)?).context("writing a result")
}

/// Rows and seeds that need not be run again.
pub fn done(finished: &[Finished]) -> HashSet<(&str, u64)> {
    let current = finished.iter().filter(|it| it.version == VERSION);
    current
        .filter(|it| matches!(it.ending, Ending::Right | Ending::Reported))
        .map(|it| (it.row.as_str(), it.seed))
        .collect()
}
