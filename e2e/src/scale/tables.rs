//! What came out, in Markdown.

use std::fmt::Write;
use std::time::Duration;

use super::copies;
use super::crew::Leave;
use super::drain::{self, Speeds};
use super::workers;
use crate::rehearsal::report::Report;
use crate::thousands::thousands;

/// Writing to a string does not fail.
macro_rules! line {
    ($text:expr, $($line:tt)*) => { let _ = writeln!($text, $($line)*); };
}

/// How fast a backlog was written.
pub fn of_drains(run: &drain::Run, speeds: &Speeds) -> String {
    let mut text = String::new();
    let orders = thousands(run.orders.into());
    line!(
        text,
        "A backlog of {orders} orders on 12 partitions, its second half:\n"
    );
    line!(text, "| workers | orders/s, median | x one | each round |");
    line!(text, "|--:|--:|--:|---|");
    let one = speeds.values().next().map_or(1.0, |rounds| median(rounds));
    for (workers, rounds) in speeds {
        let median = median(rounds);
        let rounds: Vec<_> = rounds.iter().map(|it| thousands(*it as u64)).collect();
        let (times, median) = (median / one, thousands(median as u64));
        line!(
            text,
            "| {workers} | {median} | {times:.2} | {} |",
            rounds.join("; ")
        );
    }
    text
}

/// How workers came and went. Which partitions a worker reads it shows with librdkafka's statistics, once a second.
pub fn of_workers(outcome: &workers::Outcome) -> String {
    let mut text = String::new();
    line!(
        text,
        "| group protocol | workers | how they leave | settled after s, ± 1 | partitions moved | longest pause of those, ms | of those that stayed, ms | once settled, ms |"
    );
    line!(text, "|---|---|---|--:|--:|--:|--:|--:|");
    let name = outcome.run.protocol.name();
    for change in &outcome.changes {
        let left = change.to < change.from;
        line!(
            text,
            "| {name} | {} -> {} | {} | {:.1} | {} | {} | {} | {} |",
            change.from,
            change.to,
            if left { how(outcome.run.leave) } else { "" },
            change.settled.as_secs_f64(),
            change.moved,
            ms(change.pause_of_moved),
            change.pause_of_stayed.map_or("-".to_owned(), ms),
            ms(change.pause_settled),
        );
    }
    let summary = summary(&outcome.report);
    line!(text, "\n{name}, {}: {summary}", how(outcome.run.leave));
    text
}

/// How copies of the API came and went.
pub fn of_copies(outcome: &copies::Outcome) -> String {
    let mut text = String::new();
    line!(text, "nginx with `{}`:\n", outcome.run.repeat.directive());
    line!(
        text,
        "| | orders | tries that failed | p50 ms | p99 ms | longest without a 202, ms |"
    );
    line!(text, "|---|--:|--:|--:|--:|--:|");
    for phase in &outcome.phases {
        let failed = phase.failed.iter();
        let failed: Vec<_> = failed
            .map(|(how, count)| format!("{count} {how}"))
            .collect();
        let [p50, p99] = phase.latency.map(|it| it.as_secs_f64() * 1_000.0);
        line!(
            text,
            "| {} | {} | {} | {p50:.1} | {p99:.1} | {} |",
            phase.what,
            thousands(phase.orders as u64),
            failed.join(", "),
            ms(phase.silence),
        );
    }
    let failures = outcome.failures;
    line!(
        text,
        "\nRequests under way at the killed copy: {} failed, {} were answered by another. Others that failed: {} sent \
         to it before nginx left it out, {} whose buyer left, {} by the API's own answer, {} any other.\n{}",
        failures.in_flight,
        failures.repeated,
        failures.too_late,
        failures.left,
        failures.by_the_api,
        failures.elsewhere,
        summary(&outcome.report)
    );
    text
}

fn summary(report: &Report) -> String {
    match report.conclude() {
        Ok(line) => line,
        Err(error) => format!("FAILED: {error:#}\n{report}"),
    }
}

fn how(leave: Leave) -> &'static str {
    match leave {
        Leave::Asked => "SIGTERM",
        Leave::Killed => "kill -9",
    }
}

fn ms(time: Duration) -> String {
    thousands(time.as_millis() as u64)
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
