//! Every way in which a run can go wrong, each found, and nothing else found with it.

mod changes;
mod orders;
mod stock;

use super::example::Example;
use super::*;

/// Fails unless `expected` is exactly what is found once `spoil` has changed the right example.
fn finds(expected: Violation, spoil: impl FnOnce(&mut Example)) {
    finds_in(Example::with_changes(), expected, spoil);
}

/// The same in a run that sells out, in which no unit comes back.
fn finds_sold_out(expected: Violation, spoil: impl FnOnce(&mut Example)) {
    finds_in(Example::sold_out(), expected, spoil);
}

fn finds_in(mut example: Example, expected: Violation, spoil: impl FnOnce(&mut Example)) {
    spoil(&mut example);
    assert_eq!(example.violations(), [expected]);
}

fn finds_nothing(spoil: impl FnOnce(&mut Example)) {
    let mut example = Example::with_changes();
    spoil(&mut example);
    assert_eq!(example.violations(), []);
}

#[test]
fn a_right_run_has_no_violation() {
    finds_nothing(|_| {});
    assert_eq!(Example::sold_out().violations(), []);
}

#[test]
fn a_loss_is_excused_only_where_it_was_caused_and_reported() {
    let lost = |accepted| Violation::Lost {
        id: example::id(1),
        accepted,
    };
    let loss = |possible, reported| Loss { possible, reported };
    assert_eq!(judge(Vec::new(), loss(true, false)), Judgement::Right);
    assert_eq!(
        judge(vec![lost(false)], loss(true, true)),
        Judgement::Reported
    );
    let wrong = judge(vec![lost(true), lost(false)], loss(true, true));
    assert_eq!(wrong, Judgement::Wrong(vec![lost(true)]));
    let silent = judge(vec![lost(false)], loss(true, false));
    assert_eq!(
        silent,
        Judgement::Wrong(vec![Violation::UnreportedLoss, lost(false)])
    );
    let alarm = judge(Vec::new(), loss(false, true));
    assert_eq!(alarm, Judgement::Wrong(vec![Violation::FalseLossReport]));
    assert_eq!(
        judge(vec![lost(true)], loss(false, false)),
        Judgement::Wrong(vec![lost(true)])
    );
}

#[test]
fn a_violation_is_one_sentence() {
    let ids = (0..7).map(example::id).collect();
    let sentence = Violation::DuplicateOrder {
        buyer: name(3),
        ids,
    }
    .to_string();
    assert!(
        sentence.starts_with("duplicate order: one key of buyer-3 led to [018bcfe5"),
        "{sentence}"
    );
    assert!(sentence.ends_with(" and 2 more]"), "{sentence}");
}
