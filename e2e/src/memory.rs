//! The memory of a process.

use std::fs::read_to_string;

use anyhow::{Context, Result};

/// A line of `/proc/<pid>/status` in KiB: `VmRSS:` now, `VmHWM:` the most so far.
pub fn memory_kib(pid: u32, line: &str) -> Result<u64> {
    let status = read_to_string(format!("/proc/{pid}/status"))?;
    let value = status.lines().find_map(|it| it.strip_prefix(line));
    let kib = value.and_then(|it| it.split_whitespace().next()?.parse().ok());
    kib.with_context(|| format!("no {line} of process {pid}"))
}
