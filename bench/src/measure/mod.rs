//! The result of one measurement.

pub mod cpu;
mod machine;
pub mod memory;
pub mod statistics;

use std::collections::BTreeMap;

use serde::Serialize;

use cpu::{Cpu, Part};
pub use machine::machine;
use statistics::percentile;

/// One scenario, measured once.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Measurement {
    pub scenario: &'static str,
    /// Connections or another size; empty if the scenario has one form only.
    pub label: String,
    pub round: u32,
    /// `ours` or `theirs`.
    pub side: &'static str,
    /// The scenario that it is compared with in the same round. `first` is the first label of the same one.
    #[serde(skip)]
    pub ceiling: Option<&'static str>,
    /// The lowest rate that passes, as a multiple of the ceiling's.
    #[serde(skip)]
    pub floor: Option<f64>,
    /// What the scenario tests.
    #[serde(skip)]
    pub tested: &'static [Part],
    /// Requests, orders, rows or messages.
    pub count: u64,
    pub seconds: f64,
    pub errors: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<Latency>,
    /// Latencies of refusals, if some orders are accepted and others are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusals_ms: Option<Latency>,
    pub cpu_us: Cpu,
    /// Figures that only this scenario has.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<String, f64>,
    /// Rate as a multiple of the ceiling's in the same round.
    pub x_ceiling: Option<f64>,
    /// Failed checks, wrong answers aside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
}

/// Latencies in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    /// `None` for redis-benchmark, which does not report it.
    pub p999: Option<f64>,
    pub max: f64,
}

/// A measurement fails with more than one error in this many requests.
const ONE_ERROR_IN: u64 = 1_000;

impl Measurement {
    /// What it shares with the other rounds.
    pub fn key(&self) -> (&'static str, &String, &'static str) {
        (self.scenario, &self.label, self.side)
    }

    /// The scenario with its label, if it has one.
    pub fn title(&self) -> String {
        let title = format!("{} {}", self.scenario, self.label);
        title.trim_end().to_owned()
    }

    /// Failed checks, one sentence each.
    pub fn failures(&self) -> Vec<String> {
        let (errors, count) = (self.errors, self.count);
        let is_wrong = count == 0 || errors > count / ONE_ERROR_IN;
        let wrong = is_wrong.then(|| format!("{errors} errors in {count}"));
        wrong.into_iter().chain(self.failures.clone()).collect()
    }

    /// Adds a figure that only this scenario has.
    pub fn add(&mut self, name: impl Into<String>, value: f64) {
        self.more.insert(name.into(), value);
    }

    /// The same of a figure that has a limit: more is a failure.
    pub fn add_limited(&mut self, name: &str, value: f64, max: f64) {
        self.add(name, value);
        if value > max {
            self.failures
                .push(format!("{name}: {value:.2}, the limit is {max}"));
        }
    }

    pub fn per_second(&self) -> f64 {
        self.count as f64 / self.seconds
    }

    /// Microseconds per request.
    pub fn cpu_us_each(&self, parts: &[Part]) -> f64 {
        let used = parts.iter().filter_map(|part| self.cpu_us.get(part));
        used.sum::<u64>() as f64 / self.count.max(1) as f64
    }
}

impl Latency {
    /// The latencies of these microseconds, which may be in any order.
    pub fn of_us(mut all: Vec<u32>) -> Option<Self> {
        all.sort_unstable();
        let ms = |us: u32| f64::from(us) / 1_000.0;
        Some(Self {
            p50: ms(percentile(&all, 0.5)?),
            p95: ms(percentile(&all, 0.95)?),
            p99: ms(percentile(&all, 0.99)?),
            p999: percentile(&all, 0.999).map(ms),
            max: ms(*all.last()?),
        })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A measurement for the tests of other modules.
    pub fn measured(scenario: &'static str, label: &str, round: u32) -> Measurement {
        let ceiling = match scenario {
            "drain" => "copy",
            "drain by rows" => "first",
            _ => "bare",
        };
        Measurement {
            ceiling: Some(ceiling),
            tested: &[Part::Api],
            scenario,
            label: label.to_owned(),
            round,
            side: "ours",
            count: 1_000,
            seconds: 2.0,
            latency_ms: Latency::of_us((1..=100).map(|ms| ms * 1_000).collect()),
            cpu_us: Cpu::from([(Part::Api, 20_000), (Part::Load, 5_000)]),
            ..Measurement::default()
        }
    }

    #[test]
    fn one_error_in_a_thousand_is_no_failure_and_two_are() {
        let mut measurement = measured("accept", "64", 1);
        measurement.errors = 1;
        assert!(measurement.failures().is_empty());
        measurement.errors = 2;
        measurement.add_limited("MiB", 1.0, 1.0);
        measurement.add_limited("KiB", 25.5, 25.0);
        let expected = ["2 errors in 1000", "KiB: 25.50, the limit is 25"];
        assert_eq!(measurement.failures(), expected);
        assert_eq!(measurement.per_second(), 500.0);
        assert_eq!(measurement.cpu_us_each(&[Part::Api, Part::Load]), 25.0);
    }

    #[test]
    fn no_latencies_have_no_percentiles() {
        assert_eq!(Latency::of_us(Vec::new()), None);
        let three = Latency::of_us(vec![3_000, 1_000, 2_000]).unwrap();
        assert_eq!((three.p50, three.max), (2.0, 3.0));
    }
}
