//! The tools with which a deployment is tried, as processes, against services that they did not start.

use std::process::{Output, Stdio};

use anyhow::{Context, Result, ensure};
use e2e::doors::Doors;
use e2e::process::Process;
use e2e::sandbox::Sandbox;
use e2e::until::until;
use tokio::process::Command;

use crate::fixture::{WRITE_LIMIT, in_a_sandbox};

const DEMO: &str = env!("CARGO_BIN_EXE_demo");
const REHEARSE: &str = env!("CARGO_BIN_EXE_rehearse");

#[test]
fn the_demo_sells_out_at_services_that_run_already() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        let _worker = sandbox.worker().await?;
        let arguments = ["--at", api.url(), "--units", "50", "--buyers", "400"];
        let output = tool(sandbox, DEMO, &arguments).output().await?;
        let last = last_line(&output)?;
        ensure!(last.starts_with("demo: ok, 50 units sold"), "{last}");
        ensure!(output.status.success(), "{}", output.status);
        Ok(())
    });
}

#[test]
fn the_demo_reads_its_truth_over_encrypted_connections_with_passwords() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        let _worker = sandbox.worker().await?;
        let doors = Doors::from_env()?.instead_of(sandbox.settings())?;
        let mut demo = tool(sandbox, DEMO, &["--at", api.url()]);
        let output = demo.envs(doors).output().await?;
        let last = last_line(&output)?;
        ensure!(last.starts_with("demo: ok, 100 units sold"), "{last}");
        Ok(())
    });
}

#[test]
fn a_rehearsal_outlives_a_killed_copy_and_finds_every_order_in_postgresql() {
    in_a_sandbox(async |sandbox| {
        let (mut one, other) = (sandbox.api().await?, sandbox.api().await?);
        let _worker = sandbox.worker().await?;
        let urls = format!("{},{}", one.url(), other.url());
        let arguments = ["--at", &urls, "--rate", "200", "--seconds", "8"];
        let rehearsal = tool(sandbox, REHEARSE, &arguments).spawn()?;

        has_taken(&one, 200.0).await?;
        one.kill()?;
        // Its share of the buyers has come to a closed door by then.
        has_taken(&other, 500.0).await?;
        one.restart().await?;

        let output = rehearsal.wait_with_output().await?;
        let (text, last) = (text(&output), last_line(&output)?);
        ensure!(last.starts_with("rehearse: ok, 1,600 orders"), "{text}");
        ensure!(figure(&text, "first tries that failed")? > 0, "{text}");
        ensure!(figure(&text, "rows in PostgreSQL")? == 1_600, "{text}");
        ensure!(output.status.success(), "{}", output.status);
        Ok(())
    });
}

#[test]
fn a_rehearsal_whose_orders_are_not_written_fails() {
    in_a_sandbox(async |sandbox| {
        let api = sandbox.api().await?;
        // It makes the topics and tables, and is gone.
        drop(sandbox.worker().await?);
        let arguments = ["--at", api.url(), "--rate", "50", "--seconds", "2"];
        let more = ["--products", "1", "--write-seconds", "1"];
        let mut rehearsal = tool(sandbox, REHEARSE, &[&arguments[..], &more].concat());
        let output = rehearsal.output().await?;
        let (text, last) = (text(&output), last_line(&output)?);
        ensure!(last.starts_with("rehearse: FAILED"), "{text}");
        ensure!(figure(&text, "orders lost")? == 100, "{text}");
        ensure!(output.status.code() == Some(1), "{}", output.status);
        Ok(())
    });
}

/// A tool with nothing but the sandbox's settings in its environment.
fn tool(sandbox: &Sandbox, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(sandbox.settings())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn has_taken(api: &Process, orders: f64) -> Result<()> {
    let what = format!("{} has taken {orders} orders", api.url());
    until(&what, WRITE_LIMIT, async || {
        let taken = api.metric("ingest_api_orders_total").await?;
        ensure!(taken >= orders, "{taken}");
        Ok(())
    })
    .await
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn last_line(output: &Output) -> Result<String> {
    let text = text(output);
    Ok(text
        .lines()
        .last()
        .context("it printed nothing")?
        .to_owned())
}

/// The number beside `what` in the table.
fn figure(text: &str, what: &str) -> Result<u64> {
    let mut lines = text.lines().map(str::trim);
    let line = lines.find_map(|line| line.strip_prefix(what));
    let number = line.and_then(|line| line.split_whitespace().next());
    let number = number.with_context(|| format!("no line {what:?} in:\n{text}"))?;
    Ok(number.replace(',', "").parse()?)
}
