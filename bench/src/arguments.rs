use std::path::PathBuf;

use clap::{Args, Parser, value_parser};

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

    /// Compare with another build: the folder with its programs, such as ../old/target/release
    #[arg(long)]
    pub against: Option<PathBuf>,

    /// Fail if a path reaches less of its ceiling than its floor
    #[arg(long)]
    pub floors: bool,

    #[command(flatten)]
    pub sizes: Sizes,
}

/// Sizes of the long scenarios.
#[derive(Debug, Clone, Args)]
pub struct Sizes {
    /// connections: connections to one instance of the API
    #[arg(long, default_value_t = 18_000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub connections: u32,

    /// connections: instances of the API in the last part
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..=16))]
    pub instances: u32,

    /// connections, soak: requests per second [default: 2000; soak 1000]
    #[arg(long, value_parser = value_parser!(u32).range(100..=20_000))]
    pub per_second: Option<u32>,

    /// growth: orders that a worker drains each time
    #[arg(long, default_value_t = 400_000, value_parser = value_parser!(u32).range(1_000..=10_000_000))]
    pub orders: u32,

    /// growth-products: numbers of products
    #[arg(long, value_delimiter = ',', default_value = "1,10,100,1000", value_parser = value_parser!(u32).range(1..=10_000))]
    pub products: Vec<u32>,

    /// growth-rows: numbers of rows in the table before each drain, ascending
    #[arg(long, value_delimiter = ',', default_value = "0,1000000,5000000,10000000", value_parser = value_parser!(u32).range(0..=100_000_000))]
    pub rows: Vec<u32>,

    /// growth-partitions: numbers of partitions
    #[arg(long, value_delimiter = ',', default_value = "12,24,48,96", value_parser = value_parser!(u32).range(1..=1_000))]
    pub partitions: Vec<u32>,
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
