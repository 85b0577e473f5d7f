//! Medians and ranges over the rounds.

use std::collections::BTreeSet;

use super::Table;
use crate::measure::cpu::Part;
use crate::measure::statistics::Spread;
use crate::measure::{Latency, Measurement};
use crate::scenario::{ceiling_of, tested};

use Part::{Api, Kafka, Load, Postgres, Redis, Worker};

const PARTS: [Part; 6] = [Api, Redis, Kafka, Worker, Postgres, Load];

/// All rounds of one scenario, label and side.
pub struct Row<'a> {
    rounds: Vec<&'a Measurement>,
    /// Ratios to the ceiling in the same round.
    pub ratio: Option<Spread>,
}

/// The rows, in the order of their first measurement.
pub fn rows(all: &[Measurement]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for one in all {
        match rows.iter_mut().find(|row| row.first().key() == one.key()) {
            Some(row) => row.rounds.push(one),
            None => rows.push(Row {
                rounds: vec![one],
                ratio: None,
            }),
        }
    }
    for row in &mut rows {
        row.ratio = Spread::of(row.rounds.iter().filter_map(|one| ratio(one, all)));
    }
    rows
}

/// The rate as a multiple of the ceiling's in the same round. A ceiling that is measured once per pair applies to both
/// sides.
pub fn ratio(one: &Measurement, all: &[Measurement]) -> Option<f64> {
    let ceiling = ceiling_of(one.scenario)?;
    let is_ceiling = |other: &&Measurement| match ceiling {
        "first" => (other.scenario, other.side) == (one.scenario, one.side),
        "copy" => other.scenario == ceiling,
        _ => other.key() == (ceiling, &one.label, one.side),
    };
    let mut others = all.iter().filter(|other| other.round == one.round);
    Some(one.per_second() / others.find(is_ceiling)?.per_second())
}

impl Row<'_> {
    pub fn first(&self) -> &Measurement {
        self.rounds[0]
    }

    fn spread(&self, value: impl Fn(&Measurement) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.rounds.iter().filter_map(|one| value(one)))
    }

    /// p50, p99 and p99.9 of the selected latencies.
    fn latency(&self, pick: fn(&Measurement) -> Option<Latency>) -> [String; 3] {
        let of: [fn(Latency) -> Option<f64>; 3] =
            [|it| Some(it.p50), |it| Some(it.p99), |it| it.p999];
        of.map(|of| shown(self.spread(|one| of(pick(one)?)), digits))
    }

    fn cpu(&self, parts: &[Part]) -> Option<Spread> {
        self.spread(|one| Some(one.cpu_us_each(parts)))
    }

    fn cells(&self, title: String) -> Vec<String> {
        let scenario = self.first().scenario;
        let ceiling = self
            .ratio
            .and_then(|_| ceiling_of(scenario))
            .unwrap_or_default();
        let ratio = format!("{} {ceiling}", shown(self.ratio, two));
        let rate = shown(self.spread(|one| Some(one.per_second())), whole);
        let tested = shown(self.cpu(tested(scenario)), one);
        let errors: u64 = self.rounds.iter().map(|one| one.errors).sum();
        let mut cells = vec![title, rate, ratio.trim().to_owned(), tested];
        let median = |cpu: Spread| one(cpu.median);
        cells.extend(PARTS.map(|part| self.cpu(&[part]).map_or_else(String::new, median)));
        cells.extend(self.latency(|it| it.latency_ms));
        cells.push(errors.to_string());
        cells
    }
}

/// The table of rates, ratios, CPU and latencies (refusals separately), and of figures that only some scenarios have.
pub fn tables(rows: &[Row<'_>]) -> [Table; 3] {
    let sides: BTreeSet<_> = rows.iter().map(|row| row.first().side).collect();
    let title = |row: &Row<'_>| match sides.len() {
        0 | 1 => row.first().title(),
        _ => format!("{}, {}", row.first().title(), row.first().side),
    };
    let apart = rows.iter().filter(|row| row.first().refusals_ms.is_some());
    let apart = apart.map(|row| {
        let accepted = row.latency(|it| it.latency_ms);
        let refused = row.latency(|it| it.refusals_ms);
        [vec![title(row)], accepted.into(), refused.into()].concat()
    });
    let others = rows.iter().flat_map(|row| {
        let figure = |name: &&'static str| {
            let spread = row.spread(|one| one.more.get(name).copied());
            vec![title(row), (*name).to_owned(), shown(spread, digits)]
        };
        row.first().more.keys().map(figure).collect::<Vec<_>>()
    });
    let names = PARTS.map(Part::name).join("|");
    [
        Table::new(
            "CPU in microseconds per request, order or row; latency in ms",
            &format!("scenario|per second|x ceiling|CPU tested|{names}|p50|p99|p99.9|errors"),
            rows.iter().map(|row| row.cells(title(row))),
        ),
        Table::new(
            "Latency of accepted orders and of refusals, ms",
            "scenario|accepted p50|p99|p99.9|refused p50|p99|p99.9",
            apart,
        ),
        Table::new("Other figures", "scenario|figure|value", others),
    ]
}

/// A median, and the range if there is one.
pub fn shown(spread: Option<Spread>, digits: fn(f64) -> String) -> String {
    let Some(Spread { median, min, max }) = spread else {
        return String::new();
    };
    let [median, min, max] = [median, min, max].map(digits);
    match min == max {
        true => median,
        false => format!("{median} ({min}-{max})"),
    }
}

pub fn whole(value: f64) -> String {
    format!("{value:.0}")
}

pub fn one(value: f64) -> String {
    format!("{value:.1}")
}

pub fn two(value: f64) -> String {
    format!("{value:.2}")
}

fn digits(value: f64) -> String {
    if value < 10.0 { two(value) } else { one(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::measured;

    fn at(scenario: &'static str, label: &str, round: u32, count: u64) -> Measurement {
        Measurement {
            count,
            ..measured(scenario, label, round)
        }
    }

    #[test]
    fn the_ratio_is_the_median_of_the_rounds_each_to_its_own_ceiling() {
        // The machine was slow in the second round: the ratio of that round is still comparable.
        let all = [
            at("bare", "64", 1, 1_000),
            at("accept", "64", 1, 300),
            at("bare", "64", 2, 100),
            at("accept", "64", 2, 40),
        ];
        let rows = rows(&all);
        assert_eq!(rows.len(), 2);
        assert_eq!(shown(rows[1].ratio, two), "0.35 (0.30-0.40)");
        assert_eq!(shown(rows[0].ratio, two), "1.00");
    }

    #[test]
    fn a_label_is_compared_with_its_own_or_with_the_first() {
        let all = [
            at("bare", "256", 1, 10),
            at("accept", "64", 1, 5),
            at("drain by rows", "0", 1, 10),
            at("drain by rows", "9", 1, 5),
        ];
        let ratios = all.iter().map(|one| ratio(one, &all));
        assert_eq!(
            ratios.collect::<Vec<_>>(),
            [Some(1.0), None, Some(1.0), Some(0.5)]
        );
    }

    #[test]
    fn a_row_shows_its_side_and_its_ratio() {
        let all = [
            measured("copy", "", 1),
            Measurement {
                side: "theirs",
                ..at("drain", "", 1, 500)
            },
        ];
        let [main, apart, _] = tables(&rows(&all));
        assert_eq!(main.rows[1][..3], ["drain, theirs", "250", "0.50 copy"]);
        assert!(apart.rows.is_empty());
        assert_eq!(main.rows[1].len(), main.head.split('|').count());
    }
}
