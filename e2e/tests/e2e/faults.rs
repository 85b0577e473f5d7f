use std::sync::PoisonError;

use e2e::faults::results::Ending;
use e2e::faults::{matrix, rows};

use crate::fixture::{TURN, stack, two_threads};

/// The seed of each run. `make faults` runs the whole matrix.
const SEED: u64 = 7;

#[test]
fn a_killed_api_instance() {
    run("api-kill");
}

#[test]
fn a_killed_redis_that_writes_every_command_to_disk() {
    run("redis-kill");
}

#[test]
fn a_frozen_kafka_while_units_come_back() {
    run("late-changes");
}

#[test]
fn connections_to_redis_that_lose_replies() {
    run("redis-cut");
}

#[test]
fn a_postgresql_that_is_stopped_at_once() {
    run("postgres-immediate");
}

#[test]
fn a_worker_that_is_a_zombie() {
    run("zombie-worker");
}

/// Runs a row, and fails with every violation.
fn run(name: &str) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let row = rows::all().into_iter().find(|row| row.name == name);
    let row = row.expect("the row is in the table");
    let finished = two_threads().block_on(matrix::run_one(&row, SEED, stack()));
    assert_eq!(finished.ending, Ending::Right, "{finished}");
    println!("{finished}");
}
