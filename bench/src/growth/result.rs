use anyhow::Result;
use serde::Serialize;

use crate::cpu::Part;
use crate::machine::Machine;
use crate::measurement::Measurement;
use crate::result::{ms, table};
use crate::statistics::median;

const PARTS: [Part; 6] = [
    Part::Api,
    Part::Redis,
    Part::Kafka,
    Part::Worker,
    Part::Postgres,
    Part::Load,
];

/// What was measured once with so many of what grows.
#[derive(Debug, Clone, Serialize)]
pub struct Point {
    pub size: u32,
    #[serde(flatten)]
    pub measurement: Measurement,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_peak_kib: Option<u64>,
    /// Of the orders, with their index, afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
pub struct Outcome {
    pub machine: Machine,
    pub part: &'static str,
    pub rounds: u32,
    pub points: Vec<Point>,
}

impl Outcome {
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    pub fn errors(&self) -> u64 {
        self.points.iter().map(|it| it.measurement.errors).sum()
    }

    pub fn markdown(&self) -> String {
        let mut text = format!(
            "{} Medians of {} rounds.\n",
            self.machine.sentence(),
            self.rounds
        );
        for scenario in ["accept", "drain"] {
            let all = self.points.iter();
            let its: Vec<&Point> = all
                .filter(|it| it.measurement.scenario == scenario)
                .collect();
            if !its.is_empty() {
                text += &format!("\n{}", self.table(scenario, &its));
            }
        }
        text
    }

    fn table(&self, scenario: &str, points: &[&Point]) -> String {
        let (part, is_drain) = (self.part, scenario == "drain");
        let more = if is_drain {
            "worker, MiB | table and index, MiB"
        } else {
            "p50 ms | p99 ms"
        };
        let head = format!(
            "| {part} | {scenario}, per second | x the first | CPU us each: API | Redis | Kafka | worker | PostgreSQL | load | {more} | errors |"
        );
        let mut sizes: Vec<u32> = points.iter().map(|it| it.size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let mut first = None;
        let lines: Vec<String> = sizes
            .iter()
            .map(|size| {
                let rounds: Vec<&Point> = points
                    .iter()
                    .copied()
                    .filter(|it| it.size == *size)
                    .collect();
                let rate = of(&rounds, |it| Some(it.measurement.per_second()));
                let first = *first.get_or_insert(rate);
                line(*size, rate / first, &rounds, is_drain)
            })
            .collect();
        table(&head, &lines)
    }
}

fn line(size: u32, ratio: f64, rounds: &[&Point], is_drain: bool) -> String {
    let rate = of(rounds, |it| Some(it.measurement.per_second()));
    let cpu = PARTS.map(|part| {
        let each = of(rounds, |it| Some(it.measurement.cpu_us_each(part)));
        format!("{each:.1}")
    });
    let more = if is_drain {
        let worker = of(rounds, |it| it.worker_peak_kib.map(|kib| kib as f64)) / 1_024.0;
        let on_disk = rounds.iter().any(|it| it.table_bytes.is_some());
        let bytes = of(rounds, |it| it.table_bytes.map(|bytes| bytes as f64));
        let on_disk = on_disk.then(|| format!("{:.0}", bytes / 1_048_576.0));
        [format!("{worker:.0}"), on_disk.unwrap_or_default()]
    } else {
        let latency = |p99: bool| {
            let picked = of(rounds, |it| {
                let latency = it.measurement.latency_ms?;
                Some(if p99 { latency.p99 } else { latency.p50 })
            });
            ms(picked)
        };
        [latency(false), latency(true)]
    };
    let errors: u64 = rounds.iter().map(|it| it.measurement.errors).sum();
    format!(
        "| {size} | {rate:.0} | {ratio:.2} | {} | {} | {errors} |",
        cpu.join(" | "),
        more.join(" | ")
    )
}

/// The median of what some rounds tell.
fn of(rounds: &[&Point], value: impl Fn(&Point) -> Option<f64>) -> f64 {
    median(rounds.iter().filter_map(|it| value(it))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::tests::measured;

    fn point(size: u32, round: u32, count: u64) -> Point {
        let mut measurement = measured("drain", None, round);
        measurement.count = count;
        Point {
            size,
            measurement,
            worker_peak_kib: Some(10_240),
            table_bytes: Some(5 * 1_048_576),
        }
    }

    #[test]
    fn each_size_is_one_line_of_medians_held_against_the_first() {
        let points = vec![
            point(12, 1, 1_000),
            point(96, 1, 400),
            point(12, 2, 1_000),
            point(96, 2, 600),
        ];
        let outcome = Outcome {
            machine: Machine::look(std::path::Path::new(".")),
            part: "partitions",
            rounds: 2,
            points,
        };
        let text = outcome.markdown();
        assert!(text.contains("| 12 | 500 | 1.00 |"), "{text}");
        assert!(text.contains("| 96 | 250 | 0.50 |"), "{text}");
        assert!(text.contains("| 10 | 5 | 0 |"), "{text}");
        assert!(!text.contains("accept"), "{text}");
    }
}
