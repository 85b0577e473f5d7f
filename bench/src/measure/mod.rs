//! What one measurement of a scenario found.

pub mod processes;

use std::collections::BTreeMap;

use serde::Serialize;

use processes::{ByPart, Part};

/// The figures of one scenario, measured once.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Measurement {
    /// Requests, orders, rows or messages.
    pub count: u64,
    pub seconds: f64,
    pub errors: u64,
    pub latency_ms: Option<Latency>,
    /// Latencies of refusals, if some orders are accepted and others are refused.
    pub refusals_ms: Option<Latency>,
    pub cpu_us: ByPart,
    /// Figures that only this scenario has.
    pub more: BTreeMap<String, f64>,
    /// Failed checks, wrong answers aside.
    pub failures: Vec<String>,
}

/// Latencies in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
    /// `None` for redis-benchmark, which does not report it.
    pub p999: Option<f64>,
}

/// A measurement fails with more than one error in this many requests.
const ONE_ERROR_IN: u64 = 1_000;

impl Measurement {
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
    /// The latencies of these microseconds, which may be in any order; `None` if there are none.
    pub fn of_us(mut all: Vec<u32>) -> Option<Self> {
        all.sort_unstable();
        // The smallest value that is not below this share of all values.
        let ms = |share: f64| {
            let rank = (share * all.len() as f64).ceil() as usize;
            let us = all.get(rank.max(1) - 1)?;
            Some(f64::from(*us) / 1_000.0)
        };
        Some(Self {
            p50: ms(0.5)?,
            p99: ms(0.99)?,
            p999: ms(0.999),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_error_in_a_thousand_is_no_failure_and_two_are() {
        let mut measurement = Measurement {
            count: 1_000,
            errors: 1,
            ..Measurement::default()
        };
        assert!(measurement.failures().is_empty());
        measurement.errors = 2;
        measurement.add_limited("MiB", 1.0, 1.0);
        measurement.add_limited("KiB", 25.5, 25.0);
        let expected = ["2 errors in 1000", "KiB: 25.50, the limit is 25"];
        assert_eq!(measurement.failures(), expected);
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        assert_eq!(Latency::of_us(Vec::new()), None);
        let thousand = Latency::of_us((1..=1_000).rev().map(|ms| ms * 1_000).collect());
        let expected = Latency {
            p50: 500.0,
            p99: 990.0,
            p999: Some(999.0),
        };
        assert_eq!(thousand, Some(expected));
        assert_eq!(Latency::of_us(vec![3_000, 1_000]).unwrap().p50, 1.0);
    }
}
