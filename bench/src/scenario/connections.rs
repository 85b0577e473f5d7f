//! Measures the cost of many open connections: first idle, then with requests over all of them in turn.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::process::{Process, changed};
use tokio::time::sleep;

use super::Bench;
use super::bench::{sampled, told};
use crate::lab::STOP_LIMIT;
use crate::load::crowd::{Crowd, Load};
use crate::load::{Requests, constant, soon};
use crate::measure::Measurement;
use crate::measure::processes::{Part, Watched, kernel_kib, peak_kib, resident_kib};

const SECONDS: u32 = 30;
const PER_SECOND: u32 = 2_000;
/// Of one instance; more are spread over several.
const PER_INSTANCE_MAX: u32 = 18_000;
/// So few cost next to nothing: the memory of one is not measured.
const FEW: u32 = 256;
/// The scenario fails if an idle connection takes more KiB of the API.
const KIB_PER_CONNECTION_MAX: f64 = 25.0;
/// Each instance serves orders so long before its memory without connections is measured.
const WARM_UP_SECONDS: u32 = 5;
/// On a slow machine, more than the default passes until a connection is used again.
const KEEP_ALIVE: (&str, &str) = ("KEEP_ALIVE_SECONDS", "3600");
const SETTLE: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(10);

pub async fn measure(bench: &Bench<'_>) -> Result<Measurement> {
    let side = bench.side;
    let count = bench.size().div_ceil(PER_INSTANCE_MAX);
    let per_second = bench.per_second.unwrap_or(PER_SECOND);
    let load = Load {
        connections: bench.size().div_ceil(count),
        per_second: per_second / count,
        seconds: bench.seconds.unwrap_or(SECONDS),
        open: bench.unique(),
    };
    side.open_sale(&load.open).await?;
    let mut instances = Vec::new();
    for number in 1..=count {
        let log = format!("ingest-api-{number}");
        let settings = changed(&side.settings, &[KEEP_ALIVE]);
        let instance = side.build.start("ingest-api", &log, settings).await?;
        let requests = Requests::mixed(&load.open, &format!("{}-warm-up-{number}", load.open));
        let schedule = soon(per_second, WARM_UP_SECONDS);
        constant(instance.address()?, schedule, requests).await?;
        instances.push(instance);
    }
    let measured = with_crowd(bench, &instances, &load).await;
    for mut instance in instances {
        instance.stop(STOP_LIMIT).await?;
    }
    measured
}

async fn with_crowd(bench: &Bench<'_>, instances: &[Process], load: &Load) -> Result<Measurement> {
    let total = f64::from(load.connections) * instances.len() as f64;
    let servers = instances.iter().map(Process::address);
    let servers: Vec<SocketAddr> = servers.collect::<Result<_>>()?;
    let watch = |mut watched: Watched| {
        let pids = instances.iter().map(Process::pid);
        pids.for_each(|pid| watched.add(Part::Api, pid));
        watched
    };
    let apis = watch(Watched::default());
    let (without, kernel) = (sum(instances, resident_kib)?, kernel_kib()?);
    let started = Instant::now();
    let (crowd, connecting) = sampled(&apis, Crowd::gather(&servers, load)).await?;
    let connect_seconds = started.elapsed().as_secs_f64();
    let mut open = 0.0;
    for instance in instances {
        open += instance.metric("ingest_api_connections").await?;
    }
    ensure!(open >= total, "only {open} connections are open");

    sleep(SETTLE).await;
    let idling = async {
        sleep(IDLE).await;
        Ok(())
    };
    let ((), idle_cpu) = sampled(&apis, idling).await?;
    let idle_percent = idle_cpu[&Part::Api] as f64 / IDLE.as_secs_f64() / 1e4;
    let idle = sum(instances, resident_kib)?;
    let kernel = kernel_kib()?.saturating_sub(kernel) as f64;

    let mut watched = watch(bench.lab.watched_stores()?);
    watched.add(Part::Worker, bench.side.worker()?.pid());
    let mut again = 0;
    let sending = async { crowd.go().await.inspect(|it| again = it.reconnected) };
    let mut measured = told(&watched, sending).await?;
    let peak = sum(instances, peak_kib)?;
    sleep(SETTLE).await;

    let left = sum(instances, resident_kib)?;
    measured.add("API, MiB: 1. without connections", without / 1_024.0);
    measured.add("API, MiB: 2. all idle", idle / 1_024.0);
    measured.add("API, MiB: 3. the most", peak / 1_024.0);
    measured.add("API, MiB: 4. clients gone", left / 1_024.0);
    let connect_us = connecting[&Part::Api] as f64 / total;
    measured.add("API, CPU us per new connection", connect_us);
    measured.add("API, % of a core, all idle", idle_percent);
    measured.add("seconds to connect", connect_seconds);
    measured.add_limited("connections reopened", again as f64, 0.0);
    if bench.size() > FEW {
        // Both ends of every connection are on this machine.
        let of_kernel = kernel / 2.0 / total;
        measured.add("KiB per connection: kernel, one end", of_kernel);
        let most = (peak - without) / total;
        measured.add("KiB per connection: API, the most", most);
        let kib = (idle - without) / total;
        measured.add_limited("KiB per connection: API, idle", kib, KIB_PER_CONNECTION_MAX);
    }
    Ok(measured)
}

/// The memory of all instances, in KiB.
fn sum(instances: &[Process], of: fn(u32) -> Result<u64>) -> Result<f64> {
    let each = instances.iter().map(|it| of(it.pid()));
    Ok(each.sum::<Result<u64>>()? as f64)
}
