//! Short versions of `make scale`.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use e2e::scale::nginx::{Configuration, Nginx, Repeat};
use e2e::scale::worker_group::Leave;
use e2e::scale::{Plan, instances, polls, workers};

use crate::fixture::in_a_sandbox;

fn short() -> Result<Plan> {
    let rates = ["--workers-rate", "600", "--instances-rate", "600"];
    let all = ["scale", "--hold-seconds", "1"].into_iter().chain(rates);
    Ok(Plan::try_parse_from(all)?)
}

#[test]
fn workers_join_and_leave_under_load_and_every_order_is_written_once() {
    scale_workers("classic", Leave::Sigterm, &[1, 3, 1]);
}

/// In a group that the broker leads (KIP-848).
#[test]
fn twelve_workers_have_a_partition_each_and_two_take_over_from_ten_that_were_killed() {
    scale_workers("consumer", Leave::Sigkill, &[1, 4, 12, 2]);
}

fn scale_workers(protocol: &str, leave: Leave, counts: &[usize]) {
    in_a_sandbox(async |sandbox| {
        let outcome = workers::run(sandbox, &short()?, protocol, leave, counts).await?;
        println!("{}", outcome.table);
        outcome.report.expect_right()
    });
}

#[test]
fn only_requests_at_a_killed_instance_fail_and_their_retries_succeed() {
    kill_an_instance(Repeat::Unsent);
}

#[test]
fn nginx_that_repeats_requests_elsewhere_hides_a_killed_instance() {
    kill_an_instance(Repeat::All);
}

fn kill_an_instance(repeat: Repeat) {
    in_a_sandbox(async |sandbox| {
        let outcome = instances::run(sandbox, &short()?, repeat).await?;
        println!("{}", outcome.table);
        outcome.report.conclude()?;
        Ok(())
    });
}

#[test]
fn nginx_that_does_not_start_prints_why() {
    in_a_sandbox(async |sandbox| {
        let configuration = Configuration::Own(Repeat::All);
        let outcome = Nginx::start(&[], configuration, sandbox.folder()).await;
        let error = format!("{:#}", outcome.err().context("it has no instance to ask")?);
        ensure!(error.contains("no servers are inside"), "{error}");
        Ok(())
    });
}

#[test]
fn nginx_answers_polls_of_a_queue_itself_and_passes_everything_else_on() {
    in_a_sandbox(async |sandbox| {
        let table = polls::run(sandbox, &short()?, &[10, 200]).await?;
        println!("{table}");
        Ok(())
    });
}
