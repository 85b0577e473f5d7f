//! CPU time of processes, as the kernel counts it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use e2e::process;
use nix::unistd::Pid;
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

/// CPU time in microseconds.
pub type Cpu = BTreeMap<Part, u64>;

/// The processes to sample.
#[derive(Debug, Clone, Default)]
pub struct Watched(Vec<(Part, u32)>);

impl Watched {
    pub fn add(&mut self, part: Part, pid: u32) {
        self.0.push((part, pid));
    }

    /// CPU used since each process started.
    pub fn sample(&self) -> Result<Cpu> {
        let mut cpu = Cpu::new();
        for (part, pid) in &self.0 {
            let mut used = used_us(*pid)?;
            // PostgreSQL has one process per connection. The parent's account includes the CPU of ended children.
            if *part == Part::Postgres {
                let children = children(*pid)?.into_iter();
                used += children.filter_map(|it| used_us(it).ok()).sum::<u64>();
            }
            *cpu.entry(*part).or_default() += used;
        }
        Ok(cpu)
    }
}

/// The CPU used between two samples; a process that is only in the second sample counts in full.
pub fn between(before: &Cpu, after: &Cpu) -> Cpu {
    let used = |(part, used): (&Part, &u64)| {
        let earlier = before.get(part).copied().unwrap_or_default();
        (*part, used.saturating_sub(earlier))
    };
    after.iter().map(used).collect()
}

/// The kernel reports times in hundredths of a second on all machines that we use.
const US_PER_TICK: u64 = 10_000;

/// Includes children that have ended and were waited for.
fn used_us(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    let stat = stat.with_context(|| format!("process {pid} is gone"))?;
    parse(&stat).with_context(|| format!("reading {stat}"))
}

/// Child processes that are still running.
pub fn children(parent: u32) -> Result<Vec<u32>> {
    let found = process::children(Pid::from_raw(parent.cast_signed()))?;
    Ok(found.iter().map(|it| it.as_raw().cast_unsigned()).collect())
}

/// proc(5): state and parent follow the name, which may contain any character; the times come later.
fn parse(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|it| it.parse::<u64>());
    Some(ticks.sum::<Result<u64, _>>().ok()? * US_PER_TICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_name_with_any_characters() {
        let stat = "42 (a) b (c)) S 7 42 42 0 -1 4194560 1 2 3 4 150 25 3 2 20 0 1 0 99 1 1";
        assert_eq!(parse(stat), Some(1_800_000));
        assert_eq!(parse("42 (short) S 7"), None);
    }
}
