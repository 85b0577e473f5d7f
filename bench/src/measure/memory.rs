//! Memory of processes, in KiB.

use std::fs;

use anyhow::{Context, Result};

use super::cpu::children;

pub fn resident_kib(pid: u32) -> Result<u64> {
    field(pid, "VmRSS:")
}

/// The peak memory of a process.
pub fn peak_kib(pid: u32) -> Result<u64> {
    field(pid, "VmHWM:")
}

/// The memory of a process and its children. A page that several of them share counts once.
pub fn tree_kib(root: u32) -> Result<u64> {
    let mut sum = shared_kib(root)?;
    for child in children(root)? {
        // It may have ended since.
        sum += shared_kib(child).unwrap_or_default();
    }
    Ok(sum)
}

fn shared_kib(pid: u32) -> Result<u64> {
    let sums = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    find(&sums, "Pss:").with_context(|| format!("no Pss of process {pid}"))
}

/// The kernel's own caches: sockets and files among others.
pub fn kernel_kib() -> Result<u64> {
    let all = fs::read_to_string("/proc/meminfo")?;
    find(&all, "Slab:").context("no Slab in /proc/meminfo")
}

fn field(pid: u32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    find(&status, name).with_context(|| format!("no {name} of process {pid}"))
}

fn find(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
