//! How cost grows with what there is: `make bench-growth`.

mod partitions;
mod products;
mod result;
mod rows;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use crate::drain::Drained;
use crate::lab::Lab;
use crate::machine::Machine;
use crate::measurement::Measurement;
use crate::program::{self, results_folder, write};
use result::{Outcome, Point};

/// Measures how cost grows with products, with rows that are there already, and with partitions
#[derive(Debug, Clone, Parser)]
#[command(name = "growth")]
pub struct Arguments {
    /// What to measure [default: all]
    #[arg(long, env = "ONLY", value_delimiter = ',')]
    pub only: Vec<Part>,

    /// How often
    #[arg(long, env = "ROUNDS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub rounds: u32,

    /// Seconds of one load
    #[arg(long, env = "SECONDS_EACH", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub seconds: u32,

    /// Orders that a worker drains each time
    #[arg(long, default_value_t = 400_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    pub orders: u32,

    /// Numbers of products
    #[arg(long, value_delimiter = ',', default_value = "1,10,100,1000", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub products: Vec<u32>,

    /// Numbers of rows that are there already, ascending
    #[arg(long, value_delimiter = ',', default_value = "0,1000000,5000000,10000000", value_parser = clap::value_parser!(u32).range(0..=100_000_000))]
    pub rows: Vec<u32>,

    /// Numbers of partitions
    #[arg(long, value_delimiter = ',', default_value = "12,24,48,96", value_parser = clap::value_parser!(i32).range(1..=1_000))]
    pub partitions: Vec<i32>,

    /// The folder of the repository
    #[arg(long, default_value = ".")]
    pub repository: PathBuf,
}

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Products that orders are of.
    Products,
    /// Rows in the table of orders.
    Rows,
    /// Partitions of the topic.
    Partitions,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Products => "products",
            Self::Rows => "rows",
            Self::Partitions => "partitions",
        }
    }
}

/// Measures one part after the other and writes each one's result into `.local/bench`.
/// Exit code 1 when something falls short.
pub fn run(arguments: &Arguments) -> ExitCode {
    program::main(measure_all(arguments))
}

async fn measure_all(arguments: &Arguments) -> Result<bool> {
    let folder = results_folder(&arguments.repository)?;
    let machine = Machine::look(&arguments.repository);
    let lab = Lab::open(&arguments.repository, folder.clone(), &[]).await?;
    lab.warm_up(arguments.seconds).await?;
    let mut all_right = true;
    for part in [Part::Products, Part::Rows, Part::Partitions] {
        if !arguments.only.is_empty() && !arguments.only.contains(&part) {
            continue;
        }
        let points = match part {
            Part::Products => products::measure(&lab, arguments).await?,
            Part::Rows => rows::measure(&lab, arguments).await?,
            Part::Partitions => partitions::measure(&lab, arguments).await?,
        };
        let outcome = Outcome {
            machine: machine.clone(),
            part: part.name(),
            rounds: arguments.rounds,
            points,
        };
        let name = format!("growth-{}", part.name());
        write(&folder, &format!("{name}.json"), &outcome.json()?)?;
        write(&folder, &format!("{name}.md"), &outcome.markdown())?;
        println!("{}", outcome.markdown());
        all_right &= outcome.errors() == 0;
    }
    lab.close().await?;
    Ok(all_right)
}

/// A drain as a point of a table.
fn drained(size: u32, round: u32, orders: u32, drained: Drained) -> Point {
    Point {
        size,
        measurement: Measurement {
            count: orders.into(),
            seconds: drained.elapsed.as_secs_f64(),
            cpu_us: drained.cpu_us,
            ..Measurement::empty("drain", None, round)
        },
        worker_peak_kib: Some(drained.worker_peak_kib),
        table_bytes: None,
    }
}
