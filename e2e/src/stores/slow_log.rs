//! The slow log of Redis: which commands took long.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use fred::types::Value;

use super::Redis;
use crate::table::table;

/// Calls that take longer are logged.
const LOGGED_ABOVE_US: &str = "1000";
/// Arguments, and bytes of each, that are shown of a command's longest call.
const ARGUMENTS_SHOWN: usize = 6;
const ARGUMENT_SHOWN: usize = 40;

/// Calls of one command that were logged.
#[derive(Default)]
struct Calls {
    durations: Vec<Duration>,
    arguments_of_longest: Vec<String>,
}

impl Redis {
    /// Begins a slow log of calls that take more than a millisecond.
    pub async fn start_slow_log(&self) -> Result<()> {
        self.configure("slowlog-log-slower-than", LOGGED_ABOVE_US)
            .await?;
        self.configure("slowlog-max-len", "100000").await?;
        self.command(&["SLOWLOG", "RESET"]).await
    }

    /// A table of the commands in the slow log, by their longest call. A script counts as a command.
    pub async fn slow_log(&self) -> Result<String> {
        // Number, time, microseconds, arguments and client of each.
        type Entry = (u64, i64, u64, Vec<String>, Value, Value);
        let entries: Vec<Entry> = self.command(&["SLOWLOG", "GET", "-1"]).await?;
        let calls = entries.into_iter();
        let calls = calls.map(|(_, _, us, words, ..)| (Duration::from_micros(us), words));
        Ok(by_command(calls, &script_files()))
    }
}

/// The file of each script, by its SHA-1.
fn script_files() -> BTreeMap<String, String> {
    let names = fluxgate_gate::script_names().into_iter();
    names
        .map(|(sha, name)| (sha, format!("{name}.lua")))
        .collect()
}

fn by_command(
    calls: impl Iterator<Item = (Duration, Vec<String>)>,
    scripts: &BTreeMap<String, String>,
) -> String {
    let mut commands = BTreeMap::<String, Calls>::new();
    for (duration, words) in calls {
        let script = words.get(1).and_then(|it| scripts.get(it));
        let named = script.map_or(1, |_| 2);
        let command = script.or(words.first()).cloned().unwrap_or_default();
        let calls = commands.entry(command).or_default();
        if calls.durations.iter().all(|it| *it < duration) {
            let shown = words.iter().skip(named).take(ARGUMENTS_SHOWN);
            calls.arguments_of_longest = shown.map(|it| shortened(it)).collect();
        }
        calls.durations.push(duration);
    }
    let mut commands: Vec<_> = commands.into_iter().collect();
    commands.sort_by_key(|(_, calls)| calls.durations.iter().max().copied());
    let rows = commands.iter().rev().map(|(command, calls)| {
        let longest = calls.durations.iter().max().copied().unwrap_or_default();
        [
            command.clone(),
            calls.durations.len().to_string(),
            format!("{:.1}", longest.as_secs_f64() * 1_000.0),
            calls.arguments_of_longest.join(" "),
        ]
    });
    table(
        ["slow in Redis", "calls > 1 ms", "longest ms", "arguments"],
        &rows.collect::<Vec<_>>(),
    )
}

fn shortened(argument: &str) -> String {
    match argument.char_indices().nth(ARGUMENT_SHOWN) {
        Some((end, _)) => format!("{}...", &argument[..end]),
        None => argument.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slow_log_names_scripts_and_the_arguments_of_the_longest_call() {
        let scripts = script_files();
        let sha_of = |file| {
            scripts
                .iter()
                .find_map(|(sha, it)| (it == file).then_some(sha))
        };
        let sha = sha_of("reserve_sales.lua").unwrap();
        let call = |us: u64, words: &[&str]| {
            let words = words.iter().map(ToString::to_string).collect();
            (Duration::from_micros(us), words)
        };
        let long = "x".repeat(100);
        let calls = [
            call(1_500, &["EVALSHA", sha, "4", "fg:{abc}:sale:one"]),
            call(9_300, &["EVALSHA", sha, "4", &long]),
            call(2_000, &["HGETALL", "large"]),
        ];
        let printed = by_command(calls.into_iter(), &scripts);
        let lines: Vec<_> = printed.lines().skip(1).collect();
        assert_eq!(lines.len(), 2, "{printed}");
        for (line, contained) in [
            (lines[0], ["reserve_sales.lua", " 2 ", " 9.3 ", "4 xxx"]),
            (lines[1], ["HGETALL", " 1 ", " 2.0 ", "large"]),
        ] {
            for text in contained {
                assert!(line.contains(text), "no {text} in\n{printed}");
            }
        }
        assert!(!printed.contains(&long), "{printed}");
    }
}
