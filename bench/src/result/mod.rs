//! The result: tables, JSON, floors, and the comparison of two builds.

mod comparison;
mod floors;
mod rows;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::measure::Measurement;
use crate::scenario::Outcome;
pub use comparison::verdicts;
pub use floors::Floors;
pub use rows::rows;
pub use table::Table;

/// All results of a run.
pub struct Run {
    machine: String,
    command: String,
    /// Memory by side, process and moment.
    pub memory_kib: Vec<(&'static str, BTreeMap<&'static str, u64>)>,
    pub failures: Vec<String>,
    pub measurements: Vec<Measurement>,
    /// Tables of single scenarios.
    tables: Vec<Table>,
}

impl Run {
    pub fn new(machine: String) -> Self {
        Self {
            machine,
            command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
            memory_kib: Vec::new(),
            failures: Vec::new(),
            measurements: Vec::new(),
            tables: Vec::new(),
        }
    }

    pub fn add(&mut self, title: &str, outcome: Outcome) {
        let wrong = outcome.measurements.iter().filter_map(Measurement::failure);
        for why in wrong.chain(outcome.failures) {
            self.failed(format!("{title}: {why}"));
        }
        self.measurements.extend(outcome.measurements);
        self.tables.extend(outcome.tables);
    }

    pub fn failed(&mut self, why: String) {
        eprintln!("bench: FAILED {why}");
        self.failures.push(why);
    }

    pub fn markdown(&self) -> String {
        let mut tables = vec![comparison::table(&self.measurements)];
        tables.extend(rows::tables(&rows(&self.measurements)));
        tables.extend(self.tables.iter().cloned());
        let mib = |(side, of): &(&str, BTreeMap<&str, u64>)| {
            let row = |(name, kib): (&&str, &u64)| {
                let mib = (kib / 1_024).to_string();
                vec![(*side).to_owned(), (*name).to_owned(), mib]
            };
            of.iter().map(row).collect::<Vec<Vec<_>>>()
        };
        let memory = self.memory_kib.iter().flat_map(mib);
        tables.push(Table::new("Memory, MiB", "build|process|MiB", memory));
        let (machine, command) = (&self.machine, &self.command);
        let mut text = format!(
            "{machine} `bench {command}`: medians, and in parentheses the range of all rounds.\n"
        );
        for table in tables.iter().filter(|table| !table.rows.is_empty()) {
            text += &format!("\n{table}");
        }
        if !self.failures.is_empty() {
            text += &format!("\nFailed:\n- {}\n", self.failures.join("\n- "));
        }
        text
    }

    /// Writes `result.json` and `result.md`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(&self.json()?)? + "\n";
        for (name, text) in [("result.json", json), ("result.md", self.markdown())] {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }

    fn json(&self) -> Result<Value> {
        let told = self.measurements.iter().map(|measurement| {
            let mut told = serde_json::to_value(measurement)?;
            told["per_second"] = measurement.per_second().into();
            told["x_ceiling"] = rows::ratio(measurement, &self.measurements).into();
            Ok(told)
        });
        Ok(json!({
            "machine": self.machine,
            "command": self.command,
            "memory_kib": self.memory_kib,
            "failures": self.failures,
            "verdicts": verdicts(&self.measurements),
            "measurements": told.collect::<Result<Vec<_>>>()?,
            "tables": self.tables,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::measured;

    #[test]
    fn text_and_json_have_every_scenario_with_its_ratio_and_the_failures() {
        let mut run = Run::new("a machine".into());
        let mut fast = measured("bare", "64", 1);
        fast.seconds = 0.5;
        let mut wrong = measured("accept", "64", 1);
        wrong.errors = 2;
        run.add("a title", vec![fast, wrong].into());
        let json = run.json().unwrap();
        assert_eq!(json["measurements"][1]["x_ceiling"], 0.25);
        assert_eq!(json["measurements"][1]["cpu_us"]["api"], 20_000);
        let text = run.markdown();
        for part in ["accept 64 ", "0.25 bare", "- a title: 2 errors in 1000"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(
            !text.contains("conclusion"),
            "one build is not compared: {text}"
        );
    }
}
