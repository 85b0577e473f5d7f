//! Where and when it was measured.

use std::fs;
use std::path::Path;
use std::process::Command;

use jiff::Zoned;
use serde::Serialize;

/// What somebody who compares results has to know.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    pub cores: usize,
    pub processor: String,
    pub kernel: String,
    pub memory_mib: u64,
    pub date: String,
    pub commit: String,
}

impl Machine {
    pub fn look(repository: &Path) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: value_of(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory_mib: value_of(&read("/proc/meminfo"), "MemTotal")
                .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok())
                .unwrap_or_default()
                / 1_024,
            date: Zoned::now().strftime("%Y-%m-%d %H:%M").to_string(),
            commit: commit(repository).unwrap_or_else(|| "unknown".into()),
        }
    }

    /// In one sentence, for the head of a result.
    pub fn sentence(&self) -> String {
        format!(
            "{}, commit {}: {} cores ({}), {} MiB, Linux {}.",
            self.date, self.commit, self.cores, self.processor, self.memory_mib, self.kernel
        )
    }
}

fn value_of(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn commit(repository: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let git = Command::new("git")
            .arg("-C")
            .arg(repository)
            .args(arguments)
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&git.stdout).trim().to_owned();
        git.status.success().then_some(text)
    };
    let mut commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    if !git(&["status", "--porcelain"])?.is_empty() {
        commit += " with changes";
    }
    Some(commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_behind_its_name_and_a_colon() {
        let text = "processor\t: 0\nmodel name\t: Fast (R) CPU: 3\n";
        assert_eq!(value_of(text, "model name").unwrap(), "Fast (R) CPU: 3");
        assert_eq!(value_of(text, "cores"), None);
    }
}
