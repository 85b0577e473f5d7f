//! CPU and memory of processes, as the kernel counts them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use procfs::process::Process;
use procfs::{Current, Meminfo, ProcResult, ticks_per_second};
use serde::Serialize;

/// The component that a process belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Api,
    /// The bare handler.
    Bare,
    Redis,
    Kafka,
    Worker,
    /// PostgreSQL with all its processes.
    Postgres,
    /// The load generator: this program, and the programs that it started and that have ended.
    Load,
}

impl Part {
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "API",
            Self::Bare => "bare",
            Self::Redis => "Redis",
            Self::Kafka => "Kafka",
            Self::Worker => "worker",
            Self::Postgres => "PostgreSQL",
            Self::Load => "load",
        }
    }
}

/// CPU time in microseconds, or memory in KiB.
pub type ByPart = BTreeMap<Part, u64>;

/// The processes to sample.
#[derive(Debug, Clone, Default)]
pub struct Watched(Vec<(Part, u32)>);

impl Watched {
    pub fn add(&mut self, part: Part, pid: u32) {
        self.0.push((part, pid));
    }

    /// CPU used since each process started, in microseconds.
    pub fn cpu_us(&self) -> Result<ByPart> {
        self.sum(cpu_us)
    }

    /// Memory in KiB. A page that several processes share is divided among them.
    pub fn memory_kib(&self) -> Result<ByPart> {
        self.sum(proportional_kib)
    }

    fn sum(&self, of: fn(&Process) -> ProcResult<u64>) -> Result<ByPart> {
        let mut sums = ByPart::new();
        for (part, pid) in &self.0 {
            let process = open(*pid)?;
            let mut sum = of(&process)?;
            // PostgreSQL has one process per connection. The parent's account includes the CPU of ended children.
            if *part == Part::Postgres {
                let children = process.task_main_thread()?.children()?.into_iter();
                let each = children.filter_map(|pid| of(&open(pid).ok()?).ok());
                sum += each.sum::<u64>();
            }
            *sums.entry(*part).or_default() += sum;
        }
        Ok(sums)
    }
}

/// The CPU used between two samples; a process that is only in the second sample counts in full.
pub fn between(before: &ByPart, after: &ByPart) -> ByPart {
    let used = |(part, used): (&Part, &u64)| {
        let earlier = before.get(part).copied().unwrap_or_default();
        (*part, used.saturating_sub(earlier))
    };
    after.iter().map(used).collect()
}

/// The resident memory of a process, in KiB.
pub fn resident_kib(pid: u32) -> Result<u64> {
    open(pid)?.status()?.vmrss.context("no VmRSS")
}

/// The peak memory of a process, in KiB.
pub fn peak_kib(pid: u32) -> Result<u64> {
    open(pid)?.status()?.vmhwm.context("no VmHWM")
}

/// The kernel's own caches, in KiB: sockets and files among others.
pub fn kernel_kib() -> Result<u64> {
    Ok(Meminfo::current()?.slab / 1_024)
}

fn open(pid: u32) -> Result<Process> {
    Process::new(pid.cast_signed()).with_context(|| format!("process {pid} is gone"))
}

/// Includes children that have ended and were waited for.
fn cpu_us(process: &Process) -> ProcResult<u64> {
    let stat = process.stat()?;
    let children = (stat.cutime + stat.cstime).cast_unsigned();
    Ok((stat.utime + stat.stime + children) * 1_000_000 / ticks_per_second())
}

fn proportional_kib(process: &Process) -> ProcResult<u64> {
    let rollup = process.smaps_rollup()?.memory_map_rollup;
    let bytes = rollup.iter().filter_map(|map| map.extension.map.get("Pss"));
    Ok(bytes.sum::<u64>() / 1_024)
}
