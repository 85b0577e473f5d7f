//! What many open connections cost: `make bench-connections`.

mod result;
mod stage;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::lab::Lab;
use crate::machine::Machine;
use crate::program::{self, results_folder, write};
use result::Outcome;
use stage::{Plan, measure};

/// Few enough that they cost nothing: what the others are compared with.
const FEW: u32 = 256;

/// More errors than one in so many requests make it a failure.
const ONE_ERROR_IN: u64 = 1_000;

/// KiB of the API for an idle connection that are too many.
const KIB_PER_CONNECTION_LIMIT: f64 = 25.0;

/// Holds many connections to the API while orders come at a constant rate
#[derive(Debug, Clone, Parser)]
#[command(name = "connections")]
pub struct Arguments {
    /// Connections to one copy of the API
    #[arg(long, env = "CONNECTIONS", default_value_t = 18_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections: u32,

    /// Copies of the API in the last part
    #[arg(long, env = "COPIES", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub copies: u32,

    /// Requests a second over all connections in turn, one in a hundred an order that is taken
    #[arg(long, env = "PER_SECOND", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(100..=20_000))]
    pub per_second: u32,

    /// Seconds of load in each part
    #[arg(long, env = "SECONDS_EACH", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,

    /// The folder of the repository
    #[arg(long, default_value = ".")]
    pub repository: PathBuf,
}

/// Measures a few connections, many on one copy, and as many on each of several; writes the result into
/// `.local/bench`. Exit code 1 when something
/// falls short.
pub fn run(arguments: &Arguments) -> ExitCode {
    program::main(measure_all(arguments))
}

async fn measure_all(arguments: &Arguments) -> Result<bool> {
    let folder = results_folder(&arguments.repository)?;
    let mut lab = Lab::open(&arguments.repository, folder.clone(), &[]).await?;
    lab.set_worker(true).await?;
    lab.warm_up(3).await?;
    let mut outcome = Outcome {
        machine: Machine::look(&arguments.repository),
        per_second: arguments.per_second,
        seconds: arguments.seconds,
        stages: Vec::new(),
    };
    let many = arguments.connections;
    let mut sizes = vec![(FEW, 1), (many, 1)];
    if arguments.copies > 1 {
        sizes.push((many * arguments.copies, arguments.copies));
    }
    for (number, (connections, copies)) in (0..).zip(sizes) {
        eprintln!("bench: {connections} connections to {copies} copies");
        let plan = Plan {
            connections,
            copies,
            per_second: arguments.per_second,
            seconds: arguments.seconds,
            number,
        };
        outcome.stages.push(measure(&lab, plan).await?);
    }
    lab.close().await?;
    write(&folder, "connections.json", &outcome.json()?)?;
    write(&folder, "connections.md", &outcome.markdown())?;
    println!("{}", outcome.markdown());
    Ok(outcome.falls_short().is_empty())
}
