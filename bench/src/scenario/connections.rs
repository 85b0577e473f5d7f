//! Measures the cost of many open connections: first idle, then with requests over all of them in turn.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::process::Process;
use tokio::time::sleep;

use super::Bench;
use super::bench::sampled;
use crate::lab::STOP_LIMIT;
use crate::load::crowd::{Crowd, split};
use crate::load::{Requests, constant, soon};
use crate::measure::cpu::{self, Part, Watched};
use crate::measure::{Measurement, memory};

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
    /// The sale that accepts orders.
    open: String,
    crowd: u8,
}

pub async fn measure(bench: &Bench<'_>) -> Result<Vec<Measurement>> {
    let (many, instances) = (bench.sizes.connections, bench.sizes.instances);
    let mut sizes = vec![(FEW, 1), (many, 1), (many, instances)];
    sizes.dedup();
    let mut measured = Vec::new();
    for (crowd, (connections, instances)) in (0..).zip(sizes) {
        let open = format!("crowd-{connections}-{instances}-{}", bench.round);
        bench.side().open_sale(&open).await?;
        let level = Level {
            connections,
            instances,
            open,
            crowd,
        };
        measured.push(level.measure(bench).await?);
    }
    Ok(measured)
}

impl Level {
    async fn measure(&self, bench: &Bench<'_>) -> Result<Measurement> {
        let per_second = bench.sizes.per_second.unwrap_or(PER_SECOND);
        let mut instances = Vec::new();
        for number in 1..=self.instances {
            let log = format!("ingest-api-{number}");
            let instance = bench.side().start_service("ingest-api", &log, &[]);
            instances.push(instance.await?);
        }
        for instance in &instances {
            let address = instance.address()?;
            let run = format!("{}-warm-up-{}", self.open, address.port());
            let requests = Requests::mixed(&self.open, &run);
            constant(address, soon(per_second, WARM_UP_SECONDS), requests).await?;
        }
        let measured = self.with_crowd(bench, &instances, per_second).await;
        for mut instance in instances {
            instance.stop(STOP_LIMIT).await?;
        }
        measured
    }

    async fn with_crowd(
        &self,
        bench: &Bench<'_>,
        instances: &[Process],
        per_second: u32,
    ) -> Result<Measurement> {
        let total = self.connections * self.instances;
        let each = |figure: f64| figure / f64::from(total);
        let servers = instances.iter().map(Process::address);
        let servers: Vec<SocketAddr> = servers.collect::<Result<_>>()?;
        let watch = |mut watched: Watched| {
            let pids = instances.iter().map(Process::pid);
            pids.for_each(|pid| watched.add(Part::Api, pid));
            watched
        };
        let (apis, started) = (watch(Watched::default()), Instant::now());
        let (without, kernel) = (sum(instances, memory::resident_kib)?, memory::kernel_kib()?);
        let rate = (per_second, bench.seconds.unwrap_or(SECONDS));
        let clients = split(&servers, self.connections, rate, &self.open, self.crowd);
        let (crowd, connecting) = sampled(&apis, Crowd::gather(clients)).await?;
        let connect_seconds = started.elapsed().as_secs_f64();
        let mut open = 0.0;
        for instance in instances {
            open += instance.metric("ingest_api_connections").await?;
        }
        ensure!(open >= total.into(), "only {open} connections are open");

        sleep(SETTLE).await;
        let before = apis.sample()?;
        sleep(IDLE).await;
        let idle_cpu = cpu::between(&before, &apis.sample()?);
        let idle_percent = idle_cpu[&Part::Api] as f64 / IDLE.as_secs_f64() / 1e4;
        let idle = sum(instances, memory::resident_kib)?;
        let kernel = memory::kernel_kib()?.saturating_sub(kernel) as f64;

        let mut watched = watch(bench.lab.watched_stores()?);
        watched.add(Part::Worker, bench.side().worker()?.pid());
        let mut again = 0;
        let load = async { crowd.go().await.inspect(|it| again = it.reconnected) };
        let mut measured = bench.told(&watched, load).await?;
        measured.label = total.to_string();
        let peak = sum(instances, memory::peak_kib)?;
        sleep(SETTLE).await;

        let left = sum(instances, memory::resident_kib)?;
        measured.add("API, MiB: 1. without connections", without / 1_024.0);
        measured.add("API, MiB: 2. all idle", idle / 1_024.0);
        measured.add("API, MiB: 3. the most", peak / 1_024.0);
        measured.add("API, MiB: 4. clients gone", left / 1_024.0);
        let connect_us = each(connecting[&Part::Api] as f64);
        measured.add("API, CPU us per new connection", connect_us);
        measured.add("API, % of a core, all idle", idle_percent);
        measured.add("seconds to connect", connect_seconds);
        measured.add_limited("connections reopened", again as f64, 0.0);
        if self.connections > FEW {
            // Both ends of every connection are on this machine.
            measured.add("KiB per connection: kernel, one end", each(kernel / 2.0));
            measured.add("KiB per connection: API, the most", each(peak - without));
            let kib = each(idle - without);
            measured.add_limited("KiB per connection: API, idle", kib, KIB_PER_CONNECTION_MAX);
        }
        Ok(measured)
    }
}

/// The memory of all instances, in KiB.
fn sum(instances: &[Process], of: fn(u32) -> Result<u64>) -> Result<f64> {
    let each = instances.iter().map(|it| of(it.pid()));
    Ok(each.sum::<Result<u64>>()? as f64)
}
