//! What came out, in three forms.

mod floors;
mod markdown;
pub mod page;
pub mod plots;
mod summary;

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::Arguments;
use crate::lab::Memory;
use crate::machine::Machine;
use crate::measurement::Measurement;
use crate::program;
pub use floors::Floors;
pub use markdown::{ms, table};
use summary::ratio;
pub use summary::{Row, rows};

/// Everything that was measured.
pub struct Run {
    pub machine: Machine,
    pub rounds: u32,
    pub seconds_each: u32,
    pub memory_kib: Memory,
    pub failures: Vec<String>,
    pub measurements: Vec<Measurement>,
}

impl Run {
    pub fn new(machine: Machine, arguments: &Arguments) -> Self {
        Self {
            machine,
            rounds: arguments.rounds,
            seconds_each: arguments.seconds,
            memory_kib: Memory::default(),
            failures: Vec::new(),
            measurements: Vec::new(),
        }
    }

    pub fn failed(&mut self, why: String) {
        eprintln!("bench: FAILED {why}");
        self.failures.push(why);
    }

    pub fn markdown(&self) -> String {
        markdown::of(self)
    }

    /// `result.json`, `result.md` and `index.html`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let files = [
            ("result.json", self.json()?),
            ("result.md", self.markdown()),
            ("index.html", page::of(self)?),
        ];
        for (name, text) in files {
            program::write(folder, name, &text)?;
        }
        Ok(())
    }

    fn json(&self) -> Result<String> {
        let measurements = self.measurements.iter().map(|measurement| Told {
            measurement,
            per_second: measurement.per_second(),
            x_ceiling: ratio(measurement, &self.measurements),
        });
        let all = serde_json::json!({
            "machine": self.machine,
            "rounds": self.rounds,
            "seconds_each": self.seconds_each,
            "memory_kib": self.memory_kib,
            "failures": self.failures,
            "measurements": measurements.collect::<Vec<_>>(),
        });
        Ok(serde_json::to_string_pretty(&all)? + "\n")
    }
}

/// A measurement with what follows from it.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    measurement: &'a Measurement,
    per_second: f64,
    x_ceiling: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::tests::measured;

    pub fn run() -> Run {
        let machine = Machine {
            cores: 2,
            processor: "some".into(),
            kernel: "6.1".into(),
            memory_mib: 1_024,
            date: "2026-11-21 12:00".into(),
            commit: "abc".into(),
        };
        let mut slow = measured("bare", Some(64), 1);
        slow.seconds = 0.5;
        let mut at_rate = measured("end-to-end", None, 1);
        at_rate.over_time = crate::measurement::over_time(&[(0.0, 5.0), (0.3, 8.0)], 0.25);
        Run {
            machine,
            rounds: 1,
            seconds_each: 2,
            memory_kib: Memory::default(),
            failures: vec!["drain, round 1: <nothing>".into()],
            measurements: vec![
                slow,
                measured("accept", Some(64), 1),
                at_rate,
                measured("drain", None, 1),
            ],
        }
    }

    #[test]
    fn the_json_has_every_measurement_with_its_ratio() {
        let json: serde_json::Value = serde_json::from_str(&run().json().unwrap()).unwrap();
        assert_eq!(json["measurements"][1]["per_second"], 500.0);
        assert_eq!(json["measurements"][1]["x_ceiling"], 0.25);
        assert_eq!(json["measurements"][1]["cpu_us"]["api"], 20_000);
        assert_eq!(json["machine"]["cores"], 2);
    }

    #[test]
    fn the_tables_have_a_row_for_each_scenario_and_the_failures() {
        let text = run().markdown();
        assert!(
            text.contains("| accept | 64 | 500 | 0.25 | 20.0 |"),
            "{text}"
        );
        assert!(text.contains("| end-to-end |"), "{text}");
        assert!(text.contains("| drain | 500 |"), "{text}");
        assert!(text.contains("drain, round 1"), "{text}");
    }

    #[test]
    fn the_page_needs_nothing_else() {
        let page = page::of(&run()).unwrap();
        assert_eq!(page.matches("<svg").count(), 4);
        assert!(page.contains("&lt;nothing&gt;"));
        assert!(!page.contains("<script") && !page.contains("href="));
    }
}
