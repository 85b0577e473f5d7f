//! Results as a Markdown table.

use std::fmt::Write;

use super::results::{Ending, Finished};
use super::rows::Row;

/// One line per row, in the order of `rows`; of a run that was repeated, the last counts.
pub fn table(rows: &[Row], finished: &[Finished]) -> String {
    let mut text = String::from(
        "| fault | what is done | runs | orders sent | accepted | rows | max drain s | max s to normal | reported loss | wrong |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let runs = last_of_each_seed(&row.name, finished);
        if runs.is_empty() {
            continue;
        }
        let ended = |ending| runs.iter().filter(|run| run.ending == ending).count();
        let skipped = ended(Ending::Skipped);
        let sum = |pick: fn(&Finished) -> usize| runs.iter().map(|run| pick(run)).sum::<usize>();
        let drain = runs.iter().map(|run| run.drain_s).fold(0.0, f64::max);
        let normal = runs.iter().filter_map(|run| run.normal_s);
        let normal = normal.reduce(f64::max);
        let normal = normal.map_or("-".to_owned(), |it| format!("{it:.1}"));
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {drain:.1} | {normal} | {} | {} |",
            row.name,
            row.about,
            if skipped > 0 {
                "not here".into()
            } else {
                runs.len().to_string()
            },
            sum(|run| run.orders),
            sum(|run| run.accepted),
            sum(|run| run.rows),
            ended(Ending::Reported),
            ended(Ending::Wrong) + ended(Ending::Failed),
        );
    }
    text
}

fn last_of_each_seed<'a>(row: &str, finished: &'a [Finished]) -> Vec<&'a Finished> {
    let runs = finished.iter().filter(|it| it.row == row);
    let by_seed: std::collections::BTreeMap<u64, &Finished> =
        runs.map(|it| (it.seed, it)).collect();
    by_seed.into_values().collect()
}
