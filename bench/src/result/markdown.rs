use std::fmt::Write;

use super::summary::ceiling_of;
use super::{Row, Run, rows};
use crate::cpu::Part;

/// CPU by process, as columns. The bare handler stands where the API does.
const PARTS: [Part; 6] = [
    Part::Api,
    Part::Redis,
    Part::Kafka,
    Part::Worker,
    Part::Postgres,
    Part::Load,
];

/// How a scenario makes its load, which decides what there is to tell.
#[derive(PartialEq, Eq)]
enum Section {
    ClosedLoop,
    ConstantRate,
    Throughput,
}

pub fn of(run: &Run) -> String {
    let mut text = format!(
        "{} Medians of {} rounds of {} s.\n\n",
        run.machine.sentence(),
        run.rounds,
        run.seconds_each,
    );
    let rows = rows(&run.measurements);
    for (section, head) in [
        (
            Section::ClosedLoop,
            "| path | connections | requests/s | x bare | CPU us per request: API (or bare) | Redis | Kafka | worker | PostgreSQL | load | p50 ms | p99 ms | errors |",
        ),
        (
            Section::ConstantRate,
            "| constant rate | per second | p50 ms | p90 ms | p95 ms | p99 ms | max ms | CPU us per request: API | Redis | Kafka | worker | PostgreSQL | load | errors |",
        ),
        (
            Section::Throughput,
            "| worker and ceilings | per second | x ceiling | CPU us each: API | Redis | Kafka | worker | PostgreSQL | load | p50 ms | p99 ms | errors |",
        ),
    ] {
        let lines: Vec<String> = rows
            .iter()
            .filter(|row| section_of(row) == section)
            .map(|row| line(&section, row))
            .collect();
        if !lines.is_empty() {
            let _ = writeln!(text, "{}", table(head, &lines));
        }
    }
    text + &memory(run) + &failures(run)
}

/// Lines below their head.
pub fn table(head: &str, lines: &[String]) -> String {
    let columns = head.matches('|').count() - 1;
    format!(
        "{head}\n|{}\n{}\n",
        "---|".repeat(columns),
        lines.join("\n")
    )
}

fn section_of(row: &Row<'_>) -> Section {
    if row.connections.is_some() {
        Section::ClosedLoop
    } else if row.scenario.starts_with("rate-") || row.scenario == "end-to-end" {
        Section::ConstantRate
    } else {
        Section::Throughput
    }
}

fn line(section: &Section, row: &Row<'_>) -> String {
    let mut cells = vec![row.scenario.to_owned()];
    let rate = format!("{:.0}", row.per_second());
    let latency = row.latency();
    let told = |pick: fn(&crate::measurement::Latency) -> Option<f64>| {
        latency.as_ref().and_then(pick).map_or_else(String::new, ms)
    };
    let (p50, p99) = (told(|l| Some(l.p50)), told(|l| Some(l.p99)));
    match section {
        Section::ClosedLoop => {
            cells.push(row.connections.unwrap_or_default().to_string());
            cells.extend([rate, ratio(row)]);
            cells.extend(cpu(row));
            cells.extend([p50, p99]);
        }
        Section::ConstantRate => {
            cells.extend([rate, p50, told(|l| l.p90), told(|l| l.p95), p99]);
            cells.push(told(|l| Some(l.max)));
            cells.extend(cpu(row));
        }
        Section::Throughput => {
            cells.extend([rate, ratio_with_name(row)]);
            cells.extend(cpu(row));
            cells.extend([p50, p99]);
        }
    }
    cells.push(row.errors().to_string());
    format!("| {} |", cells.join(" | "))
}

fn ratio(row: &Row<'_>) -> String {
    row.ratio.map_or_else(String::new, |x| format!("{x:.2}"))
}

fn ratio_with_name(row: &Row<'_>) -> String {
    match (row.ratio, ceiling_of(row.scenario, row.connections)) {
        (Some(ratio), Some(ceiling)) => format!("{ratio:.2} {ceiling}"),
        _ => String::new(),
    }
}

fn cpu(row: &Row<'_>) -> impl Iterator<Item = String> {
    PARTS
        .map(|part| {
            let part = match part {
                Part::Api if row.scenario == "bare" => Part::Bare,
                part => part,
            };
            format!("{:.1}", row.cpu_us(part))
        })
        .into_iter()
}

/// With as many digits as it deserves.
pub fn ms(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.1}")
    }
}

fn memory(run: &Run) -> String {
    let memory = &run.memory_kib;
    let mib = |kib: u64| format!("{:.1}", kib as f64 / 1_024.0);
    format!(
        "| memory, MiB | idle | peak |\n|---|---|---|\n| ingest-api | {} | {} |\n| inventory-worker | {} | {} |\n",
        mib(memory.api_idle_kib),
        mib(memory.api_peak_kib),
        mib(memory.worker_idle_kib),
        mib(memory.worker_peak_kib),
    )
}

fn failures(run: &Run) -> String {
    if run.failures.is_empty() {
        return String::new();
    }
    let list: String = run
        .failures
        .iter()
        .map(|why| format!("- {why}\n"))
        .collect();
    format!("\nFailed:\n{list}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::tests::run;

    #[test]
    fn every_line_of_a_table_has_as_many_cells() {
        let text = of(&run());
        for table in text.split("\n\n").filter(|part| part.starts_with('|')) {
            let cells: Vec<_> = table
                .lines()
                .filter(|line| line.starts_with('|'))
                .map(|line| line.matches('|').count())
                .collect();
            assert!(cells.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
        }
    }

    #[test]
    fn small_latencies_keep_their_digits() {
        assert_eq!(
            [ms(0.394), ms(9.999), ms(123.45)],
            ["0.39", "10.00", "123.5"]
        );
    }
}
