use std::sync::PoisonError;

use e2e::faults::results::Ending;
use e2e::faults::{matrix, rows};

use crate::fixture::{TURN, stack, two_threads};

/// The seed of each run. `make faults` runs the whole matrix, also storms of holds, which take minutes.
const SEED: u64 = 7;

const ROWS: [&str; 6] = [
    "redis-kill",
    "redis-cut",
    "postgres-immediate",
    "zombie-worker",
    "holds-redis-away",
    "queue-api-kill-turns",
];

#[test]
fn no_promise_is_broken_by_a_fault_of_each_kind() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut wrong = Vec::new();
    for name in ROWS {
        let row = rows::all().into_iter().find(|row| row.name == name);
        let row = row.expect("the row is in the table");
        let finished = two_threads().block_on(matrix::run_one(&row, SEED, stack()));
        println!("{finished}");
        wrong.extend((finished.ending != Ending::Right).then_some(finished));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
