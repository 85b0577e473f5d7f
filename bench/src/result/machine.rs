use std::fs::read_to_string;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::Result;
use jiff::Zoned;
use procfs::{CpuInfo, Current, Meminfo};

/// The machine, the date and the commit of a run.
pub fn machine() -> Result<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output()?;
        anyhow::Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let changed = match git(&["status", "--porcelain"])?.is_empty() {
        true => "",
        false => " with changes",
    };
    Ok(format!(
        "{}, commit {}{changed}: {} cores ({}), {} MiB, Linux {}.",
        Zoned::now().strftime("%Y-%m-%d %H:%M"),
        git(&["rev-parse", "--short=12", "HEAD"])?,
        available_parallelism()?,
        CpuInfo::current()?.model_name(0).unwrap_or_default(),
        Meminfo::current()?.mem_total / 1_048_576,
        read_to_string("/proc/sys/kernel/osrelease")?.trim(),
    ))
}
