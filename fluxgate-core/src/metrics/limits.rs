//! How much memory and CPU this process may use.

use std::fs;
use std::thread::available_parallelism;

use prometheus::{Gauge, IntGauge, Registry};

use super::VALID;

/// Where a container's limit of memory is, for cgroups of version 2 and 1, and the machine's memory.
const CGROUP_FILES: [&str; 2] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];
const MACHINE_FILE: &str = "/proc/meminfo";

/// Registers both, as they are now: a container's limits do not change while it runs.
pub fn register(registry: &Registry) {
    let memory = IntGauge::new(
        "process_memory_limit_bytes",
        "Memory that this process may use: its container's limit, or all that the machine has.",
    );
    let cpu = Gauge::new(
        "process_cpu_limit_cores",
        "Cores that this process may use, by its container's quota and its affinity; whole ones.",
    );
    let (memory, cpu) = (memory.expect(VALID), cpu.expect(VALID));
    memory.set(memory_limit().unwrap_or_default());
    cpu.set(available_parallelism().map_or(1.0, |cores| cores.get() as f64));
    registry.register(Box::new(memory)).expect(VALID);
    registry.register(Box::new(cpu)).expect(VALID);
}

/// The lowest that applies. Version 1 says "no limit" by a number beyond any machine.
fn memory_limit() -> Option<i64> {
    let containers = CGROUP_FILES
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    let machine = fs::read_to_string(MACHINE_FILE).ok();
    let machine = machine.as_deref().and_then(total_of);
    containers.chain(machine).min()
}

fn total_of(meminfo: &str) -> Option<i64> {
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: i64 = total.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machines_memory_is_read() {
        let text = "MemTotal:       24643404 kB\nMemFree:         1054520 kB\n";
        assert_eq!(total_of(text), Some(25_234_845_696));
        assert_eq!(total_of("MemFree: 1 kB"), None);
    }

    #[test]
    fn this_process_has_a_limit() {
        assert!(memory_limit().is_some_and(|bytes| bytes > 1 << 20));
    }
}
