//! The least that paths must reach of their ceilings, for `make bench-check`. Pure.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result};

use super::Row;

/// The floors of a file: a line for each, of scenario, connections (or `-`) and ratio.
#[derive(Debug, Clone)]
pub struct Floors(Vec<Floor>);

#[derive(Debug, Clone, PartialEq)]
struct Floor {
    scenario: String,
    connections: Option<u32>,
    at_least: f64,
}

impl Floors {
    pub fn read(file: &PathBuf) -> Result<Self> {
        let text = std::fs::read_to_string(file);
        let text = text.with_context(|| format!("reading {}", file.display()))?;
        text.parse()
            .with_context(|| format!("reading {}", file.display()))
    }

    /// What of a run lies below. A path that was not measured does not count.
    pub fn broken(&self, rows: &[Row<'_>]) -> Vec<String> {
        let with_ratio = rows.iter().filter_map(|row| Some((row, row.ratio?)));
        let below = with_ratio.filter_map(|(row, ratio)| {
            let floor = self.0.iter().find(|floor| {
                floor.scenario == row.scenario && floor.connections == row.connections
            })?;
            (ratio < floor.at_least).then(|| {
                let connections = row.connections.map(|it| format!(" {it}"));
                let (scenario, least) = (row.scenario, floor.at_least);
                let connections = connections.unwrap_or_default();
                format!("{scenario}{connections}: {ratio:.2} x its ceiling, the floor is {least}")
            })
        });
        below.collect()
    }
}

impl FromStr for Floors {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let floors = lines.map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let [scenario, connections, at_least] = words[..] else {
                anyhow::bail!("no scenario, connections and ratio: {line}");
            };
            let is_known = crate::scenario::names().contains(&scenario);
            anyhow::ensure!(is_known, "no such scenario: {line}");
            Ok(Floor {
                scenario: scenario.to_owned(),
                connections: match connections {
                    "-" => None,
                    number => Some(number.parse().with_context(|| line.to_owned())?),
                },
                at_least: at_least.parse().with_context(|| line.to_owned())?,
            })
        });
        Ok(Self(floors.collect::<Result<_>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::tests::measured;
    use crate::result::rows;

    #[test]
    fn what_lies_below_its_floor_is_named_and_nothing_else() {
        let mut bare = measured("bare", Some(64), 1);
        bare.seconds /= 4.0;
        let all = [
            bare,
            measured("accept", Some(64), 1),
            measured("drain", None, 1),
        ];
        let rows = rows(&all);
        let broken = |text: &str| text.parse::<Floors>().unwrap().broken(&rows);

        let none = broken("# a comment\naccept 64 0.25\naccept 256 0.9\ndrain - 0.9\n");
        assert!(none.is_empty(), "{none:?}");
        let one = broken("accept 64 0.26\n");
        assert_eq!(one, ["accept 64: 0.25 x its ceiling, the floor is 0.26"]);
    }

    #[test]
    fn a_line_that_says_nothing_is_refused() {
        for line in [
            "accept 64",
            "acept 64 0.2",
            "accept many 0.2",
            "accept 64 much",
        ] {
            assert!(line.parse::<Floors>().is_err(), "{line}");
        }
    }
}
