//! A sale as large as they come, on instances as small as they come.

use std::fs::read_to_string;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::services::kill;
use super::{Component, Environment};
use crate::checker::Expectations;
use crate::load::check::check;
use crate::load::report::Report;
use crate::load::{Pace, Player, once};
use crate::order::Sale;
use crate::process::Process;

/// Units of the sale, and buyers with one order each.
const UNITS: u32 = 1_000_000;
const BUYERS: u32 = 1_050_000;
const CONNECTIONS: u32 = 128;
/// Answers before an instance is killed.
const BEFORE_KILL: u64 = 100_000;
/// The first buyers, who order again once all is sold.
const AGAIN: u32 = 50_000;
/// Memory of an instance, at its peak.
const INSTANCE_KIB: u64 = 512 * 1_024;
/// From the last answer to the last row.
const WRITE_LIMIT: Duration = Duration::from_secs(600);

/// Sells a million units as fast as orders are answered, and checks every answer; the usual clients go on beside. An
/// instance is killed meanwhile, and orders without an answer are sent again.
pub async fn sell_a_million(env: &mut Environment) -> Result<()> {
    let sales = [Sale::unique("million", UNITS)?];
    let apis: Vec<&Process> = env.apis.iter().collect();
    let deployment = env.sandbox.deployment(&apis);
    let player = Player {
        pace: Pace::AsAnswered,
        connections: CONNECTIONS,
        // A retry may come after the order was placed without an answer.
        expectations: Expectations::default(),
        ..Player::constant_rate(1, deployment.urls.clone())
    };
    let redis = env.sandbox.stores.redis.clone();
    redis.start_slow_log().await?;
    let report = deployment.with_sales(&sales, async || {
        let orders = once(0..1, 0..BUYERS).chain(once(0..1, 0..AGAIN));
        let running = player.start(&sales, orders)?;
        running.answered(BEFORE_KILL).await?;
        kill(env, Component::Api).await?;
        let history = running.finish_and_print().await?;
        let findings = check(&history, &deployment.stores, WRITE_LIMIT).await?;
        Ok(Report { history, findings })
    });
    let report = report.await?;
    println!("{report}");
    println!("{}", redis.slow_log().await?);
    report.expect_right()?;
    for api in &env.apis {
        let peak = peak_kib(api.pid())?;
        let from_memory = api.metric("ingest_api_refused_from_memory_total").await?;
        println!(
            "{}: peak {peak} KiB, {from_memory} refused from memory",
            api.url()
        );
        ensure!(peak <= INSTANCE_KIB, "an instance took {peak} KiB");
        ensure!(from_memory > 0.0, "an instance refused nothing from memory");
    }
    Ok(())
}

fn peak_kib(pid: u32) -> Result<u64> {
    let status = read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let value = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    value.context("no VmHWM")
}
