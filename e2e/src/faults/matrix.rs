//! Every row with every seed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::results::{Ending, Finished, append, done, read, table};
use super::rows::{self, Row, Skipped};
use super::scenario::run;
use crate::stack::Stack;
use crate::wait::stop_signal;

/// The folder of histories; those of wrong runs stay.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.local/faults");
/// Violations of a wrong run that are printed; the results file has them all.
const NOTES_SHOWN: usize = 4;
/// Longest time of a run: longer than all its own limits together, so that it can say what it waited for.
const RUN_LIMIT: Duration = Duration::from_secs(420);

/// Injects one fault at a time into a running sale, and checks that every promise was kept.
#[derive(Debug, Clone, Parser)]
#[command(name = "faults")]
pub struct Plan {
    /// Run only these rows
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,

    /// Runs of each row
    #[arg(long, default_value_t = 3)]
    seeds: u64,

    /// Seed of the first run of each row
    #[arg(long, default_value_t = 1)]
    first_seed: u64,

    /// Append finished runs to this file; runs in it that were right are not repeated
    #[arg(long)]
    results: Option<PathBuf>,

    /// Start no further run after this many minutes
    #[arg(long)]
    limit_minutes: Option<u64>,

    /// List the rows
    #[arg(long)]
    list: bool,

    /// Print these results as a Markdown table
    #[arg(long, value_name = "RESULTS")]
    table: Option<PathBuf>,
}

/// Follows the plan; returns false if a run was wrong.
///
/// # Errors
/// When there is no stack, no such row, or a file cannot be used.
#[tokio::main]
pub async fn follow(plan: &Plan) -> Result<bool> {
    if let Some(results) = &plan.table {
        println!("{}", table(&rows::all(), &read(results)?));
        return Ok(true);
    }
    let rows = chosen(&plan.rows)?;
    if plan.list {
        rows.iter()
            .for_each(|row| println!("{:28} {}", row.name, row.about));
        return Ok(true);
    }
    let stack = Stack::from_env()?;
    tokio::select! {
        outcome = run_all(plan, &rows, &stack) => outcome,
        signal = stop_signal() => {
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
    let unknown = names
        .iter()
        .find(|name| rows.iter().all(|row| row.name != **name));
    if let Some(name) = unknown {
        bail!("there is no row {name}: see --list");
    }
    rows.retain(|row| names.is_empty() || names.contains(&row.name));
    Ok(rows)
}

async fn run_all(plan: &Plan, rows: &[Row], stack: &Stack) -> Result<bool> {
    let earlier = plan
        .results
        .as_ref()
        .map_or(Ok(Vec::new()), |path| read(path))?;
    let done = done(&earlier);
    let limit = plan
        .limit_minutes
        .map(|minutes| Duration::from_secs(60 * minutes));
    let (begin, mut bad, mut left) = (Instant::now(), 0, 0);
    // All rows with one seed before the next: an interrupted matrix has run every row.
    for seed in plan.first_seed..plan.first_seed + plan.seeds {
        for row in rows
            .iter()
            .filter(|row| !done.contains(&(row.name.as_str(), seed)))
        {
            if limit.is_some_and(|limit| begin.elapsed() >= limit) {
                left += 1;
                continue;
            }
            let finished = run_one(row, seed, stack.clone()).await;
            print(&finished);
            if let Some(path) = &plan.results {
                append(path, &finished)?;
            }
            bad += usize::from(finished.is_bad());
        }
    }
    if left > 0 {
        println!("the time limit is reached: {left} runs are left");
    }
    let summary = if bad == 0 {
        "ok".into()
    } else {
        format!("{bad} runs FAILED")
    };
    println!("faults: {summary}");
    Ok(bad == 0)
}

/// Runs one row with one seed. The history and logs of a wrong run stay in `.local/faults`.
pub async fn run_one(row: &Row, seed: u64, stack: Stack) -> Finished {
    let limited = timeout(RUN_LIMIT, async {
        fs::create_dir_all(FOLDER).with_context(|| format!("creating {FOLDER}"))?;
        run(row, seed, stack.clone(), &history(&row.name, seed)).await
    });
    let error = match limited.await.context("the run takes too long").flatten() {
        Ok((figures, verdict)) => return Finished::judged(&row.name, seed, figures, &verdict),
        Err(error) => error,
    };
    let ending = match error.downcast_ref::<Skipped>() {
        Some(_) => Ending::Skipped,
        None => Ending::Failed,
    };
    let mut notes = vec![format!("{error:#}")];
    if let Err(error) = bring_all_back(&stack).await {
        notes.push(format!("{error:#}"));
    }
    Finished::new(&row.name, seed, ending, notes)
}

fn history(row: &str, seed: u64) -> PathBuf {
    Path::new(FOLDER).join(format!("{row}-{seed}.jsonl"))
}

fn print(run: &Finished) {
    println!("{}", run.line());
    for note in run.notes.iter().take(NOTES_SHOWN) {
        println!("    {note}");
    }
    if run.notes.len() > NOTES_SHOWN {
        println!("    and {} more", run.notes.len() - NOTES_SHOWN);
    }
    if run.is_bad() {
        println!("    history: {}", history(&run.row, run.seed).display());
    }
}
