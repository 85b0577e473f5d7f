use std::collections::BTreeMap;

use serde::Serialize;

use crate::cpu::{Cpu, Part};
use crate::statistics::percentile;

/// One scenario, measured once.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    pub scenario: &'static str,
    pub connections: Option<u32>,
    pub round: u32,
    /// Requests, orders, rows or messages.
    pub count: u64,
    pub seconds: f64,
    pub errors: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<Latency>,
    pub cpu_us: Cpu,
    /// What only this scenario has.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<String, f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub over_time: Vec<Moment>,
}

/// Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    pub p50: f64,
    /// Not every tool tells.
    pub p90: Option<f64>,
    pub p95: Option<f64>,
    pub p99: f64,
    pub max: f64,
}

/// The latencies of what was due in a short while.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Moment {
    /// Seconds from the start.
    pub at: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Measurement {
    pub fn empty(scenario: &'static str, connections: Option<u32>, round: u32) -> Self {
        Self {
            scenario,
            connections,
            round,
            count: 0,
            seconds: 0.0,
            errors: 0,
            latency_ms: None,
            cpu_us: Cpu::default(),
            more: BTreeMap::new(),
            over_time: Vec::new(),
        }
    }

    pub fn per_second(&self) -> f64 {
        self.count as f64 / self.seconds
    }

    pub fn cpu_us_each(&self, part: Part) -> f64 {
        let used = self.cpu_us.get(&part).copied().unwrap_or_default();
        used as f64 / self.count.max(1) as f64
    }
}

impl Latency {
    /// Of all latencies, in milliseconds and any order.
    pub fn of(mut all: Vec<f64>) -> Option<Self> {
        all.sort_by(f64::total_cmp);
        Some(Self {
            p50: percentile(&all, 0.5)?,
            p90: percentile(&all, 0.9),
            p95: percentile(&all, 0.95),
            p99: percentile(&all, 0.99)?,
            max: *all.last()?,
        })
    }
}

/// Latencies (due second, milliseconds), ordered by due time, told in steps.
pub fn over_time(latencies: &[(f64, f64)], step_seconds: f64) -> Vec<Moment> {
    let step_of = |due: f64| (due / step_seconds).floor();
    latencies
        .chunk_by(|a, b| step_of(a.0) == step_of(b.0))
        .filter_map(|step| {
            let latency = Latency::of(step.iter().map(|(_, ms)| *ms).collect())?;
            Some(Moment {
                at: step_of(step.first()?.0) * step_seconds,
                p50_ms: latency.p50,
                p99_ms: latency.p99,
            })
        })
        .collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Something measured, for tests of whatever shows it.
    pub fn measured(scenario: &'static str, connections: Option<u32>, round: u32) -> Measurement {
        Measurement {
            scenario,
            connections,
            round,
            count: 1_000,
            seconds: 2.0,
            errors: 0,
            latency_ms: Latency::of((1..=100).map(f64::from).collect()),
            cpu_us: Cpu::from([(Part::Api, 20_000), (Part::Load, 5_000)]),
            more: BTreeMap::new(),
            over_time: Vec::new(),
        }
    }

    #[test]
    fn rate_and_cpu_are_per_second_and_per_request() {
        let one = measured("accept", Some(64), 1);
        assert_eq!(one.per_second(), 500.0);
        assert_eq!(one.cpu_us_each(Part::Api), 20.0);
        assert_eq!(one.cpu_us_each(Part::Kafka), 0.0);
    }

    #[test]
    fn nothing_measured_has_no_latency() {
        assert_eq!(Latency::of(Vec::new()), None);
        let three = Latency::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((three.p50, three.max), (2.0, 3.0));
    }

    #[test]
    fn moments_hold_what_was_due_in_them() {
        let moments = over_time(&[(0.0, 1.0), (0.2, 3.0), (0.25, 7.0), (0.9, 2.0)], 0.25);
        let told: Vec<_> = moments.iter().map(|m| (m.at, m.p99_ms)).collect();
        assert_eq!(told, [(0.0, 3.0), (0.25, 7.0), (0.75, 2.0)]);
    }
}
