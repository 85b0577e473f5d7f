//! Medians over the rounds. Pure.

use crate::cpu::Part;
use crate::measurement::{Latency, Measurement};
use crate::statistics::median;

/// One scenario with all its rounds.
pub struct Row<'a> {
    pub scenario: &'static str,
    pub connections: Option<u32>,
    rounds: Vec<&'a Measurement>,
    /// To its ceiling in the same round; the median of the ratios.
    pub ratio: Option<f64>,
}

/// In the order in which they were measured first.
pub fn rows(all: &[Measurement]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for one in all {
        let known = rows
            .iter_mut()
            .find(|row| row.scenario == one.scenario && row.connections == one.connections);
        match known {
            Some(row) => row.rounds.push(one),
            None => rows.push(Row {
                scenario: one.scenario,
                connections: one.connections,
                rounds: vec![one],
                ratio: None,
            }),
        }
    }
    for row in &mut rows {
        row.ratio = median(row.rounds.iter().filter_map(|one| ratio(one, all)));
    }
    rows
}

/// What a measurement is held against: the bare handler with as many connections, the worker's SQL
/// without Kafka, or COPY.
pub fn ceiling_of(scenario: &str, connections: Option<u32>) -> Option<&'static str> {
    match scenario {
        "drain" => Some("sql"),
        "sql" => Some("copy"),
        _ => connections.map(|_| "bare"),
    }
}

/// To its ceiling in the same round.
pub fn ratio(one: &Measurement, all: &[Measurement]) -> Option<f64> {
    let name = ceiling_of(one.scenario, one.connections)?;
    let ceiling = all.iter().find(|other| {
        other.scenario == name && other.connections == one.connections && other.round == one.round
    })?;
    Some(one.per_second() / ceiling.per_second())
}

impl Row<'_> {
    pub fn per_second(&self) -> f64 {
        self.median_of(Measurement::per_second)
    }

    /// Microseconds for each request.
    pub fn cpu_us(&self, part: Part) -> f64 {
        self.median_of(|one| one.cpu_us_each(part))
    }

    pub fn errors(&self) -> u64 {
        self.rounds.iter().map(|one| one.errors).sum()
    }

    /// Each percentile's median.
    pub fn latency(&self) -> Option<Latency> {
        let all: Vec<Latency> = self
            .rounds
            .iter()
            .filter_map(|one| one.latency_ms)
            .collect();
        let of = |value: fn(&Latency) -> Option<f64>| median(all.iter().filter_map(value));
        Some(Latency {
            p50: of(|latency| Some(latency.p50))?,
            p90: of(|latency| latency.p90),
            p95: of(|latency| latency.p95),
            p99: of(|latency| Some(latency.p99))?,
            max: of(|latency| Some(latency.max))?,
        })
    }

    pub fn rounds(&self) -> &[&Measurement] {
        &self.rounds
    }

    fn median_of(&self, value: impl Fn(&Measurement) -> f64) -> f64 {
        median(self.rounds.iter().map(|one| value(one))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::tests::measured;

    fn at(scenario: &'static str, connections: u32, round: u32, count: u64) -> Measurement {
        let mut one = measured(scenario, Some(connections), round);
        one.count = count;
        one
    }

    #[test]
    fn the_ratio_is_the_median_of_the_rounds_each_to_its_own_ceiling() {
        // The machine was slow in the second round: the ratios of that round stay comparable.
        let all = [
            at("bare", 64, 1, 1_000),
            at("accept", 64, 1, 300),
            at("bare", 64, 2, 100),
            at("accept", 64, 2, 40),
            at("bare", 64, 3, 1_000),
            at("accept", 64, 3, 350),
        ];
        let rows = rows(&all);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].ratio, Some(1.0));
        assert_eq!(rows[1].ratio, Some(0.35));
        assert_eq!(rows[1].per_second(), 150.0);
    }

    #[test]
    fn connections_are_compared_with_as_many() {
        let all = [at("bare", 256, 1, 10), at("accept", 64, 1, 5)];
        assert_eq!(ratio(&all[1], &all), None);
        assert_eq!(ceiling_of("drain", None), Some("sql"));
        assert_eq!(ceiling_of("kafka", None), None);
    }
}
