//! Every row with every seed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::results::{Ending, Finished, append, done, read};
use super::rows::{self, NotHere, Row};
use super::run::run;
use super::table::table;
use crate::signals::signalled;
use crate::stack::Stack;

/// Where histories lie, and those of wrong runs stay.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.local/faults");
/// What is told of a wrong run; the results file has it all.
const NOTES_SHOWN: usize = 4;
/// Longest a run may take before it counts as failed: more than all that the run itself is patient
/// with, so that it gets to say what it waited for in vain.
const RUN_LIMIT: Duration = Duration::from_secs(420);

/// Breaks one thing at a time while a sale runs, and checks that every promise was kept.
#[derive(Debug, Clone, Parser)]
#[command(name = "faults")]
pub struct Plan {
    /// Only these rows
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,

    /// Runs of each row
    #[arg(long, default_value_t = 3)]
    seeds: u64,

    /// Seed of the first of them
    #[arg(long, default_value_t = 1)]
    first_seed: u64,

    /// Finished runs are added to this file, and those in it that were right are not run again
    #[arg(long)]
    results: Option<PathBuf>,

    /// Begin no further run after so many minutes
    #[arg(long)]
    limit_minutes: Option<u64>,

    /// Print the rows
    #[arg(long)]
    list: bool,

    /// Print these results as a Markdown table
    #[arg(long, value_name = "RESULTS")]
    table: Option<PathBuf>,
}

/// Does what the command line says; false when a run was not right.
///
/// # Errors
/// When there is no stack, no such row, or a file cannot be used.
#[tokio::main]
pub async fn follow(plan: &Plan) -> Result<bool> {
    if let Some(results) = &plan.table {
        print!("{}", table(&rows::all(), &read(results)?));
        return Ok(true);
    }
    let rows = chosen(&plan.rows)?;
    if plan.list {
        for row in &rows {
            println!("{:28} {}", row.name, row.about);
        }
        return Ok(true);
    }
    let stack = Stack::from_env()?;
    tokio::select! {
        outcome = run_all(plan, &rows, &stack) => outcome,
        signal = signalled() => {
            bring_all_back(&stack).await?;
            bail!("stopped by {}", signal?)
        }
    }
}

async fn bring_all_back(stack: &Stack) -> Result<()> {
    let stack = stack.clone();
    spawn_blocking(move || stack.bring_all_back()).await?
}

fn chosen(names: &[String]) -> Result<Vec<Row>> {
    let mut rows = rows::all();
    if let Some(name) = names
        .iter()
        .find(|name| rows.iter().all(|row| row.name != **name))
    {
        bail!("there is no row {name}: see --list");
    }
    rows.retain(|row| names.is_empty() || names.contains(&row.name));
    Ok(rows)
}

async fn run_all(plan: &Plan, rows: &[Row], stack: &Stack) -> Result<bool> {
    let earlier = match &plan.results {
        Some(path) => read(path)?,
        None => Vec::new(),
    };
    let done = done(&earlier);
    let deadline = plan
        .limit_minutes
        .map(|it| Instant::now() + Duration::from_secs(60 * it));
    let (mut bad, mut left) = (0, 0);
    // All rows with one seed before the next: an interrupted matrix has seen every row.
    for seed in plan.first_seed..plan.first_seed + plan.seeds {
        for row in rows {
            if done.contains(&(row.name.as_str(), seed)) {
                continue;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                left += 1;
                continue;
            }
            let finished = run_one(row, seed, stack.clone()).await;
            tell(&finished);
            if let Some(path) = &plan.results {
                append(path, &finished)?;
            }
            bad += usize::from(finished.is_bad());
        }
    }
    if left > 0 {
        println!("time is up: {left} runs are left for the next time");
    }
    println!(
        "faults: {}",
        if bad == 0 {
            "ok".into()
        } else {
            format!("{bad} runs FAILED")
        }
    );
    Ok(bad == 0)
}

/// Runs one row with one seed. What remains of a wrong run lies in `.local/faults`.
pub async fn run_one(row: &Row, seed: u64, stack: Stack) -> Finished {
    let limited = tokio::time::timeout(RUN_LIMIT, async {
        fs::create_dir_all(FOLDER).with_context(|| format!("making {FOLDER}"))?;
        run(row, seed, stack.clone(), &history(&row.name, seed)).await
    });
    match limited.await.context("the run takes too long").flatten() {
        Ok(report) => Finished::with(&row.name, seed, &report),
        Err(error) => {
            let ending = match error.downcast_ref::<NotHere>() {
                Some(_) => Ending::Skipped,
                None => Ending::Failed,
            };
            let mut notes = vec![format!("{error:#}")];
            if let Err(error) = bring_all_back(&stack).await {
                notes.push(format!("{error:#}"));
            }
            Finished::without(&row.name, seed, ending, notes)
        }
    }
}

fn history(row: &str, seed: u64) -> PathBuf {
    Path::new(FOLDER).join(format!("{row}-{seed}.jsonl"))
}

fn tell(run: &Finished) {
    println!("{}", run.line());
    for note in run.notes.iter().take(NOTES_SHOWN) {
        println!("    {note}");
    }
    if run.notes.len() > NOTES_SHOWN {
        println!("    and {} more", run.notes.len() - NOTES_SHOWN);
    }
    if run.is_bad() {
        let history = history(&run.row, run.seed);
        println!("    seed {}, history {}", run.seed, history.display());
    }
}
