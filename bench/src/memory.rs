//! How much memory a process holds.

use std::fs;

use anyhow::{Context, Result};

use crate::cpu::children;

/// Now, in KiB.
pub fn resident_kib(pid: u32) -> Result<u64> {
    field(pid, "VmRSS:")
}

/// The most it ever held, in KiB.
pub fn peak_kib(pid: u32) -> Result<u64> {
    field(pid, "VmHWM:")
}

/// Of a process with its children, in KiB. A page that several of them share counts once.
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

/// What the kernel holds for itself, in KiB: sockets and files among all else.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_name() {
        let status = "Name:\tx\nVmHWM:\t   55432 kB\nVmRSS:\t   1024 kB\n";
        assert_eq!(find(status, "VmHWM:"), Some(55_432));
        assert_eq!(find(status, "VmSwap:"), None);
    }
}
