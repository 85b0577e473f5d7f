//! Each way in which a sale can be wrong is found; records on their way are not wrong.

mod example;
mod holds;
mod queue;

use fluxgate_domain::apply::ChangeKind;
use fluxgate_domain::{SequenceNumber, Terms};
use fluxgate_gate::State;
use fluxgate_ledger::{ChangeRow, DeadLetter, WrittenSale};
use jiff::Timestamp;

use super::Outcome;
use crate::Undecided;
use example::{CONFIRMED, Example, REJECTED, cancelled, id, number, order};

fn finds(objection: &str, spoil: impl FnOnce(&mut Example)) {
    let mut example = Example::new();
    spoil(&mut example);
    let objections = example.objections();
    let found = objections.iter().any(|it| it.starts_with(objection));
    assert!(found, "{objection:?} is not in {objections:?}");
    assert_eq!(example.findings().outcome(), Outcome::Wrong);
}

fn is_right(change: impl FnOnce(&mut Example)) {
    let mut example = Example::new();
    change(&mut example);
    assert_eq!(example.findings().objections, [""; 0]);
    assert_eq!(example.findings().outcome(), Outcome::Right);
}

#[test]
fn a_sale_at_rest_is_right() {
    is_right(|_| {});
}

#[test]
fn events_after_the_snapshot_are_not_objections() {
    is_right(|e| {
        e.now = number(8);
        e.orders.push(order(6, CONFIRMED));
        e.orders[0].facts = cancelled(7);
        let later = ChangeRow {
            number: number(8),
            id: "later".to_owned(),
            ..e.written.changes[0].clone()
        };
        e.written.changes.push(later);
        e.sale().total += 3;
        e.sale().highest = number(8);
    });
}

#[test]
fn cancels_after_the_sale_left_redis_share_a_number() {
    is_right(|e| {
        for order in [0, 2] {
            e.orders[order].facts = cancelled(0);
        }
        e.sale().sold = 0;
        // A rebuild fills Redis from the rows.
        e.then.remaining = 13;
    });
}

#[test]
fn numbers_in_the_outbox_are_not_missing_and_their_effects_do_not_count_yet() {
    is_right(|e| {
        // The third order, the cancel and the restock have not left Redis.
        e.orders.remove(2);
        e.wait_for_order(3, "1-3 5 2 u");
        e.orders[1].facts = CONFIRMED;
        e.then.effects.extend([number(4), number(5)]);
        e.written.changes.clear();
        e.sale().total -= 3;
        (e.then.total, e.then.remaining) = (10, 4);
        e.sale().highest = number(2);
    });
}

#[test]
fn an_entry_that_is_written_and_not_acknowledged_yet_counts_once() {
    is_right(|e| e.wait_for_order(3, "1-3 5 2 u"));
}

#[test]
fn an_order_whose_key_was_used_again_has_its_units() {
    // The third order was fenced; then its key was used again in the next epoch.
    is_right(|e| {
        let again = SequenceNumber::new(2, 1);
        e.orders[2].facts = REJECTED;
        e.sale().sold = 2;
        (e.then.number, e.now) = (again, again);
        e.wait_for_order(3, "2-1 5 2 u");
        e.then.order_numbers.insert(again);
    });
}

#[test]
fn a_dead_letter_accounts_for_its_number() {
    is_right(|e| {
        e.orders.remove(1);
        e.written.dead_letters = vec![letter(2, 2), letter(4, 0)];
    });
    // Not cancelled, it has its units.
    is_right(|e| {
        e.orders.remove(0);
        e.written.dead_letters = vec![DeadLetter {
            order: Some(id(1)),
            ..letter(1, 2)
        }];
        e.sale().sold = 2;
    });
}

fn letter(sequence: u32, quantity: i64) -> DeadLetter {
    DeadLetter {
        order: Some(id(2)),
        quantity,
        is_cancel: quantity == 0,
        is_completion: false,
        number: number(sequence),
    }
}

#[test]
fn a_sale_whose_rebuild_has_begun_is_undecided() {
    let example = Example::new();
    let found = example.compared(Some(example.then.clone()), None);
    assert_eq!(found.outcome(), Outcome::Undecided);
}

#[test]
fn numbers_lost_before_a_rebuild_are_counted_and_not_wrong() {
    let mut example = Example::new();
    example.orders.remove(1);
    example.then.number = SequenceNumber {
        epoch: 2,
        sequence: 0,
    };
    example.now = example.then.number;
    let found = example.findings();
    assert_eq!((found.lost_before, found.outcome()), (2, Outcome::Right));
}

#[test]
fn a_closed_sale_may_be_gone_from_redis() {
    let mut example = Example::new();
    let outcome = |example: &Example| example.compared(None, None).outcome();
    assert_eq!(outcome(&example), Outcome::Wrong);
    example.sale().closes_at = Some(Timestamp::UNIX_EPOCH);
    assert_eq!(outcome(&example), Outcome::Right);
    example.sale().closes_at = None;
    example.written.changes[0].kind = ChangeKind::Close;
    assert_eq!(outcome(&example), Outcome::Right);
}

#[test]
fn too_many_waiting_changes_are_undecided_and_no_objection() {
    let mut example = Example::new();
    example.then.unchecked_effects = 501;
    // Returned units that cannot be told from waiting ones.
    example.then.remaining -= 2;
    let found = example.findings();
    assert_eq!(found.outcome(), Outcome::Undecided);
    assert_eq!(found.objections, [""; 0]);
    assert!(found.doubts[0].starts_with("501 changes wait for Kafka"));
}

#[test]
fn a_sale_that_is_not_open_yet_is_undecided() {
    let mut example = Example::new();
    example.then.state = State::Opening;
    example.written = WrittenSale::default();
    example.orders.clear();
    assert_eq!(example.findings().outcome(), Outcome::Undecided);
}

fn late() -> Undecided {
    Undecided::Behind {
        partition: 0,
        position: 7,
        wanted: 8,
    }
}

#[test]
fn what_a_late_worker_may_still_write_is_undecided() {
    let mut example = Example::new();
    example.orders.remove(2);
    example.sale().sold = 2;
    let mut found = example.findings();
    assert_eq!(found.outcome(), Outcome::Wrong);
    found.note_behind(&late());
    assert_eq!(found.outcome(), Outcome::Undecided);
}

#[test]
fn what_no_late_worker_can_repair_is_wrong_at_once() {
    let outcome = |spoil: fn(&mut Example)| {
        let mut example = Example::new();
        spoil(&mut example);
        let mut found = example.findings();
        found.note_behind(&late());
        found.outcome()
    };
    assert_eq!(outcome(|_| {}), Outcome::Undecided);
    assert_eq!(outcome(|e| e.sale().total = 3), Outcome::Wrong);
    assert_eq!(outcome(|e| e.sale().sold = 6), Outcome::Wrong);
    assert_eq!(outcome(|e| e.now = number(4)), Outcome::Wrong);
    let twice = |e: &mut Example| e.orders.push(order(1, REJECTED));
    assert_eq!(outcome(twice), Outcome::Wrong);
}

#[test]
fn a_log_that_ends_before_its_position_is_wrong() {
    let mut found = Example::new().findings();
    found.note_behind(&Undecided::Shorter {
        partition: 0,
        position: 8,
        end: 7,
    });
    assert_eq!(found.outcome(), Outcome::Wrong);
    assert!(found.objections[0].contains("Kafka has lost records"));
}

#[test]
fn each_inconsistency_is_found() {
    finds("1 numbers are neither written", |e| {
        e.then.number = number(6);
        e.now = number(6);
    });
    finds("2 numbers are used twice", |e| {
        let again = [order(1, REJECTED), order(3, REJECTED)];
        e.orders.extend(again);
    });
    finds("stranded: 2 units", |e| e.then.remaining -= 2);
    finds("stranded: 2 units", |e| {
        e.orders[0].facts = REJECTED;
        e.sale().sold = 2;
    });
    finds("2 units are sold and still offered", |e| {
        e.then.remaining += 2
    });
    finds("Redis has a total of 10 units, the ledger 13", |e| {
        (e.then.total, e.then.remaining) = (10, 6);
    });
    finds("Redis is at 1-4, PostgreSQL at 1-5", |e| {
        (e.then.number, e.now) = (number(4), number(4));
    });
    finds(
        "the ledger counts 6 units sold, its orders add up to 4",
        |e| e.sale().sold = 6,
    );
    finds("oversold: 4 units of 3", |e| e.sale().total = 3);
    finds("PostgreSQL does not know the sale", |e| {
        e.written.sale = None
    });
    finds("1 outbox entries whose record", |e| e.then.unreadable = 1);
    finds("Redis has lost one of its keys", |e| e.then.is_lost = true);
    finds("it is being rebuilt", |e| e.then.state = State::Rebuilding);
}

#[test]
fn redis_and_the_ledger_have_the_same_terms_unless_an_amendment_is_on_its_way() {
    let terms = |limit| {
        Some(Terms {
            per_user_limit: Some(limit),
            ..Terms::of(10.try_into().unwrap())
        })
    };
    let mut example = Example::new();
    (example.then.terms, example.sale().terms) = (terms(1), terms(1));
    assert_eq!(example.findings().objections, [""; 0]);
    example.sale().terms = terms(2);
    let objections = example.findings().objections;
    assert!(
        objections[0].starts_with("Redis has the terms {"),
        "{objections:?}"
    );
    // Amended since the snapshot.
    example.written.changes.push(ChangeRow {
        id: "amend:1-6".to_owned(),
        kind: ChangeKind::Amend,
        units: 0,
        number: number(6),
        at: Timestamp::UNIX_EPOCH,
        queue_settings: None,
    });
    assert_eq!(example.findings().objections, [""; 0]);
}
