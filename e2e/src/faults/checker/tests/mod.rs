//! Every way in which a run can go wrong, each found, and found once.

mod answers;
mod changes;
mod keys;
mod stock;

use super::example::Example;
use super::*;

/// Fails unless `expected` is exactly what is found once `spoil` has been at work.
fn finds(expected: impl FnOnce(&Example) -> Violation, spoil: impl FnOnce(&mut Example)) {
    let mut example = Example::new();
    spoil(&mut example);
    assert_eq!(example.violations(), [expected(&example)]);
}

fn nothing_wrong(spoil: impl FnOnce(&mut Example)) {
    let mut example = Example::new();
    spoil(&mut example);
    assert_eq!(example.violations(), []);
}

/// Takes a row away, and the unit it held back to the shelf.
fn unsell(e: &mut Example, buyer: usize) {
    let id = e.id(buyer);
    e.rows().retain(|row| row.id != id);
    e.ledger().sold -= 1;
    e.shelf().remaining += 1;
}

/// One more row, with its unit taken off the shelf and its number given.
fn sell(e: &mut Example, buyer: usize) {
    let row = e.row_of(buyer, 10);
    e.rows().push(row);
    e.sale().numbers.push(10);
    e.ledger().sold += 1;
    e.shelf().remaining -= 1;
    e.shelf().sequence = 10;
}

#[test]
fn a_run_that_went_right_has_no_violation() {
    nothing_wrong(|_| {});
}

#[test]
fn a_loss_is_excused_only_where_it_was_caused_and_reported() {
    let id = Example::new().id(1);
    let lost = |accepted| Violation::Lost { id, accepted };
    let loss = |possible, reported| Loss { possible, reported };
    assert_eq!(judge(Vec::new(), loss(true, false)), Verdict::Right);
    assert_eq!(
        judge(vec![lost(false)], loss(true, true)),
        Verdict::Reported
    );
    let wrong = judge(vec![lost(true)], loss(true, true));
    assert_eq!(wrong, Verdict::Wrong(vec![lost(true)]));
    let silent = judge(vec![lost(false)], loss(true, false));
    let expected = vec![Violation::UnreportedLoss, lost(false)];
    assert_eq!(silent, Verdict::Wrong(expected));
    let alarm = judge(Vec::new(), loss(false, true));
    assert!(matches!(alarm, Verdict::Wrong(_)));
}
