use std::fs::read_to_string;
use std::process::Command;
use std::thread::available_parallelism;

use jiff::Zoned;

/// The machine, the date and the commit of a measurement.
pub fn machine() -> String {
    let line = |file: &str, name: &str| {
        let text = read_to_string(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.unwrap_or_default();
        value.trim_matches([':', '\t', ' ']).to_owned()
    };
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output();
        output.map_or_else(
            |_| String::new(),
            |it| String::from_utf8_lossy(&it.stdout).trim().to_owned(),
        )
    };
    let changed = if git(&["status", "--porcelain"]).is_empty() {
        ""
    } else {
        " with changes"
    };
    format!(
        "{}, commit {}{changed}: {} cores ({}), {}, Linux {}.",
        Zoned::now().strftime("%Y-%m-%d %H:%M"),
        git(&["rev-parse", "--short=12", "HEAD"]),
        available_parallelism().map_or(0, usize::from),
        line("/proc/cpuinfo", "model name"),
        line("/proc/meminfo", "MemTotal"),
        line("/proc/sys/kernel/osrelease", ""),
    )
}
