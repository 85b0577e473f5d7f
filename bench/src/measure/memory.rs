//! Memory of processes, in KiB.

use std::fs::read_to_string;

use anyhow::{Context, Result};

use super::cpu::children;

pub fn resident_kib(pid: u32) -> Result<u64> {
    read(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// The peak memory of a process.
pub fn peak_kib(pid: u32) -> Result<u64> {
    read(&format!("/proc/{pid}/status"), "VmHWM:")
}

/// The memory of a process and its children. A page that several of them share counts once.
pub fn tree_kib(root: u32) -> Result<u64> {
    let shared = |pid| read(&format!("/proc/{pid}/smaps_rollup"), "Pss:");
    let mut sum = shared(root)?;
    for child in children(root)? {
        // It may have ended since.
        sum += shared(child).unwrap_or_default();
    }
    Ok(sum)
}

/// The kernel's own caches: sockets and files among others.
pub fn kernel_kib() -> Result<u64> {
    read("/proc/meminfo", "Slab:")
}

fn read(file: &str, name: &str) -> Result<u64> {
    let text = read_to_string(file).with_context(|| format!("reading {file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    value.with_context(|| format!("no {name} in {file}"))
}
