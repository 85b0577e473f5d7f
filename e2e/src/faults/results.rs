//! Finished runs: one JSON line each, so that an interrupted matrix continues where it was; and their table.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::rows::{Row, VERSION};
use crate::table::markdown;

/// Violations of a wrong run that are printed; the results file has them all.
const NOTES_SHOWN: usize = 4;

/// How a run ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    #[default]
    Failed,
}

/// One finished run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    pub row: String,
    pub seed: u64,
    /// The version of the rows.
    pub version: u32,
    pub ending: Ending,
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
    /// From before the first service is started to after every store is back.
    #[serde(default)]
    pub seconds: f64,
    /// What was wrong, or why it was not run.
    pub notes: Vec<String>,
}

impl Finished {
    /// Whether this row need not be run again with this seed.
    pub(super) fn is_done(&self, row: &Row, seed: u64) -> bool {
        self.is_right() && self.version == VERSION && self.row == row.name && self.seed == seed
    }

    pub(super) fn is_right(&self) -> bool {
        matches!(self.ending, Ending::Right | Ending::Reported)
    }

    /// Whether it proves something wrong, or nothing at all.
    pub(super) fn is_bad(&self) -> bool {
        matches!(self.ending, Ending::Wrong | Ending::Failed)
    }
}

/// The run in one line, and the first notes in lines of their own.
impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let normal = self
            .normal_s
            .map_or("never".into(), |it| format!("{it:.1} s"));
        write!(
            f,
            "{:28} seed {:<3} {:5} orders {:5} accepted {:5} rows  drain {:4.1} s  normal after {normal:6}  {:?} in {:.0} s",
            self.row,
            self.seed,
            self.orders,
            self.accepted,
            self.rows,
            self.drain_s,
            self.ending,
            self.seconds
        )?;
        for note in self.notes.iter().take(NOTES_SHOWN) {
            write!(f, "\n    {note}")?;
        }
        match self.notes.len().saturating_sub(NOTES_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n    and {more} more"),
        }
    }
}

/// All finished runs in the file; none where there is no such file.
pub(super) fn read(path: &Path) -> Result<Vec<Finished>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let runs = serde_json::Deserializer::from_str(&text).into_iter();
    let runs = runs.collect::<Result<_, _>>();
    runs.with_context(|| format!("{} holds something else than results", path.display()))
}

/// Adds a finished run to the file.
pub(super) fn append(path: &Path, finished: &Finished) -> Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    let mut file = file.with_context(|| format!("opening {}", path.display()))?;
    writeln!(file, "{}", serde_json::to_string(finished)?).context("writing a result")
}

type Cell = fn(&Row, &[&Finished]) -> String;

const COLUMNS: [(&str, Cell); 11] = [
    ("fault", |row, _| row.name.clone()),
    ("description", |row, _| row.about.to_owned()),
    ("runs", |_, runs| {
        sum(runs, |it| usize::from(it.ending != Ending::Skipped))
    }),
    ("orders sent", |_, runs| sum(runs, |it| it.orders)),
    ("accepted", |_, runs| sum(runs, |it| it.accepted)),
    ("rows", |_, runs| sum(runs, |it| it.rows)),
    ("max drain s", |_, runs| {
        longest(runs, |it| Some(it.drain_s))
    }),
    ("max recovery s", |_, runs| longest(runs, |it| it.normal_s)),
    ("max run s", |_, runs| longest(runs, |it| Some(it.seconds))),
    ("loss reported", |_, runs| {
        sum(runs, |it| usize::from(it.ending == Ending::Reported))
    }),
    ("wrong", |_, runs| sum(runs, |it| it.is_bad().into())),
];

/// A Markdown table: one line per row that was run, in the order of `rows`. Of runs with the same seed the last counts.
pub(super) fn table(rows: &[Row], finished: &[Finished]) -> String {
    let lines = rows.iter().filter_map(|row| {
        let runs = finished.iter().filter(|it| it.row == row.name);
        let runs: BTreeMap<u64, &Finished> = runs.map(|it| (it.seed, it)).collect();
        let runs: Vec<_> = runs.into_values().collect();
        (!runs.is_empty()).then(|| COLUMNS.map(|(_, cell)| cell(row, &runs)))
    });
    markdown(
        COLUMNS.map(|(header, _)| header),
        &lines.collect::<Vec<_>>(),
    )
}

fn sum(runs: &[&Finished], pick: fn(&Finished) -> usize) -> String {
    runs.iter().map(|it| pick(it)).sum::<usize>().to_string()
}

fn longest(runs: &[&Finished], pick: fn(&Finished) -> Option<f64>) -> String {
    let times = runs.iter().filter_map(|it| pick(it));
    times
        .reduce(f64::max)
        .map_or("-".to_owned(), |it| format!("{it:.1}"))
}
