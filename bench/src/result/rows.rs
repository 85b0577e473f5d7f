//! Medians and ranges over the rounds.

use std::collections::BTreeSet;

use e2e::table::markdown;

use super::Entry;
use super::spread::{Spread, shown};
use crate::measure::Latency;
use crate::measure::processes::Part;

use Part::{Api, Kafka, Load, Postgres, Redis, Worker};

const PARTS: [Part; 6] = [Api, Redis, Kafka, Worker, Postgres, Load];

/// All rounds of one scenario and side.
pub struct Row<'a>(pub Vec<&'a Entry>);

/// The rows, in the order of their first measurement.
pub fn rows(all: &[Entry]) -> Vec<Row<'_>> {
    let key = |it: &Entry| (it.scenario, it.side);
    let mut rows: Vec<Row<'_>> = Vec::new();
    for one in all {
        match rows.iter_mut().find(|row| key(row.first()) == key(one)) {
            Some(row) => row.0.push(one),
            None => rows.push(Row(vec![one])),
        }
    }
    rows
}

impl<'a> Row<'a> {
    pub fn first(&self) -> &'a Entry {
        self.0[0]
    }

    /// Ratios to the ceiling in the same round.
    pub fn ratio(&self) -> Option<Spread> {
        self.spread(|one| one.x_ceiling)
    }

    fn spread(&self, value: impl Fn(&Entry) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.0.iter().filter_map(|one| value(one)))
    }

    /// p50, p99 and p99.9 of the selected latencies.
    fn latency(&self, pick: fn(&Entry) -> Option<Latency>) -> [String; 3] {
        let of: [fn(Latency) -> Option<f64>; 3] =
            [|it| Some(it.p50), |it| Some(it.p99), |it| it.p999];
        of.map(|of| shown(self.spread(|one| of(pick(one)?)), 2))
    }

    /// The p99 of refusals beside accepted orders, as a multiple of the p99 in a sale that is sold out.
    pub fn refusals_slowed(&self, all: &[Row<'_>]) -> Option<f64> {
        let own = self.first();
        let is_alone = |row: &&Row<'_>| {
            let other = row.first();
            let same = (other.scenario.size, other.side) == (own.scenario.size, own.side);
            other.scenario.name == "sold-out" && same
        };
        let alone = all.iter().find(is_alone)?;
        let beside = self.spread(|one| Some(one.measured.refusals_ms?.p99))?;
        let alone = alone.spread(|one| Some(one.measured.latency_ms?.p99))?;
        Some(beside.median / alone.median)
    }

    fn cpu(&self, parts: &[Part]) -> Option<Spread> {
        self.spread(|one| Some(one.measured.cpu_us_each(parts)))
    }

    fn cells(&self, title: String) -> Vec<String> {
        let scenario = self.first().scenario;
        let ceiling = self.ratio().and(scenario.ceiling()).unwrap_or_default();
        let ratio = format!("{} {ceiling}", shown(self.ratio(), 2));
        let rate = self.spread(|one| Some(one.measured.per_second()));
        let tested = shown(self.cpu(scenario.tested()), 1);
        let errors: u64 = self.0.iter().map(|one| one.measured.errors).sum();
        let mut cells = vec![title, shown(rate, 0), ratio.trim().to_owned(), tested];
        let median = |cpu: Spread| format!("{:.1}", cpu.median);
        cells.extend(PARTS.map(|part| self.cpu(&[part]).map_or_else(String::new, median)));
        cells.extend(self.latency(|it| it.measured.latency_ms));
        cells.push(errors.to_string());
        cells
    }
}

/// The table of rates, ratios, CPU and latencies (refusals separately), and of figures that only some scenarios have.
pub fn tables(rows: &[Row<'_>]) -> [String; 3] {
    let sides: BTreeSet<_> = rows.iter().map(|row| row.first().side).collect();
    let title = |row: &Row<'_>| match sides.len() {
        0 | 1 => row.first().scenario.title(),
        _ => format!("{}, {}", row.first().scenario.title(), row.first().side),
    };
    let apart = rows
        .iter()
        .filter(|row| row.first().measured.refusals_ms.is_some());
    let apart = apart.map(|row| {
        let accepted = row.latency(|it| it.measured.latency_ms);
        let refused = row.latency(|it| it.measured.refusals_ms);
        [vec![title(row)], accepted.into(), refused.into()].concat()
    });
    let others = rows.iter().flat_map(|row| {
        let figure = |name: &String| {
            let spread = row.spread(|one| one.measured.more.get(name).copied());
            vec![title(row), name.clone(), shown(spread, 2)]
        };
        row.first()
            .measured
            .more
            .keys()
            .map(figure)
            .collect::<Vec<_>>()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::tests::run_of;

    #[test]
    fn a_row_shows_its_side_and_the_median_of_its_ratios_each_to_the_ceiling_of_its_round() {
        // The machine was slow in the second round: the ratio of that round is still comparable.
        let run = run_of(&[
            ("copy", 0, "ours", 1, 1_000, 0),
            ("drain", 0, "theirs", 1, 300, 0),
            ("copy", 0, "ours", 2, 100, 0),
            ("drain", 0, "theirs", 2, 40, 0),
        ]);
        let [main, apart, _] = tables(&rows(&run.entries));
        let cells = main.trim_end().rsplit('\n').next().unwrap().split('|');
        let cells: Vec<_> = cells.map(str::trim).collect();
        let expected = ["drain, theirs", "85 (20-150)", "0.35 (0.30-0.40) copy"];
        assert_eq!(cells[1..4], expected);
        assert!(apart.is_empty());
    }
}
