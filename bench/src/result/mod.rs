//! The result: tables, JSON, floors, and the comparison of two builds.

mod ceiling;
mod comparison;
mod rows;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::measure::{Measurement, machine};
use comparison::verdicts;
use rows::{Row, rows};

/// All results of a run.
pub struct Run {
    machine: String,
    command: String,
    failures: Vec<String>,
    measurements: Vec<Measurement>,
}

impl Run {
    pub fn new() -> Self {
        Self {
            machine: machine(),
            command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
            failures: Vec::new(),
            measurements: Vec::new(),
        }
    }

    pub fn add(&mut self, title: &str, measured: Result<Vec<Measurement>>) {
        match measured {
            Err(error) => self.failed(format!("{title}: {error:#}")),
            Ok(measured) => {
                for why in measured.iter().flat_map(Measurement::failures) {
                    self.failed(format!("{title}: {why}"));
                }
                for one in measured {
                    ceiling::push(&mut self.measurements, one);
                }
            }
        }
    }

    /// A path that reaches less of its ceiling than its floor is a failure.
    pub fn check_floors(&mut self) {
        let below = |row: &Row<'_>| {
            let (floor, ratio) = (row.first().floor?, row.ratio()?.median);
            let title = row.first().title();
            let why = format!("{title}: {ratio:.2} x its ceiling, the floor is {floor}");
            (ratio < floor).then_some(why)
        };
        let rows = rows(&self.measurements);
        let broken: Vec<_> = rows.iter().filter_map(below).collect();
        broken.into_iter().for_each(|why| self.failed(why));
    }

    /// Nothing failed, and nothing is slower than in the other build.
    pub fn is_good(&self) -> bool {
        let rows = rows(&self.measurements);
        let slower = verdicts(&rows).iter().any(|it| it.conclusion == "slower");
        self.failures.is_empty() && !slower
    }

    pub fn failed(&mut self, why: String) {
        eprintln!("bench: FAILED {why}");
        self.failures.push(why);
    }

    pub fn markdown(&self) -> String {
        let rows = rows(&self.measurements);
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
        let json = serde_json::to_string_pretty(&self.json())? + "\n";
        for (name, text) in [("result.json", json), ("result.md", self.markdown())] {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        json!({
            "machine": self.machine,
            "command": self.command,
            "failures": self.failures,
            "verdicts": verdicts(&rows(&self.measurements)),
            "measurements": self.measurements,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::measured;

    #[test]
    fn text_and_json_have_every_scenario_with_its_ratio_and_the_failures() {
        let mut run = Run::new();
        let mut fast = measured("bare", "64", 1);
        fast.seconds = 0.5;
        let mut wrong = measured("accept", "64", 1);
        (wrong.errors, wrong.floor) = (2, Some(0.26));
        run.add("a title", Ok(vec![fast, wrong]));
        run.check_floors();
        let json = run.json();
        assert_eq!(json["measurements"][1]["x_ceiling"], 0.25);
        assert_eq!(json["measurements"][1]["cpu_us"]["api"], 20_000);
        let text = run.markdown();
        let floor = "- accept 64: 0.25 x its ceiling, the floor is 0.26";
        for part in [
            "accept 64 ",
            "0.25 bare",
            "- a title: 2 errors in 1000",
            floor,
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(
            !text.contains("conclusion"),
            "one build is not compared: {text}"
        );
    }
}
