//! Every row with every seed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use tokio::time::{Instant, timeout};

use super::results::{Ending, Finished, append, read, table};
use super::rows::{self, HOLDS, Row, Skipped, VERSION, WRITABLE};
use super::scenario::run;
use crate::stack::Stack;
use crate::stores::{Postgres, Redis};
use crate::wait::stop_signal;

/// The folder of histories; those of wrong runs stay.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.local/faults");

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

    /// Holds that end at once in the rows `hold-storm-…`
    #[arg(long, default_value_t = HOLDS, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    holds: u32,

    /// Start no further run after this many minutes
    #[arg(long)]
    limit_minutes: Option<u64>,

    /// List the rows
    #[arg(long)]
    list: bool,
}

/// Follows the plan; returns what is left of it, if no run was wrong.
///
/// # Errors
/// When a run was wrong, there is no stack, no such row, or a file cannot be used.
#[tokio::main]
pub async fn follow(plan: &Plan) -> Result<String> {
    let mut rows = chosen(&plan.rows)?;
    for row in &mut rows {
        row.setup.holds = plan.holds;
    }
    if plan.list {
        rows.iter()
            .for_each(|row| println!("{:28} {}", row.name, row.about));
        return Ok(format!("{} rows", rows.len()));
    }
    let stack = Stack::from_env()?;
    tokio::select! {
        outcome = run_all(plan, &rows, &stack) => outcome,
        signal = stop_signal() => {
            restore(&stack).await?;
            bail!("stopped by {}", signal?)
        }
    }
}

/// Brings every store back as it was, whatever a fault that failed half-way left behind.
async fn restore(stack: &Stack) -> Result<()> {
    stack.bring_all_back().await?;
    stack.reset_redis_clock()?;
    let redis = Redis::connect(&stack.redis_url, None).await?;
    redis.configure("maxmemory", "0").await?;
    redis.configure("appendfsync", "everysec").await?;
    redis.configure("slowlog-log-slower-than", "10000").await?;
    Postgres::new(&stack.database_url).execute(WRITABLE).await
}

fn chosen(names: &[String]) -> Result<Vec<Row>> {
    let mut rows = rows::all();
    for name in names {
        let is_known = rows.iter().any(|row| row.name == *name);
        ensure!(is_known, "there is no row {name}: see --list");
    }
    rows.retain(|row| names.is_empty() || names.contains(&row.name));
    Ok(rows)
}

/// Runs what is left of the plan, and prints the table of all results.
async fn run_all(plan: &Plan, rows: &[Row], stack: &Stack) -> Result<String> {
    let mut results = plan.results.as_deref().map_or(Ok(Vec::new()), read)?;
    let limit = plan.limit_minutes.map(|it| Duration::from_secs(60 * it));
    let (begin, mut bad, mut left) = (Instant::now(), 0, 0);
    // All rows with one seed before the next: an interrupted matrix has run every row.
    let seeds = plan.first_seed..plan.first_seed + plan.seeds;
    for (seed, row) in seeds.flat_map(|seed| rows.iter().map(move |row| (seed, row))) {
        if results.iter().any(|it| it.is_done(row, seed)) {
            continue;
        }
        if limit.is_some_and(|limit| begin.elapsed() >= limit) {
            left += 1;
            continue;
        }
        let finished = run_one(row, seed, stack.clone()).await;
        println!("{finished}");
        if finished.is_bad() {
            println!("    history: {}", history(&row.name, seed).display());
        }
        if let Some(path) = &plan.results {
            append(path, &finished)?;
        }
        bad += usize::from(finished.is_bad());
        results.push(finished);
    }
    println!("{}", table(&rows::all(), &results));
    ensure!(bad == 0, "{bad} runs are wrong");
    Ok(match left {
        0 => "no run is left".to_owned(),
        _ => format!("the time limit is reached: {left} runs are left"),
    })
}

/// Runs one row with one seed. The history and logs of a wrong run stay in `.local/faults`.
pub async fn run_one(row: &Row, seed: u64, stack: Stack) -> Finished {
    let mut finished = Finished {
        row: row.name.clone(),
        seed,
        version: VERSION,
        ..Finished::default()
    };
    let begin = Instant::now();
    let limited = timeout(row.limit, async {
        fs::create_dir_all(FOLDER).with_context(|| format!("creating {FOLDER}"))?;
        let history = history(&row.name, seed);
        run(row, stack.clone(), &history, &mut finished).await
    });
    let outcome = limited.await.context("the run takes too long").flatten();
    let restored = restore(&stack).await;
    finished.seconds = begin.elapsed().as_secs_f64();
    for error in [outcome.err(), restored.err()].into_iter().flatten() {
        finished.ending = match error.downcast_ref() {
            Some(Skipped(_)) => Ending::Skipped,
            None => Ending::Failed,
        };
        finished.notes.push(format!("{error:#}"));
    }
    finished
}

fn history(row: &str, seed: u64) -> PathBuf {
    Path::new(FOLDER).join(format!("{row}-{seed}.jsonl"))
}
