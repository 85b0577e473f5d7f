//! Workers and copies of the API come and go under load, as real processes over real stores.
//!
//! | module | holds |
//! |---|---|
//! | [`drain`] | how fast a backlog is written by how many workers |
//! | [`workers`], [`crew`] | workers come and go, and which partitions each of them has |
//! | [`positions`], [`pauses`] | how long orders waited meanwhile |
//! | [`copies`] | copies of the API come and go, and one is killed |
//! | [`nginx`], [`access`] | what stands in front of them, and what it says of each request |
//! | [`load`], [`market`] | orders at a constant rate, of a sale on every partition |
//! | [`tables`] | what came out, in Markdown |

pub mod access;
pub mod copies;
pub mod crew;
pub mod drain;
pub mod load;
pub mod market;
pub mod nginx;
pub mod pauses;
pub mod positions;
pub mod tables;
pub mod workers;

use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::{Parser, ValueEnum};

use crate::process::Settings;
use crate::sandbox::Sandbox;
use crate::signals::signalled;
use crate::stack::Stack;
use crew::Leave;
use nginx::Repeat;

/// Of the topic of orders, unless told otherwise.
pub const PARTITIONS: i32 = 12;
/// More than any run orders.
pub const UNITS_ENOUGH: u32 = 100_000_000;

/// How the members of a consumer group share out their partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Among themselves: cooperative-sticky.
    Classic,
    /// As the broker says: KIP-848.
    Consumer,
}

/// A part of the runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// A backlog and 1, 2, 4, 12 workers.
    Drain,
    /// Workers 1, 4, 12, 2 under load.
    Workers,
    /// Copies of the API 1, 4, 2 under load, one killed.
    Copies,
}

/// Scales workers and copies of the API under load, kills some, and checks every answer; prints tables in Markdown.
#[derive(Debug, Clone, Parser)]
#[command(name = "scale")]
pub struct Plan {
    /// Only these parts
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["drain", "workers", "copies"])]
    pub only: Vec<Part>,

    /// Group protocols of the workers
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["classic", "consumer"])]
    pub protocols: Vec<Protocol>,

    /// Orders that a backlog holds; half of them at least as many as workers hold in memory, which may be 15,000 of each partition
    #[arg(long, default_value_t = 360_000, value_parser = clap::value_parser!(u32).range(12_000..=5_000_000))]
    pub backlog: u32,

    /// Times that each number of workers drains it
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,

    /// Orders a second while workers come and go
    #[arg(long, default_value_t = 1_200, value_parser = clap::value_parser!(u32).range(12..=50_000))]
    pub workers_rate: u32,

    /// Orders a second while copies of the API come and go, and while the backlog is filled
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(12..=50_000))]
    pub copies_rate: u32,

    /// Seconds for which each number of them is kept
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub hold_seconds: u64,
}

/// Does what the plan says; whether everything was right.
///
/// # Errors
/// When a part could not be brought to its end, or a signal stopped it.
#[tokio::main]
pub async fn run(plan: &Plan) -> Result<bool> {
    let stack = Stack::from_env().map_err(|error| anyhow!("{error}: run `make scale`"))?;
    tokio::select! {
        right = run_parts(plan, &stack) => right,
        signal = signalled() => Err(anyhow!("stopped by {}", signal?)),
    }
}

async fn run_parts(plan: &Plan, stack: &Stack) -> Result<bool> {
    let mut right = true;
    if plan.only.contains(&Part::Drain) {
        in_a_sandbox(stack, async |sandbox| drain_backlog(plan, sandbox).await).await?;
    }
    if plan.only.contains(&Part::Workers) {
        right &= scale_workers(plan, stack).await?;
    }
    if plan.only.contains(&Part::Copies) {
        right &= scale_copies(plan, stack).await?;
    }
    Ok(right)
}

async fn drain_backlog(plan: &Plan, sandbox: &Sandbox) -> Result<()> {
    let run = drain::Run {
        counts: vec![1, 2, 4, 12],
        orders: plan.backlog,
        per_second: plan.copies_rate,
        rounds: plan.rounds,
    };
    let speeds = drain::run(sandbox, &run).await?;
    println!("{}", tables::of_drains(&run, &speeds));
    Ok(())
}

async fn scale_workers(plan: &Plan, stack: &Stack) -> Result<bool> {
    let mut right = true;
    for &protocol in &plan.protocols {
        for leave in [Leave::Asked, Leave::Killed] {
            let run = workers::Run {
                protocol,
                leave,
                counts: vec![1, 4, 12, 2],
                per_second: plan.workers_rate,
                hold: Duration::from_secs(plan.hold_seconds),
            };
            let outcome = in_a_sandbox(stack, async |it| workers::run(it, run.clone()).await);
            let outcome = outcome.await?;
            println!("{}", tables::of_workers(&outcome));
            right &= outcome.report.conclude().is_ok();
        }
    }
    Ok(right)
}

async fn scale_copies(plan: &Plan, stack: &Stack) -> Result<bool> {
    let mut right = true;
    for repeat in [Repeat::Unsent, Repeat::All] {
        let run = copies::Run {
            repeat,
            per_second: plan.copies_rate,
            hold: Duration::from_secs(plan.hold_seconds),
        };
        let outcome = in_a_sandbox(stack, async |it| copies::run(it, run.clone()).await).await?;
        println!("{}", tables::of_copies(&outcome));
        right &= outcome.is_right();
    }
    Ok(right)
}

/// In a sandbox of its own, which is gone afterwards; after a failure the ends of all logs are shown.
async fn in_a_sandbox<T>(stack: &Stack, act: impl AsyncFnOnce(&Sandbox) -> Result<T>) -> Result<T> {
    let sandbox = Sandbox::new(stack.clone()).await?;
    let outcome = act(&sandbox).await.inspect_err(|_| sandbox.show_logs());
    let discarded = sandbox.discard().await;
    let outcome = outcome?;
    discarded?;
    Ok(outcome)
}

impl Protocol {
    /// What a worker is told.
    pub fn settings(self) -> Settings {
        let name = match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        };
        vec![("KAFKA_GROUP_PROTOCOL".to_owned(), name.to_owned())]
    }

    /// What it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "cooperative-sticky",
            Self::Consumer => "KIP-848",
        }
    }
}
