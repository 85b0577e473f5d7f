//! The CPU time that processes have used, as the kernel counts it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde::Serialize;

/// Who used it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The API.
    Api,
    /// The bare handler.
    Bare,
    /// Redis.
    Redis,
    /// Kafka.
    Kafka,
    /// The worker.
    Worker,
    /// PostgreSQL with all its processes.
    Postgres,
    /// Whatever makes the load: this program and what it has started and seen end.
    Load,
}

impl Part {
    /// In the order of the tables.
    pub const ALL: [Self; 7] = [
        Self::Api,
        Self::Bare,
        Self::Redis,
        Self::Kafka,
        Self::Worker,
        Self::Postgres,
        Self::Load,
    ];

    /// As a column's head.
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

/// Microseconds of CPU by part.
pub type Cpu = BTreeMap<Part, u64>;

/// The processes that are looked at.
#[derive(Debug, Clone, Default)]
pub struct Watched(Vec<(Part, u32)>);

impl Watched {
    pub fn add(&mut self, part: Part, pid: u32) {
        self.0.push((part, pid));
    }

    /// CPU used since each process began.
    pub fn sample(&self) -> Result<Cpu> {
        let mut cpu = Cpu::new();
        for (part, pid) in &self.0 {
            let used = match part {
                Part::Postgres => of_tree(*pid)?,
                // What it waited for is the load that others made on its behalf.
                Part::Load => of(*pid)?.with_reaped(),
                _ => of(*pid)?.own,
            };
            *cpu.entry(*part).or_default() += used;
        }
        Ok(cpu)
    }
}

/// What was used between two samples.
pub fn between(before: &Cpu, after: &Cpu) -> Cpu {
    after
        .iter()
        .map(|(part, used)| {
            let earlier = before.get(part).copied().unwrap_or_default();
            (*part, used.saturating_sub(earlier))
        })
        .collect()
}

/// The kernel shows times to programs in hundredths of a second on every machine that we run on.
const US_PER_TICK: u64 = 10_000;

#[derive(Debug, PartialEq, Eq)]
struct Usage {
    parent: u32,
    own: u64,
    /// Of children that have ended and were waited for.
    reaped: u64,
}

impl Usage {
    fn with_reaped(&self) -> u64 {
        self.own + self.reaped
    }
}

fn of(pid: u32) -> Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    let stat = stat.with_context(|| format!("process {pid} is gone"))?;
    parse(&stat).with_context(|| format!("reading {stat}"))
}

/// PostgreSQL has a process per connection. One that ends meanwhile is in its parent's account.
fn of_tree(root: u32) -> Result<u64> {
    let mut sum = of(root)?.with_reaped();
    for child in children(root)? {
        // It may have ended since.
        sum += of(child).map_or(0, |usage| usage.with_reaped());
    }
    Ok(sum)
}

/// The processes that this one has started and that still run.
pub fn children(parent: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc").context("looking at processes")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if of(pid).is_ok_and(|usage| usage.parent == parent) {
            children.push(pid);
        }
    }
    Ok(children)
}

/// proc(5): behind the name, which may hold anything, come state, parent, and further on the times.
fn parse(stat: &str) -> Option<Usage> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
    Some(Usage {
        parent: fields.get(1)?.parse().ok()?,
        own: (ticks(11)? + ticks(12)?) * US_PER_TICK,
        reaped: (ticks(13)? + ticks(14)?) * US_PER_TICK,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_name_that_holds_anything() {
        let stat = "42 (a) b (c)) S 7 42 42 0 -1 4194560 1 2 3 4 150 25 3 2 20 0 1 0 99 1 1";
        let usage = parse(stat).unwrap();
        assert_eq!(usage.parent, 7);
        assert_eq!(usage.own, 1_750_000);
        assert_eq!(usage.with_reaped(), 1_800_000);
        assert_eq!(parse("42 (short) S 7"), None);
    }

    #[test]
    fn what_was_used_is_the_difference_and_a_new_process_counts_in_full() {
        let before = Cpu::from([(Part::Api, 100), (Part::Redis, 50)]);
        let after = Cpu::from([(Part::Api, 350), (Part::Redis, 50), (Part::Worker, 9)]);
        let used = between(&before, &after);
        assert_eq!(
            used,
            Cpu::from([(Part::Api, 250), (Part::Redis, 0), (Part::Worker, 9)])
        );
    }

    #[test]
    fn this_very_process_has_used_some() {
        let mut watched = Watched::default();
        watched.add(Part::Load, std::process::id());
        assert!(watched.sample().unwrap().contains_key(&Part::Load));
    }
}
