use std::path::PathBuf;

use clap::{Parser, value_parser};

use crate::scenario;

/// Measures Fluxgate against its ceilings, or against another build
#[derive(Debug, Clone, Parser)]
#[command(name = "bench")]
#[allow(missing_docs)]
pub struct Arguments {
    /// Rounds; every round measures each scenario once
    #[arg(long, env = "ROUNDS", default_value_t = 5, value_parser = value_parser!(u32).range(1..=50))]
    pub rounds: u32,

    /// Seconds of one measurement [default: 5; connections 30, soak 600]
    #[arg(long, env = "SECONDS_EACH", value_parser = value_parser!(u32).range(1..=7_200))]
    pub seconds: Option<u32>,

    /// Scenarios to measure, separated by commas [default: all but the long ones]
    #[arg(long, env = "ONLY", value_delimiter = ',', value_parser = known_scenario)]
    pub only: Vec<String>,

    /// Compare with another build: the folder with its programs, such as ../old/target/release
    #[arg(long)]
    pub against: Option<PathBuf>,

    /// Pairs of measurements of a comparison
    #[arg(long, default_value_t = 9, value_parser = value_parser!(u32).range(1..=50))]
    pub pairs: u32,

    /// Fail if a path reaches less of its ceiling than this file says, such as bench/floors
    #[arg(long)]
    pub floors: Option<PathBuf>,

    /// The folder of the repository
    #[arg(long, default_value = ".")]
    pub repository: PathBuf,

    #[command(flatten)]
    pub sizes: Sizes,
}

/// Sizes of the long scenarios.
#[derive(Debug, Clone, clap::Args)]
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
    #[arg(long, value_delimiter = ',', default_value = "12,24,48,96", value_parser = value_parser!(i32).range(1..=1_000))]
    pub partitions: Vec<i32>,
}

fn known_scenario(name: &str) -> Result<String, String> {
    let names = scenario::names();
    if names.contains(&name) || name == scenario::GROWTH {
        return Ok(name.to_owned());
    }
    Err(format!("the scenarios are: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_separated_by_commas_and_an_unknown_one_is_refused_with_all_names() {
        let parse = |only| Arguments::try_parse_from(["bench", "--only", only]);
        assert_eq!(parse("bare,growth").unwrap().only, ["bare", "growth"]);
        let text = parse("bare,acept").unwrap_err().to_string();
        assert!(
            text.contains("acept") && text.contains("end-to-end"),
            "{text}"
        );
    }
}
