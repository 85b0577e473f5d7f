use anyhow::Result;

use super::lines::{Line, lines};
use crate::measurement::Moment;
use crate::result::Row;

/// From due to committed, every round a line.
pub fn over_time(rows: &[Row<'_>]) -> Result<String> {
    let rounds = rows
        .iter()
        .filter(|row| row.scenario == "end-to-end")
        .flat_map(|row| row.rounds().iter().map(|round| round.over_time.as_slice()));
    latencies(rounds, ["p50 of each round", "p99 of each round"])
}

/// Two lines for each of some measurements.
pub fn latencies<'a>(all: impl Iterator<Item = &'a [Moment]>, names: [&str; 2]) -> Result<String> {
    let both: Vec<Line> = all
        .flat_map(|moments| {
            let values: [fn(&Moment) -> f64; 2] = [|moment| moment.p50_ms, |moment| moment.p99_ms];
            (0..).zip(values).map(|(kind, value)| Line {
                kind,
                points: moments.iter().map(|it| (it.at, value(it))).collect(),
            })
        })
        .collect();
    lines(&names, &both, "seconds", "milliseconds")
}
