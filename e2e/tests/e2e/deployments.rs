//! The programs that try out a deployment, as processes, against services that they did not start.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::process::Process;
use e2e::tls_listeners::TlsListeners;
use e2e::wait::wait_until;

use crate::fixture::{WRITE_LIMIT, in_a_sandbox};

const DEMO: &str = env!("CARGO_BIN_EXE_demo");
const REHEARSE: &str = env!("CARGO_BIN_EXE_rehearse");

#[test]
fn the_demo_sells_out_at_running_services_and_reads_the_stores_over_encrypted_connections() {
    in_a_sandbox(async |sandbox| {
        let (api, _worker) = tokio::try_join!(sandbox.api(), sandbox.worker())?;
        let encrypted = TlsListeners::from_env()?.instead_of(&sandbox.settings())?;
        let arguments = ["--at", api.url(), "--units", "50", "--buyers", "400"];
        let demo = sandbox.launch(Path::new(DEMO), &arguments, encrypted)?;
        ends_with(demo, 0, "demo: ok, 50 of 400 orders accepted").await?;
        Ok(())
    });
}

#[test]
fn a_rehearsal_survives_a_killed_instance_and_finds_every_order_in_postgresql() {
    in_a_sandbox(async |sandbox| {
        let (mut one, other) = tokio::try_join!(sandbox.api(), sandbox.api())?;
        let _worker = sandbox.worker().await?;
        let urls = format!("{},{}", one.url(), other.url());
        let arguments = ["--at", &urls, "--rate", "200", "--seconds", "8"];
        let rehearsal = sandbox.launch(Path::new(REHEARSE), &arguments, sandbox.settings())?;

        has_taken(&one, 200.0).await?;
        one.kill()?;
        // By then its share of the buyers has been refused a connection.
        has_taken(&other, 500.0).await?;
        one.restart().await?;

        let right = "rehearse: ok, 1,600 of 1,600 orders accepted";
        let text = ends_with(rehearsal, 0, right).await?;
        ensure!(figure(&text, "first tries that failed")? > 0, "{text}");
        ensure!(figure(&text, "PostgreSQL: rows")? == 1_600, "{text}");
        Ok(())
    });
}

#[test]
fn a_rehearsal_whose_orders_are_not_written_fails() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        // It creates the topics and tables, and ends.
        drop(sandbox.worker().await?);
        let mut arguments = vec!["--at", api.url(), "--rate", "50", "--seconds", "2"];
        arguments.extend(["--products", "1", "--write-seconds", "1"]);
        let rehearsal = sandbox.launch(Path::new(REHEARSE), &arguments, sandbox.settings())?;
        let text = ends_with(rehearsal, 1, "rehearse: FAILED").await?;
        ensure!(figure(&text, "orders lost")? == 100, "{text}");
        Ok(())
    });
}

async fn has_taken(api: &Process, orders: f64) -> Result<()> {
    let what = format!("{} has taken {orders} orders", api.url());
    wait_until(&what, WRITE_LIMIT, async || {
        let taken = api.metric("ingest_api_orders_total").await?;
        ensure!(taken >= orders, "{taken}");
        Ok(())
    })
    .await
}

/// What a program printed, if it ends with this code and its last line begins so.
async fn ends_with(mut program: Process, code: i32, begin: &str) -> Result<String> {
    let status = program.ended(WRITE_LIMIT).await?;
    let text = program.output()?;
    let last = text.lines().last().context("it printed nothing")?;
    ensure!(last.starts_with(begin), "{text}");
    ensure!(status.code() == Some(code), "{status}");
    Ok(text)
}

/// The number beside `what` in a table.
fn figure(text: &str, what: &str) -> Result<u64> {
    let mut lines = text.lines().map(str::trim);
    let line = lines.find_map(|line| line.strip_prefix(what));
    let number = line.and_then(|line| line.split_whitespace().next());
    let number = number.with_context(|| format!("no line {what:?} in:\n{text}"))?;
    Ok(number.replace(',', "").parse()?)
}
