//! Short versions of `make scale`.

use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::scale::nginx::{Nginx, Repeat};
use e2e::scale::worker_group::Leave;
use e2e::scale::{Protocol, instances, workers};

use crate::fixture::in_a_sandbox;

const HOLD: Duration = Duration::from_secs(1);

#[test]
fn workers_join_and_leave_under_load_and_every_order_is_written_once() {
    scale_workers(Protocol::Classic, Leave::Sigterm, &[1, 3, 1]);
}

/// In a group that the broker leads (KIP-848).
#[test]
fn twelve_workers_have_a_partition_each_and_two_take_over_from_ten_that_were_killed() {
    scale_workers(Protocol::Consumer, Leave::Sigkill, &[1, 4, 12, 2]);
}

fn scale_workers(protocol: Protocol, leave: Leave, counts: &[usize]) {
    in_a_sandbox(async |sandbox| {
        let run = workers::Run {
            protocol,
            leave,
            counts: counts.to_vec(),
            per_second: 600,
            hold: HOLD,
        };
        let outcome = workers::run(sandbox, run).await?;
        println!("{}", outcome.table());
        outcome.report.expect_right()?;
        let moved = outcome.changes.iter().map(|it| it.moved);
        ensure!(moved.min() > Some(0), "a change moved no partition");
        Ok(())
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
        let run = instances::Run {
            repeat,
            per_second: 600,
            hold: HOLD,
        };
        let outcome = instances::run(sandbox, run).await?;
        println!("{}", outcome.table());
        ensure!(outcome.is_right(), "{}", outcome.report);
        Ok(())
    });
}

#[test]
fn nginx_that_does_not_start_prints_why() {
    in_a_sandbox(async |sandbox| {
        let outcome = Nginx::start(&[], Repeat::All, sandbox.folder()).await;
        let error = format!("{:#}", outcome.err().context("it has no instance to ask")?);
        ensure!(error.contains("no servers are inside"), "{error}");
        Ok(())
    });
}
