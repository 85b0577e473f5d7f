//! The result: tables, JSON, floors, and the comparison of two builds.

mod comparison;
mod machine;
mod rows;
mod spread;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::measure::Measurement;
use crate::scenario::Scenario;
use comparison::comparisons;
use rows::{Row, rows};

/// A refusal waits for the orders that are accepted beside it, but not longer than this multiple of a refusal alone.
const REFUSALS_SLOWED_MAX: f64 = 3.0;

/// All results of a run.
#[derive(Serialize)]
pub struct Run {
    machine: String,
    command: String,
    failures: Vec<String>,
    entries: Vec<Entry>,
}

/// One measurement of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    #[serde(flatten)]
    pub scenario: Scenario,
    pub round: u32,
    /// `ours` or `theirs`.
    pub side: &'static str,
    /// Rate as a multiple of the ceiling's in the same round.
    pub x_ceiling: Option<f64>,
    #[serde(flatten)]
    pub measured: Measurement,
}

impl Run {
    pub fn new() -> Result<Self> {
        Ok(Self {
            machine: machine::machine()?,
            command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
            failures: Vec::new(),
            entries: Vec::new(),
        })
    }

    /// Adds a measurement. Its ceiling, which may be itself, is among those before.
    pub fn add(
        &mut self,
        scenario: Scenario,
        round: u32,
        side: &'static str,
        measured: Measurement,
    ) {
        for why in measured.failures() {
            self.failed(format!(
                "{}, {side}, round {round}: {why}",
                scenario.title()
            ));
        }
        let mut entry = Entry {
            scenario,
            round,
            side,
            x_ceiling: None,
            measured,
        };
        let others = self.entries.iter().chain([&entry]);
        let ceiling = others
            .filter(|it| it.round == round)
            .find(|it| it.is_ceiling_of(&entry));
        let rates = ceiling.map(|it| entry.measured.per_second() / it.measured.per_second());
        entry.x_ceiling = rates;
        self.entries.push(entry);
    }

    /// A path that reaches less of its ceiling than its floor is a failure, and so are refusals that orders in the same
    /// sale slow down too much.
    pub fn check_floors(&mut self) {
        let below = |row: &Row<'_>| {
            let scenario = row.first().scenario;
            let (floor, ratio) = (scenario.floor()?, row.ratio()?.median);
            let title = scenario.title();
            let why = format!("{title}: {ratio:.2} x its ceiling, the floor is {floor}");
            (ratio < floor).then_some(why)
        };
        let rows = rows(&self.entries);
        let slowed = rows
            .iter()
            .filter_map(|row| Some((row, row.refusals_slowed(&rows)?)));
        let slowed = slowed.filter(|(_, times)| *times > REFUSALS_SLOWED_MAX);
        let slowed = slowed.map(|(row, times)| {
            let title = row.first().scenario.title();
            format!("{title}: p99 of refusals is {times:.1} x that of sold-out, the limit is {REFUSALS_SLOWED_MAX}")
        });
        let broken: Vec<_> = rows.iter().filter_map(below).chain(slowed).collect();
        broken.into_iter().for_each(|why| self.failed(why));
    }

    /// Nothing failed, and nothing is slower than in the other build.
    pub fn is_good(&self) -> bool {
        let rows = rows(&self.entries);
        let slower = comparisons(&rows)
            .iter()
            .any(|it| it.conclusion() == "slower");
        self.failures.is_empty() && !slower
    }

    pub fn failed(&mut self, why: String) {
        eprintln!("bench: FAILED {why}");
        self.failures.push(why);
    }

    pub fn markdown(&self) -> String {
        let rows = rows(&self.entries);
        let (machine, command) = (&self.machine, &self.command);
        let mut text = format!(
            "{machine} `bench {command}`: medians, and in parentheses the range of all rounds.\n"
        );
        text += &comparison::table(&rows);
        text.extend(rows::tables(&rows));
        if !self.failures.is_empty() {
            text += &format!("\nFailed:\n- {}\n", self.failures.join("\n- "));
        }
        text
    }

    /// Writes `result.json` and `result.md`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(self)? + "\n";
        for (name, text) in [("result.json", json), ("result.md", self.markdown())] {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}

impl Entry {
    /// Of the same round. A ceiling that is measured once per pair applies to both sides.
    fn is_ceiling_of(&self, other: &Self) -> bool {
        let (own, others) = (self.scenario, other.scenario);
        let same_side = self.side == other.side;
        match others.ceiling() {
            Some("first") => own.name == others.name && same_side,
            Some("copy") => own.name == "copy",
            Some(name) => (own.name, own.size) == (name, others.size) && same_side,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Latency;
    use crate::measure::processes::{ByPart, Part};
    use crate::scenario::selected;

    /// A run of these: scenario, size, side, round, requests in two seconds, CPU of the API.
    pub fn run_of(all: &[(&str, u32, &'static str, u32, u64, u64)]) -> Run {
        let mut run = Run::new().unwrap();
        for (name, size, side, round, count, cpu_us) in all.iter().copied() {
            let measured = Measurement {
                count,
                seconds: 2.0,
                cpu_us: ByPart::from([(Part::Api, cpu_us)]),
                ..Measurement::default()
            };
            let scenario = selected(&[name.to_owned()], &[size]).unwrap()[0];
            run.add(scenario, round, side, measured);
        }
        run
    }

    #[test]
    fn a_size_is_compared_with_its_own_or_with_the_first_of_the_same_round() {
        let measured = [
            ("bare", 256, "ours", 1, 10, 0),
            ("accept", 64, "ours", 1, 5, 0),
            ("accept", 256, "theirs", 1, 5, 0),
            ("accept", 256, "ours", 1, 5, 0),
            ("growth-rows", 0, "ours", 1, 10, 0),
            ("growth-rows", 9, "ours", 1, 5, 0),
            ("growth-rows", 9, "ours", 2, 5, 0),
            ("copy", 0, "ours", 1, 20, 0),
            ("drain", 0, "theirs", 1, 5, 0),
        ];
        let found: Vec<_> = run_of(&measured)
            .entries
            .iter()
            .map(|it| it.x_ceiling)
            .collect();
        let half = Some(0.5);
        let expected = [
            Some(1.0),
            None,
            None,
            half,
            Some(1.0),
            half,
            Some(1.0),
            None,
            Some(0.25),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn refusals_are_compared_with_a_sale_that_is_sold_out() {
        let mut run = run_of(&[
            ("sold-out", 64, "ours", 1, 4_000, 0),
            ("mixed", 64, "ours", 1, 4_000, 0),
        ]);
        let p99 = |p99| Latency {
            p50: 1.0,
            p99,
            p999: None,
        };
        run.entries[0].measured.latency_ms = Some(p99(2.0));
        run.entries[1].measured.refusals_ms = Some(p99(6.0));
        run.check_floors();
        assert!(run.failures.is_empty(), "{:?}", run.failures);
        run.entries[1].measured.refusals_ms = Some(p99(6.2));
        run.check_floors();
        let expected = "mixed 64: p99 of refusals is 3.1 x that of sold-out, the limit is 3";
        assert_eq!(run.failures, [expected]);
    }

    #[test]
    fn the_tables_have_every_scenario_with_its_ratio_and_the_failures() {
        let mut run = run_of(&[
            ("bare", 64, "ours", 1, 4_000, 0),
            ("accept", 64, "ours", 1, 600, 0),
        ]);
        run.check_floors();
        run.failed("a title: why".to_owned());
        let text = run.markdown();
        let floor = "- accept 64: 0.15 x its ceiling, the floor is 0.24";
        for part in ["accept 64 ", "0.15 bare", "- a title: why", floor] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let compared = text.contains("conclusion");
        assert!(!compared, "one build is not compared: {text}");
    }
}
