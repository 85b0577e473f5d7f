use std::path::PathBuf;

use clap::{Parser, value_parser};

const ROUNDS: u32 = 5;
const ROUNDS_OF_A_COMPARISON: u32 = 9;

/// Measures Fluxgate against its ceilings, or against another build
#[derive(Debug, Clone, Parser)]
#[command(name = "bench")]
pub struct Arguments {
    /// Rounds, or pairs of a comparison; each measures every scenario once [default: 5; with --against 9]
    #[arg(long, visible_alias = "pairs", env = "ROUNDS", value_parser = value_parser!(u32).range(1..=50))]
    pub rounds: Option<u32>,

    /// Seconds of one measurement [default: 5; connections 30, soak 600]
    #[arg(long, env = "SECONDS_EACH", value_parser = value_parser!(u32).range(1..=7_200))]
    pub seconds: Option<u32>,

    /// Scenarios to measure, separated by commas [default: all but the long ones]
    #[arg(long, env = "ONLY", value_delimiter = ',')]
    pub only: Vec<String>,

    /// Sizes to measure instead of the usual ones: connections, or the products, rows or partitions of growth-*
    #[arg(long, value_delimiter = ',', value_parser = value_parser!(u32).range(1..=100_000_000))]
    pub sizes: Vec<u32>,

    /// connections, soak: requests per second [default: connections 2000, soak 1000]
    #[arg(long, value_parser = value_parser!(u32).range(100..=20_000))]
    pub per_second: Option<u32>,

    /// Compare with another build: the folder with its programs, such as ../old/target/release
    #[arg(long)]
    pub against: Option<PathBuf>,

    /// Fail if a path reaches less of its ceiling than its floor
    #[arg(long)]
    pub floors: bool,
}

impl Arguments {
    pub fn rounds(&self) -> u32 {
        let default = match self.against {
            Some(_) => ROUNDS_OF_A_COMPARISON,
            None => ROUNDS,
        };
        self.rounds.unwrap_or(default)
    }
}
