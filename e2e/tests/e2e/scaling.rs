//! Short versions of `make scale`.

use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::scale::crew::Leave;
use e2e::scale::nginx::{Nginx, Repeat};
use e2e::scale::{Protocol, copies, tables, workers};

use crate::fixture::in_a_sandbox;

const HOLD: Duration = Duration::from_secs(1);

#[test]
fn workers_join_and_leave_under_load_and_every_order_is_written_once() {
    scale_workers(Protocol::Classic, Leave::Asked, &[1, 3, 1]);
}

/// In a group that the broker leads (KIP-848).
#[test]
fn twelve_workers_have_a_partition_each_and_two_take_over_from_ten_that_were_killed() {
    scale_workers(Protocol::Consumer, Leave::Killed, &[1, 4, 12, 2]);
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
        println!("{:#?}", outcome.changes);
        outcome.report.expect_right()?;
        let moved = outcome.changes.iter().map(|it| it.moved);
        ensure!(moved.min() > Some(0), "a change moved no partition");
        Ok(())
    });
}

#[test]
fn only_requests_at_a_killed_copy_fail_and_their_retries_succeed() {
    kill_a_copy(Repeat::Unsent);
}

#[test]
fn nginx_that_repeats_requests_elsewhere_hides_a_killed_copy() {
    kill_a_copy(Repeat::All);
}

#[test]
fn nginx_that_does_not_start_says_why() {
    in_a_sandbox(async |sandbox| {
        let outcome = Nginx::before(&[], Repeat::All, sandbox.folder()).await;
        let error = format!("{:#}", outcome.err().context("it has no copy to ask")?);
        ensure!(error.contains("no servers are inside"), "{error}");
        Ok(())
    });
}

fn kill_a_copy(repeat: Repeat) {
    in_a_sandbox(async |sandbox| {
        let run = copies::Run {
            repeat,
            per_second: 600,
            hold: HOLD,
        };
        let outcome = copies::run(sandbox, run).await?;
        let table = tables::of_copies(&outcome);
        println!("{table}");
        ensure!(outcome.is_right(), "{table}\n{}", outcome.report);
        Ok(())
    });
}
