//! Finished runs: one JSON line each, so that an interrupted matrix continues where it was; and their table.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::rows::{Row, VERSION};
use crate::checker::Judgement;
use crate::table::markdown;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Every promise was kept.
    Right,
    /// Redis lost data by the fault; instances reported it, and every other promise was kept.
    Reported,
    /// A promise was broken.
    Wrong,
    /// The row cannot be run here.
    Skipped,
    /// The runner itself failed.
    Failed,
}

/// What was counted and measured in a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Figures {
    /// Requests for orders, retries too.
    pub orders: usize,
    /// Orders that were answered 202, each once.
    pub accepted: usize,
    /// Rows in `orders`.
    pub rows: usize,
    /// From the last answer to everything written.
    pub drain_s: f64,
    /// From the fault's end to a normal service; none where it stopped for good, as it should.
    pub normal_s: Option<f64>,
}

/// One finished run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Finished {
    pub row: String,
    pub seed: u64,
    /// The version of the rows.
    pub version: u32,
    pub ending: Ending,
    #[serde(flatten)]
    pub figures: Figures,
    /// What was wrong, or why it was not run.
    pub notes: Vec<String>,
}

impl Finished {
    pub(super) fn new(row: &str, seed: u64, ending: Ending, notes: Vec<String>) -> Self {
        Self {
            row: row.to_owned(),
            seed,
            version: VERSION,
            ending,
            figures: Figures::default(),
            notes,
        }
    }

    /// A run that came to a verdict.
    pub(super) fn judged(row: &str, seed: u64, figures: Figures, verdict: &Judgement) -> Self {
        let (ending, notes) = match verdict {
            Judgement::Right => (Ending::Right, Vec::new()),
            Judgement::Reported => (Ending::Reported, Vec::new()),
            Judgement::Wrong(found) => {
                let notes = found.iter().map(ToString::to_string);
                (Ending::Wrong, notes.collect())
            }
        };
        let run = Self::new(row, seed, ending, notes);
        Self { figures, ..run }
    }

    /// The run in one line.
    pub fn line(&self) -> String {
        let it = &self.figures;
        let normal = it
            .normal_s
            .map_or("never".into(), |it| format!("{it:.1} s"));
        format!(
            "{:28} seed {:<3} {:5} orders {:5} accepted {:5} rows  drain {:4.1} s  normal after {normal:6}  {:?}",
            self.row, self.seed, it.orders, it.accepted, it.rows, it.drain_s, self.ending
        )
    }

    /// Whether it proves something wrong, or nothing at all.
    pub fn is_bad(&self) -> bool {
        matches!(self.ending, Ending::Wrong | Ending::Failed)
    }
}

/// All finished runs in the file; none where there is no such file.
pub(super) fn read(path: &Path) -> Result<Vec<Finished>> {
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
pub(super) fn append(path: &Path, finished: &Finished) -> Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let mut file = file.with_context(|| format!("opening {}", path.display()))?;
    writeln!(file, "{}", serde_json::to_string(finished)?).context("writing a result")
}

/// Rows and seeds that need not be run again.
pub(super) fn done(finished: &[Finished]) -> HashSet<(&str, u64)> {
    let done = finished.iter().filter(|it| {
        it.version == VERSION && matches!(it.ending, Ending::Right | Ending::Reported)
    });
    done.map(|it| (it.row.as_str(), it.seed)).collect()
}

/// The results as a Markdown table: one line per row that was run, in the order of `rows`. Of runs with the same
/// seed the last counts.
pub(super) fn table(rows: &[Row], finished: &[Finished]) -> String {
    let header = [
        "fault",
        "description",
        "runs",
        "orders sent",
        "accepted",
        "rows",
        "max drain s",
        "max recovery s",
        "loss reported",
        "wrong",
    ];
    let lines: Vec<_> = rows.iter().filter_map(|row| line(row, finished)).collect();
    markdown(header, &lines)
}

fn line(row: &Row, finished: &[Finished]) -> Option<[String; 10]> {
    let runs = finished.iter().filter(|it| it.row == row.name);
    let runs: BTreeMap<u64, &Finished> = runs.map(|it| (it.seed, it)).collect();
    if runs.is_empty() {
        return None;
    }
    let ended = |ending| runs.values().filter(|run| run.ending == ending).count();
    let figures = || runs.values().map(|run| &run.figures);
    let sum = |pick: fn(&Figures) -> usize| figures().map(pick).sum::<usize>();
    let drain = figures().map(|it| it.drain_s).fold(0.0, f64::max);
    let normal = figures().filter_map(|it| it.normal_s).reduce(f64::max);
    let run_count = match ended(Ending::Skipped) {
        0 => runs.len().to_string(),
        _ => "-".to_owned(),
    };
    Some([
        row.name.clone(),
        row.about.to_owned(),
        run_count,
        sum(|it| it.orders).to_string(),
        sum(|it| it.accepted).to_string(),
        sum(|it| it.rows).to_string(),
        format!("{drain:.1}"),
        normal.map_or("-".to_owned(), |it| format!("{it:.1}")),
        ended(Ending::Reported).to_string(),
        (ended(Ending::Wrong) + ended(Ending::Failed)).to_string(),
    ])
}
