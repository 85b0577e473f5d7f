use std::path::PathBuf;

use clap::Parser;

/// Measures the pipeline against its ceilings, interleaved, several rounds
#[derive(Debug, Clone, Parser)]
#[command(name = "bench")]
pub struct Arguments {
    /// How often everything is measured
    #[arg(long, env = "ROUNDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub rounds: u32,

    /// Seconds of one measurement; counts of orders follow it
    #[arg(long, env = "SECONDS_EACH", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub seconds: u32,

    /// Scenarios to measure, such as bare,accept,drain [default: all]
    #[arg(long, env = "ONLY", value_delimiter = ',', value_parser = known_scenario)]
    pub only: Vec<String>,

    /// Fail when a path reaches less of its ceiling than this file says, such as bench/floors
    #[arg(long)]
    pub floors: Option<PathBuf>,

    /// The folder of the repository
    #[arg(long, default_value = ".")]
    pub repository: PathBuf,
}

fn known_scenario(name: &str) -> Result<String, String> {
    let names = crate::scenario::names();
    if names.contains(&name) {
        Ok(name.to_owned())
    } else {
        Err(format!("there are: {}", names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scenario_is_refused_with_the_names_of_all() {
        let error = Arguments::try_parse_from(["bench", "--only", "bare,acept"]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("acept") && text.contains("end-to-end"),
            "{text}"
        );
    }

    #[test]
    fn scenarios_are_separated_by_commas() {
        let arguments = Arguments::try_parse_from(["bench", "--only", "bare,drain"]).unwrap();
        assert_eq!(arguments.only, ["bare", "drain"]);
    }
}
