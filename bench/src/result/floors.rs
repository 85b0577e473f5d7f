//! The lowest ratios to their ceilings that scenarios must reach, for `make bench-check`.

use std::fs::read_to_string;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::rows::Row;
use crate::scenario;

/// Scenario, label and ratio.
#[derive(Debug, Clone)]
pub struct Floors(Vec<(String, String, f64)>);

impl Floors {
    pub fn read(file: &PathBuf) -> Result<Self> {
        let read = || Self::parse(&read_to_string(file)?);
        read().with_context(|| format!("reading {}", file.display()))
    }

    /// Reads one floor per line: scenario, connections (or `-`) and ratio.
    fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let floors = lines.map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let [name, label, least] = words[..] else {
                anyhow::bail!("not scenario, connections and ratio: {line}");
            };
            let label = if label == "-" { "" } else { label };
            let is_known = |it: &scenario::Scenario| it.name == name && it.label == label;
            ensure!(
                scenario::all().iter().any(is_known),
                "no such scenario: {line}"
            );
            let least = least.parse().with_context(|| line.to_owned())?;
            Ok((name.to_owned(), label.to_owned(), least))
        });
        Ok(Self(floors.collect::<Result<_>>()?))
    }

    /// The rows below their floor. A scenario that was not measured is not checked.
    pub fn broken(&self, rows: &[Row<'_>]) -> Vec<String> {
        let below = rows.iter().filter_map(|row| {
            let (first, ratio) = (row.first(), row.ratio?.median);
            let mut floors = self.0.iter();
            let (.., least) = floors.find(|(name, label, _)| {
                (name.as_str(), label) == (first.scenario, &first.label)
            })?;
            let title = first.title();
            (ratio < *least)
                .then(|| format!("{title}: {ratio:.2} x its ceiling, the floor is {least}"))
        });
        below.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::measured;
    use crate::result::rows;

    #[test]
    fn what_lies_below_its_floor_is_named_and_nothing_else() {
        let mut bare = measured("bare", "64", 1);
        bare.seconds /= 4.0;
        let all = [bare, measured("accept", "64", 1), measured("drain", "", 1)];
        let broken = |text: &str| Floors::parse(text).unwrap().broken(&rows(&all));
        let none = broken("# a comment\naccept 64 0.25\naccept 256 0.9\ndrain - 0.9\n");
        assert!(none.is_empty(), "{none:?}");
        let one = broken("accept 64 0.26\n");
        assert_eq!(one, ["accept 64: 0.25 x its ceiling, the floor is 0.26"]);
    }

    #[test]
    fn a_line_that_is_not_a_floor_is_refused() {
        for line in [
            "accept 64",
            "acept 64 0.2",
            "accept many 0.2",
            "accept 64 much",
        ] {
            assert!(Floors::parse(line).is_err(), "{line}");
        }
    }
}
