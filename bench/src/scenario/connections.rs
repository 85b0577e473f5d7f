//! Measures the cost of many open connections: first idle, then with requests over all of them in turn.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::time::sleep;

use super::{Bench, Outcome, sampled, told};
use crate::lab::Service;
use crate::load::crowd::{Crowd, split};
use crate::load::{Requests, constant, soon};
use crate::measure::cpu::{Part, Watched};
use crate::measure::{Measurement, memory};

type Figures = BTreeMap<&'static str, f64>;

const NAME: &str = "connections";
const AGAIN: &str = "connections made anew";
const KIB_IDLE: &str = "KiB per connection: API, idle";
const SECONDS: u32 = 30;
const PER_SECOND: u32 = 2_000;
/// Few enough to cost next to nothing: the baseline of the comparison.
const FEW: u32 = 256;
/// The scenario fails if an idle connection takes more KiB of the API.
const KIB_PER_CONNECTION_MAX: f64 = 25.0;
/// Each instance serves orders so long before its memory without connections is measured.
const WARM_UP_SECONDS: u32 = 5;
const SETTLE: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(10);

/// A number of connections to each of a number of instances.
struct Level {
    connections: u32,
    instances: u32,
    /// Requests per second, and for how many seconds.
    rate: (u32, u32),
    open: String,
    crowd: u8,
}

pub async fn measure(bench: &Bench<'_>) -> Result<Outcome> {
    let (many, instances) = (bench.sizes.connections, bench.sizes.instances);
    let mut sizes = vec![(FEW, 1), (many, 1), (many, instances)];
    sizes.dedup();
    let per_second = bench.sizes.per_second.unwrap_or(PER_SECOND);
    let rate = (per_second, bench.seconds.unwrap_or(SECONDS));
    let mut outcome = Outcome::default();
    for (crowd, (connections, instances)) in (0..).zip(sizes) {
        let open = format!("crowd-{connections}-{instances}-{}", bench.round);
        bench.side().open_sale(&open).await?;
        let stage = Level {
            connections,
            instances,
            rate,
            open,
            crowd,
        };
        let measured = stage.measure(bench).await?;
        let failures = failures(connections, &measured.more);
        outcome.failures.extend(failures);
        outcome.measurements.push(measured);
    }
    Ok(outcome)
}

fn failures(connections: u32, figures: &Figures) -> Vec<String> {
    let of = |name| figures.get(name).copied().unwrap_or_default();
    let (again, kib) = (of(AGAIN), of(KIB_IDLE));
    let mut failures = Vec::new();
    if again > 0.0 {
        failures.push(format!(
            "{again} of {connections} connections were made anew"
        ));
    }
    if kib > KIB_PER_CONNECTION_MAX {
        failures.push(format!("{kib:.1} KiB per idle connection of {connections}"));
    }
    failures
}

impl Level {
    async fn measure(&self, bench: &Bench<'_>) -> Result<Measurement> {
        let mut instances = Vec::new();
        for number in 1..=self.instances {
            let log = format!("ingest-api-{number}");
            instances.push(bench.side().start_service("ingest-api", &log).await?);
        }
        for instance in &instances {
            let run = format!("{}-warm-up-{}", self.open, instance.address.port());
            let requests = Requests::mixed(&self.open, &run);
            let schedule = soon(self.rate.0, WARM_UP_SECONDS);
            constant(instance.address, schedule, requests).await?;
        }
        let measured = self.with_crowd(bench, &instances).await;
        for mut instance in instances {
            instance.terminate().await?;
        }
        measured
    }

    async fn with_crowd(&self, bench: &Bench<'_>, instances: &[Service]) -> Result<Measurement> {
        let total = self.connections * self.instances;
        let each = |figure: f64| figure / f64::from(total);
        let servers: Vec<SocketAddr> = instances.iter().map(|it| it.address).collect();
        let watch = |mut watched: Watched| {
            instances
                .iter()
                .for_each(|it| watched.add(Part::Api, it.pid()));
            watched
        };
        let (apis, started) = (watch(Watched::default()), Instant::now());
        let (without, kernel) = (sum(instances, memory::resident_kib)?, memory::kernel_kib()?);
        let clients = split(
            &servers,
            self.connections,
            self.rate,
            &self.open,
            self.crowd,
        );
        let (crowd, connecting) = sampled(&apis, Crowd::gather(clients)).await?;
        let connect_seconds = started.elapsed().as_secs_f64();
        let mut open = 0.0;
        for instance in instances {
            open += instance.metric("ingest_api_connections").await?;
        }
        ensure!(open >= total.into(), "only {open} connections are open");

        sleep(SETTLE).await;
        let idling = async {
            sleep(IDLE).await;
            anyhow::Ok(())
        };
        let ((), idle_cpu) = sampled(&apis, idling).await?;
        let idle = sum(instances, memory::resident_kib)?;
        let kernel = memory::kernel_kib()?.saturating_sub(kernel) as f64;

        let mut watched = watch(bench.lab.watched_stores()?);
        watched.add(Part::Worker, bench.side().worker()?.pid());
        let answered = sampled(&watched, crowd.go()).await?;
        let peak = sum(instances, memory::peak_kib)?;
        sleep(SETTLE).await;

        let idle_percent = idle_cpu[&Part::Api] as f64 / IDLE.as_secs_f64() / 1e4;
        let mut figures: Figures = [
            ("API, MiB: 1. without connections", without / 1_024.0),
            ("API, MiB: 2. all idle", idle / 1_024.0),
            ("API, MiB: 3. the most", peak / 1_024.0),
            (
                "API, MiB: 4. clients gone",
                sum(instances, memory::resident_kib)? / 1_024.0,
            ),
            (
                "API, CPU us per new connection",
                each(connecting[&Part::Api] as f64),
            ),
            ("API, % of a core, all idle", idle_percent),
            ("seconds to connect", connect_seconds),
            (AGAIN, answered.0.reconnected as f64),
        ]
        .into();
        if self.connections > FEW {
            // Both ends of every connection are on this machine.
            figures.insert("KiB per connection: kernel, one end", each(kernel / 2.0));
            figures.insert("KiB per connection: API, the most", each(peak - without));
            figures.insert(KIB_IDLE, each(idle - without));
        }
        let mut measured = told(answered, bench.empty(NAME, total));
        measured.more = figures;
        Ok(measured)
    }
}

/// The memory of all instances, in KiB.
fn sum(instances: &[Service], of: fn(u32) -> Result<u64>) -> Result<f64> {
    let each = instances.iter().map(|it| of(it.pid()));
    Ok(each.sum::<Result<u64>>()? as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_connections_and_too_much_memory_are_failures() {
        assert!(failures(9_000, &[(AGAIN, 0.0), (KIB_IDLE, 20.0)].into()).is_empty());
        assert_eq!(
            failures(9_000, &[(AGAIN, 1.0), (KIB_IDLE, 26.0)].into()).len(),
            2
        );
    }
}
