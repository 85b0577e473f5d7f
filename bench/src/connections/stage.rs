//! So many connections to so many copies, first idle, then with orders coming over them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::process::Process;
use serde::Serialize;
use tokio::time::sleep;

use crate::beside::beside;
use crate::cpu::{self, Cpu, Part, Watched};
use crate::lab::{Lab, address_of};
use crate::load::constant;
use crate::load::crowd::{Crowd, Load, Report};
use crate::load::mixed::Mixed;
use crate::measurement::Latency;
use crate::memory;

/// Each copy has done this much before its memory is taken for that without connections.
const WARM_UP_SECONDS: u32 = 5;
/// Between connecting and looking at idle connections.
const SETTLE: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(10);
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(500);
const STOP_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub connections: u32,
    pub copies: u32,
    pub per_second: u32,
    pub seconds: u32,
    pub number: u8,
}

/// What came of it. Memory is that of all copies together.
#[derive(Debug, Clone, Serialize)]
pub struct Stage {
    pub connections: u32,
    pub copies: u32,
    pub connect_seconds: f64,
    pub connect_api_cpu_us: u64,
    pub without_kib: u64,
    pub idle_kib: u64,
    /// The most while orders came.
    pub loaded_kib: u64,
    /// After the clients have gone.
    pub left_kib: u64,
    /// Of the kernel's own memory, both ends of every connection are here.
    pub kernel_kib: u64,
    pub idle_seconds: f64,
    pub idle_cpu_us: Cpu,
    pub loaded_seconds: f64,
    pub loaded_cpu_us: Cpu,
    pub requests: u64,
    pub errors: u64,
    pub reconnected: u64,
    pub latency_ms: Latency,
}

pub async fn measure(lab: &Lab, plan: Plan) -> Result<Stage> {
    let mixed = Mixed::one_in_a_hundred(&format!("crowd-{}", plan.connections));
    lab.open_sale(&mixed.product).await?;
    let mut copies = Vec::new();
    for number in 1..=plan.copies {
        copies.push(lab.start_copy(number as usize).await?);
    }
    for (number, copy) in copies.iter().enumerate() {
        warm_up(copy, &mixed, number, plan).await?;
    }
    let load = Load {
        mixed,
        per_second: plan.per_second,
        seconds: plan.seconds,
        number: plan.number,
    };
    let stage = with_crowd(lab, &copies, plan, &load).await;
    for mut copy in copies {
        copy.terminate(STOP_LIMIT).await?;
    }
    stage
}

async fn warm_up(copy: &Process, mixed: &Mixed, number: usize, plan: Plan) -> Result<()> {
    let address = address_of(copy)?;
    let run = format!("warm-up-{}-{number}", mixed.run);
    let mixed = Mixed {
        run,
        ..mixed.clone()
    };
    let schedule = constant::soon(plan.per_second, WARM_UP_SECONDS);
    constant::send(address, schedule, move |n| mixed.order(address, n)).await?;
    Ok(())
}

async fn with_crowd(lab: &Lab, copies: &[Process], plan: Plan, load: &Load) -> Result<Stage> {
    let servers: Result<Vec<_>> = copies.iter().map(address_of).collect();
    let mut watched = Watched::default();
    for copy in copies {
        watched.add(Part::Api, copy.pid());
    }
    sleep(SETTLE).await;
    let (without_kib, kernel_kib) = (resident(copies)?, memory::kernel_kib()?);
    let before = watched.sample()?;
    let mut crowd = Crowd::gather(&servers?, plan.connections, load).await?;
    let connect_cpu = cpu::between(&before, &watched.sample()?);
    let open = open_connections(copies).await?;
    ensure!(open >= plan.connections, "only {open} connections are open");

    lab.watch_others(&mut watched)?;
    crowd.pids().for_each(|pid| watched.add(Part::Load, pid));
    sleep(SETTLE).await;
    let (before, started) = (watched.sample()?, Instant::now());
    sleep(IDLE).await;
    let (idle_cpu_us, idle_seconds) =
        (cpu::between(&before, &watched.sample()?), started.elapsed());
    let (idle_kib, kernel_idle_kib) = (resident(copies)?, memory::kernel_kib()?);

    let (before, started) = (watched.sample()?, Instant::now());
    let (report, loaded_kib) = go(&mut crowd, copies).await?;
    let (after, loaded_seconds) = (watched.sample()?, started.elapsed());
    let connect_seconds = crowd.connected_after.as_secs_f64();
    crowd.leave().await?;
    sleep(SETTLE).await;
    let latencies = report
        .latencies_us
        .iter()
        .map(|us| f64::from(*us) / 1_000.0);
    Ok(Stage {
        connections: plan.connections,
        copies: plan.copies,
        connect_seconds,
        connect_api_cpu_us: connect_cpu[&Part::Api],
        without_kib,
        idle_kib,
        loaded_kib,
        left_kib: resident(copies)?,
        kernel_kib: kernel_idle_kib.saturating_sub(kernel_kib),
        idle_seconds: idle_seconds.as_secs_f64(),
        idle_cpu_us,
        loaded_seconds: loaded_seconds.as_secs_f64(),
        loaded_cpu_us: cpu::between(&before, &after),
        requests: report.latencies_us.len() as u64,
        errors: report.wrong,
        reconnected: report.reconnected,
        latency_ms: Latency::of(latencies.collect()).context("no request was sent")?,
    })
}

/// The load, and the most memory meanwhile.
async fn go(crowd: &mut Crowd, copies: &[Process]) -> Result<(Report, u64)> {
    let mut peak = 0;
    let report = beside(crowd.go(), PAUSE_BETWEEN_LOOKS, async || {
        peak = peak.max(resident(copies)?);
        Ok(())
    });
    Ok((report.await?, peak))
}

/// Of all copies, KiB.
fn resident(copies: &[Process]) -> Result<u64> {
    let each = copies.iter().map(|copy| memory::resident_kib(copy.pid()));
    each.sum()
}

/// As the copies count them.
async fn open_connections(copies: &[Process]) -> Result<u32> {
    let mut open = 0.0;
    for copy in copies {
        open += copy.metric("ingest_api_connections").await?;
    }
    Ok(open as u32)
}
