//! Medians and ranges over the rounds.

use std::collections::BTreeSet;

use e2e::table::markdown;

use crate::measure::cpu::Part;
use crate::measure::statistics::Spread;
use crate::measure::{Latency, Measurement};

use Part::{Api, Kafka, Load, Postgres, Redis, Worker};

const PARTS: [Part; 6] = [Api, Redis, Kafka, Worker, Postgres, Load];

/// All rounds of one scenario, label and side.
pub struct Row<'a>(pub Vec<&'a Measurement>);

/// The rows, in the order of their first measurement.
pub fn rows(all: &[Measurement]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for one in all {
        match rows.iter_mut().find(|row| row.first().key() == one.key()) {
            Some(row) => row.0.push(one),
            None => rows.push(Row(vec![one])),
        }
    }
    rows
}

impl<'a> Row<'a> {
    pub fn first(&self) -> &'a Measurement {
        self.0[0]
    }

    /// Ratios to the ceiling in the same round.
    pub fn ratio(&self) -> Option<Spread> {
        self.spread(|one| one.x_ceiling)
    }

    fn spread(&self, value: impl Fn(&Measurement) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.0.iter().filter_map(|one| value(one)))
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
        let first = self.first();
        let ceiling = self.ratio().and(first.ceiling).unwrap_or_default();
        let ratio = format!("{} {ceiling}", shown(self.ratio(), two));
        let rate = shown(self.spread(|one| Some(one.per_second())), whole);
        let tested = shown(self.cpu(first.tested), one);
        let errors: u64 = self.0.iter().map(|one| one.errors).sum();
        let mut cells = vec![title, rate, ratio.trim().to_owned(), tested];
        let median = |cpu: Spread| one(cpu.median);
        cells.extend(PARTS.map(|part| self.cpu(&[part]).map_or_else(String::new, median)));
        cells.extend(self.latency(|it| it.latency_ms));
        cells.push(errors.to_string());
        cells
    }
}

/// The table of rates, ratios, CPU and latencies (refusals separately), and of figures that only some scenarios have.
pub fn tables(rows: &[Row<'_>]) -> [String; 3] {
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
        let figure = |name: &String| {
            let spread = row.spread(|one| one.more.get(name).copied());
            vec![title(row), name.clone(), shown(spread, digits)]
        };
        row.first().more.keys().map(figure).collect::<Vec<_>>()
    });
    let names = PARTS.map(Part::name).join("|");
    [
        section(
            "CPU in microseconds per request, order or row; latency in ms",
            &format!("scenario|per second|x ceiling|CPU tested|{names}|p50|p99|p99.9|errors"),
            rows.iter().map(|row| row.cells(title(row))),
        ),
        section(
            "Latency of accepted orders and of refusals, ms",
            "scenario|accepted p50|p99|p99.9|refused p50|p99|p99.9",
            apart,
        ),
        section("Other figures", "scenario|figure|value", others),
    ]
}

/// A table with its title and with column names that are separated by `|`; nothing if it has no rows.
pub fn section(title: &str, head: &str, rows: impl Iterator<Item = Vec<String>>) -> String {
    let (head, rows): (Vec<_>, Vec<_>) = (head.split('|').collect(), rows.collect());
    match rows.is_empty() {
        true => String::new(),
        false => format!("\n{title}:\n\n{}\n", markdown(head, &rows)),
    }
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
    use crate::result::ceiling::push;

    #[test]
    fn a_row_shows_its_side_and_the_median_of_its_ratios_each_to_the_ceiling_of_its_round() {
        // The machine was slow in the second round: the ratio of that round is still comparable.
        let rounds = [
            ("copy", 1, 1_000),
            ("drain", 1, 300),
            ("copy", 2, 100),
            ("drain", 2, 40),
        ];
        let mut all = Vec::new();
        for (scenario, round, count) in rounds {
            let one = Measurement {
                count,
                side: if scenario == "copy" { "ours" } else { "theirs" },
                ..measured(scenario, "", round)
            };
            push(&mut all, one);
        }
        let [main, apart, _] = tables(&rows(&all));
        let cells = main.trim_end().rsplit('\n').next().unwrap().split('|');
        let cells: Vec<_> = cells.map(str::trim).collect();
        let expected = ["drain, theirs", "85 (20-150)", "0.35 (0.30-0.40) copy"];
        assert_eq!(cells[1..4], expected);
        assert!(apart.is_empty());
    }
}
