use anyhow::Result;
use serde::Serialize;

use super::stage::Stage;
use super::{KIB_PER_CONNECTION_LIMIT, ONE_ERROR_IN};
use crate::cpu::{Cpu, Part};
use crate::machine::Machine;
use crate::result::{ms, table};

/// What is computed from the figures of the last stage.
const WHOLE_CROWD: u32 = 100_000;

#[derive(Debug, Serialize)]
pub struct Outcome {
    pub machine: Machine,
    pub per_second: u32,
    pub seconds: u32,
    pub stages: Vec<Stage>,
}

impl Stage {
    /// KiB of the API for an idle connection.
    pub fn kib_each(&self) -> f64 {
        self.more_kib(self.idle_kib)
    }

    /// The same at the most while orders came.
    fn loaded_kib_each(&self) -> f64 {
        self.more_kib(self.loaded_kib)
    }

    /// Of the kernel for one end of a connection.
    fn kernel_kib_each(&self) -> f64 {
        self.kernel_kib as f64 / 2.0 / f64::from(self.connections)
    }

    fn more_kib(&self, kib: u64) -> f64 {
        kib.saturating_sub(self.without_kib) as f64 / f64::from(self.connections)
    }

    /// Of one core, in percent.
    fn idle_cpu(&self) -> f64 {
        used(&self.idle_cpu_us, Part::Api) / self.idle_seconds / 1e4
    }

    fn loaded_cpu(&self) -> f64 {
        used(&self.loaded_cpu_us, Part::Api) / self.loaded_seconds / 1e4
    }

    fn cpu_us_each(&self, part: Part) -> f64 {
        used(&self.loaded_cpu_us, part) / self.requests.max(1) as f64
    }
}

fn used(cpu: &Cpu, part: Part) -> f64 {
    cpu.get(&part).copied().unwrap_or_default() as f64
}

impl Outcome {
    pub fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Everything that is not as it has to be.
    pub fn falls_short(&self) -> Vec<String> {
        let mut all = Vec::new();
        for stage in &self.stages {
            let connections = stage.connections;
            if stage.errors > stage.requests / ONE_ERROR_IN || stage.requests == 0 {
                let (errors, requests) = (stage.errors, stage.requests);
                all.push(format!(
                    "{connections} connections: {errors} errors in {requests}"
                ));
            }
            if stage.reconnected > 0 {
                let count = stage.reconnected;
                all.push(format!(
                    "{connections} connections: {count} had to be made anew"
                ));
            }
            // Of few connections the difference is that of something else.
            if connections > super::FEW && stage.kib_each() > KIB_PER_CONNECTION_LIMIT {
                let kib = stage.kib_each();
                all.push(format!("{connections} connections: {kib:.1} KiB each"));
            }
        }
        all
    }

    pub fn markdown(&self) -> String {
        let Self {
            per_second,
            seconds,
            ..
        } = self;
        let head = self.machine.sentence();
        let mut text = format!(
            "{head} {per_second} requests a second for {seconds} s, over all connections in turn.\n\n"
        );
        text += &table(
            "| connections | copies | made in s | API, MiB: without | all idle | under load | clients gone | KiB for each, idle | under load | kernel, KiB for one end |",
            &self.lines(|it| {
                let mib = [it.without_kib, it.idle_kib, it.loaded_kib, it.left_kib];
                let [without, idle, loaded, left] = mib.map(|kib| format!("{:.0}", kib as f64 / 1_024.0));
                let each = if it.connections > super::FEW {
                    [it.kib_each(), it.loaded_kib_each(), it.kernel_kib_each()]
                        .map(|kib| format!("{kib:.1}"))
                } else {
                    Default::default()
                };
                let [idle_each, loaded_each, kernel] = each;
                format!(
                    "| {} | {} | {:.1} | {without} | {idle} | {loaded} | {left} | {idle_each} | {loaded_each} | {kernel} |",
                    it.connections, it.copies, it.connect_seconds
                )
            }),
        );
        text += "\n";
        text += &table(
            "| connections | API CPU, % of a core: all idle | under load | us per request: API | load | p50 ms | p95 ms | p99 ms | max ms | requests | errors | made anew |",
            &self.lines(|it| {
                let latency = &it.latency_ms;
                format!(
                    "| {} | {:.1} | {:.1} | {:.0} | {:.0} | {} | {} | {} | {} | {} | {} | {} |",
                    it.connections,
                    it.idle_cpu(),
                    it.loaded_cpu(),
                    it.cpu_us_each(Part::Api),
                    it.cpu_us_each(Part::Load),
                    ms(latency.p50),
                    latency.p95.map_or_else(String::new, ms),
                    ms(latency.p99),
                    ms(latency.max),
                    it.requests,
                    it.errors,
                    it.reconnected,
                )
            }),
        );
        text += &self.whole_crowd();
        let short = self.falls_short();
        if !short.is_empty() {
            text += &format!("\nFalls short: {}.\n", short.join("; "));
        }
        text
    }

    fn lines(&self, line: impl Fn(&Stage) -> String) -> Vec<String> {
        self.stages.iter().map(line).collect()
    }

    /// A hundred thousand, reckoned from the stage with the most connections.
    fn whole_crowd(&self) -> String {
        let Some(stage) = self.stages.last() else {
            return String::new();
        };
        let per_copy = stage.connections / stage.copies;
        let copies = WHOLE_CROWD.div_ceil(per_copy);
        let base = stage.without_kib as f64 / f64::from(stage.copies) * f64::from(copies);
        let mib = |kib: f64| kib / 1_024.0;
        let own = mib(base + stage.loaded_kib_each() * f64::from(WHOLE_CROWD));
        let kernel = mib(stage.kernel_kib_each() * f64::from(WHOLE_CROWD));
        let cpu = stage.idle_cpu() * f64::from(WHOLE_CROWD) / f64::from(stage.connections);
        let connecting = stage.connect_api_cpu_us as f64 / f64::from(stage.connections);
        format!(
            "\nReckoned for {WHOLE_CROWD} connections: {copies} copies of {per_copy}, {own:.0} MiB of the API \
             and {kernel:.0} MiB of the kernel, {cpu:.1} % of a core while all are idle; to make a \
             connection and answer its first request took {connecting:.0} us of the API's CPU, {:.1} s for all.\n",
            connecting * f64::from(WHOLE_CROWD) / 1e6
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measurement::Latency;

    fn stage(connections: u32) -> Stage {
        Stage {
            connections,
            copies: 2,
            connect_seconds: 3.0,
            connect_api_cpu_us: 1_000_000,
            without_kib: 80_000,
            idle_kib: 80_000 + 20 * u64::from(connections),
            loaded_kib: 80_000 + 22 * u64::from(connections),
            left_kib: 90_000,
            kernel_kib: 8 * u64::from(connections),
            idle_seconds: 10.0,
            idle_cpu_us: Cpu::from([(Part::Api, 200_000)]),
            loaded_seconds: 10.0,
            loaded_cpu_us: Cpu::from([(Part::Api, 1_000_000), (Part::Load, 2_000_000)]),
            requests: 20_000,
            errors: 0,
            reconnected: 0,
            latency_ms: Latency::of(vec![1.0, 2.0]).unwrap(),
        }
    }

    fn outcome(stages: Vec<Stage>) -> Outcome {
        Outcome {
            machine: Machine::look(std::path::Path::new(".")),
            per_second: 2_000,
            seconds: 10,
            stages,
        }
    }

    #[test]
    fn memory_and_cpu_are_told_for_each_connection() {
        let stage = stage(10_000);
        assert_eq!((stage.kib_each(), stage.kernel_kib_each()), (20.0, 4.0));
        assert_eq!((stage.idle_cpu(), stage.loaded_cpu()), (2.0, 10.0));
        assert_eq!(stage.cpu_us_each(Part::Api), 50.0);
    }

    #[test]
    fn the_whole_crowd_takes_as_many_copies_as_its_connections_fill() {
        let text = outcome(vec![stage(40_000)]).whole_crowd();
        assert!(text.contains("5 copies of 20000, 2344 MiB"), "{text}");
        assert!(text.contains("391 MiB of the kernel"), "{text}");
    }

    #[test]
    fn errors_broken_connections_and_too_much_memory_fall_short() {
        assert!(
            outcome(vec![stage(256), stage(9_000)])
                .falls_short()
                .is_empty()
        );
        let bad = Stage {
            errors: 21,
            reconnected: 1,
            idle_kib: 80_000 + 26 * 9_000,
            ..stage(9_000)
        };
        assert_eq!(outcome(vec![bad]).falls_short().len(), 3);
    }
}
