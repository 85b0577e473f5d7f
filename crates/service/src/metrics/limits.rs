//! Metrics of the memory and CPU that this process may use.

use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

use prometheus::{Gauge, IntGauge, Registry};

use super::VALID;

/// The memory limit of a container: cgroup version 2, then 1.
const CGROUP_FILES: [&str; 2] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];
const MACHINE_FILE: &str = "/proc/meminfo";

/// The folder of a container's CPU quota.
const CGROUP_FOLDER: &str = "/sys/fs/cgroup";

/// Registers both gauges, set once: a container's limits do not change while it runs. `threads` is the number of threads
/// that do the work, if it may be less than the number of cores.
pub fn register(registry: &Registry, threads: Option<usize>) {
    let memory = IntGauge::new(
        "process_memory_limit_bytes",
        "Memory limit in bytes: the lower of the container's limit and the machine's memory.",
    );
    let cpu = Gauge::new(
        "process_cpu_limit_cores",
        "CPU limit in cores: the lower of the container's quota and the CPU affinity; for the API, at most HTTP_THREADS.",
    );
    let (memory, cpu) = (memory.expect(VALID), cpu.expect(VALID));
    memory.set(memory_limit().unwrap_or_default());
    let whole = available_parallelism().map_or(1, usize::from);
    let cores = cores(whole, quota(Path::new(CGROUP_FOLDER)));
    cpu.set(threads.map_or(cores, |threads| cores.min(threads as f64)));
    registry.register(Box::new(memory)).expect(VALID);
    registry.register(Box::new(cpu)).expect(VALID);
}

/// The lowest limit that applies. Version 1 expresses "no limit" as a number beyond any machine.
fn memory_limit() -> Option<i64> {
    let containers = CGROUP_FILES
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    let machine = fs::read_to_string(MACHINE_FILE).ok();
    let machine = machine.as_deref().and_then(total_of);
    containers.chain(machine).min()
}

/// The standard library knows quota and affinity, and rounds a quota down to `whole` cores. If the quota is the lower
/// limit, its fraction counts.
fn cores(whole: usize, quota: Option<f64>) -> f64 {
    let limits = |quota: &f64| quota.floor().max(1.0) == whole as f64;
    quota.filter(limits).unwrap_or(whole as f64)
}

/// The quota of a cgroup in cores: version 2 has quota and period in one file, version 1 in two.
fn quota(cgroup: &Path) -> Option<f64> {
    let read = |file: &str| fs::read_to_string(cgroup.join(file)).ok();
    let (quota, period) = match read("cpu.max") {
        Some(both) => {
            let (quota, period) = both.split_once(' ')?;
            (quota.to_owned(), period.to_owned())
        }
        None => (
            read("cpu/cpu.cfs_quota_us")?,
            read("cpu/cpu.cfs_period_us")?,
        ),
    };
    // No quota is `max` in version 2, -1 in version 1.
    let (quota, period): (i64, i64) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
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

    /// The quota of a cgroup folder with these files.
    fn cgroup(name: &str, files: &[(&str, &str)]) -> Option<f64> {
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("cpu")).unwrap();
        for (file, text) in files {
            fs::write(folder.join(file), text).unwrap();
        }
        let quota = quota(&folder);
        fs::remove_dir_all(folder).unwrap();
        quota
    }

    #[test]
    fn a_quota_of_either_version_is_read_with_its_fraction() {
        let v1 = |quota| {
            let files = [
                ("cpu/cpu.cfs_quota_us", quota),
                ("cpu/cpu.cfs_period_us", "100000\n"),
            ];
            cgroup("v1", &files)
        };
        assert_eq!(v1("50000\n"), Some(0.5));
        assert_eq!(v1("-1\n"), None);
        let v2 = |text| cgroup("v2", &[("cpu.max", text)]);
        assert_eq!(v2("250000 100000\n"), Some(2.5));
        assert_eq!(v2("max 100000\n"), None);
        assert_eq!(v2("nonsense"), None);
        assert_eq!(cgroup("none", &[]), None);
    }

    #[test]
    fn the_fraction_of_a_quota_counts_if_the_quota_is_the_lower_limit() {
        assert_eq!(cores(2, Some(2.5)), 2.5);
        assert_eq!(cores(1, Some(0.5)), 0.5);
        assert_eq!(cores(2, Some(7.5)), 2.0, "affinity limits");
        assert_eq!(cores(4, None), 4.0);
    }

    #[test]
    fn fewer_threads_than_cores_are_the_limit() {
        let registry = Registry::new();
        register(&registry, Some(1));
        let found = registry.gather();
        let cores = found
            .iter()
            .find(|it| it.name() == "process_cpu_limit_cores");
        let cores = cores.unwrap().get_metric()[0].get_gauge().get_value();
        assert!(cores > 0.0 && cores <= 1.0, "{cores}");
    }

    #[test]
    fn this_process_has_a_limit() {
        assert!(memory_limit().is_some_and(|bytes| bytes > 1 << 20));
    }
}
