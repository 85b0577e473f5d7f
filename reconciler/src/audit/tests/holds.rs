//! Orders that have to be paid: completions, expiries and holds.

use fluxgate_domain::ids::HoldSeconds;
use fluxgate_domain::{OrderFacts, SequenceNumber, Terms};
use fluxgate_ledger::DeadLetter;
use jiff::Timestamp;

use super::example::{CONFIRMED, Example, REJECTED, cancelled, id, number};
use super::{finds, is_right, late, letter};
use crate::audit::{Outcome, table};

/// The first order was paid (6), the second was not cancelled but has expired, with the same number, and the third waits.
fn with_holds(e: &mut Example) {
    let terms = Terms {
        hold_seconds: HoldSeconds::try_from(60).ok(),
        ..Terms::of(10.try_into().unwrap())
    };
    (e.then.terms, e.sale().terms) = (Some(terms), Some(terms));
    e.orders[0].facts.completion = Some(number(6));
    e.orders[1].facts = OrderFacts {
        expiry: Some(number(4)),
        ..CONFIRMED
    };
    reach(e, 6);
    (e.then.completed, e.then.holds) = (2, 1);
    e.sale().completed = 2;
}

/// Redis has given out the numbers up to this one.
fn reach(e: &mut Example, sequence: u32) {
    (e.then.number, e.now) = (number(sequence), number(sequence));
}

/// Finds this in the sale with holds after the change.
fn finds_in_holds(objection: &str, spoil: impl FnOnce(&mut Example)) {
    finds(objection, |e| {
        with_holds(e);
        spoil(e);
    });
}

/// The sale with holds is right after the change.
fn is_right_with_holds(change: impl FnOnce(&mut Example)) {
    is_right(|e| {
        with_holds(e);
        change(e);
    });
}

fn example() -> Example {
    let mut example = Example::new();
    with_holds(&mut example);
    example
}

/// Units held and completed, and orders expired.
fn counted(e: &Example) -> (i64, i64, usize) {
    let found = e.findings();
    (found.held, found.completed, found.expired)
}

#[test]
fn completions_and_expiries_have_numbers_and_an_expiry_returns_units() {
    is_right(with_holds);
    let found = example().findings();
    assert_eq!((found.sold, found.missing), (4, 0));
    assert_eq!(counted(&example()), (2, 2, 1));
    let line = "  2 units are held, 2 completed; 1 orders have expired\n";
    assert!(table(&[found]).contains(line));
    // An expiry that waits for Kafka has returned nothing yet.
    is_right_with_holds(|e| {
        e.then.effects.insert(number(4));
        e.then.remaining -= 2;
    });
    // Nor has one whose completion the ledger has let take the units again: Redis still sells them.
    finds_in_holds("2 units are sold and still offered", |e| {
        e.orders[1].facts.completion = Some(number(7));
        reach(e, 7);
        (e.sale().sold, e.sale().completed) = (6, 4);
    });
    finds_in_holds(
        "the ledger counts 0 units completed, its orders add up to 2",
        |e| e.sale().completed = 0,
    );
}

#[test]
fn what_is_held_and_completed_is_counted_as_it_was_at_the_snapshot() {
    // The completion is in the outbox and not written yet.
    let mut waiting = example();
    waiting.orders[0].facts = CONFIRMED;
    waiting.then.completions.insert(id(1));
    waiting.then.order_numbers.insert(number(6));
    waiting.sale().completed = 0;
    let found = waiting.findings();
    assert_eq!((found.objections, found.held), (vec![], 2));
    // So is the order itself.
    waiting.orders.remove(0);
    waiting.wait_for_order(1, "1-1 5 2 u");
    waiting.sale().sold = 2;
    let found = waiting.findings();
    assert_eq!((found.objections, found.held), (vec![], 2));
    // Events after the snapshot: the third order was paid, or has expired.
    let mut later = example();
    later.orders[2].facts.completion = Some(number(7));
    later.sale().completed = 4;
    later.now = number(7);
    assert_eq!(later.objections(), [""; 0]);
    assert_eq!(later.findings().held, 2);
    later.orders[2].facts.completion = None;
    later.orders[2].facts.expiry = Some(number(7));
    (later.sale().sold, later.sale().completed) = (2, 2);
    assert_eq!(later.objections(), [""; 0]);
    // A completed order was cancelled, and the cancel waits for Kafka.
    is_right_with_holds(|e| {
        e.orders[0].facts.cancel = cancelled(7).cancel;
        e.then.effects.insert(number(7));
        reach(e, 7);
        (e.sale().sold, e.sale().completed) = (2, 0);
    });
}

#[test]
fn completions_that_redis_counts_otherwise_are_found() {
    finds_in_holds(
        "Redis counts 0 units completed, the orders add up to 2",
        |e| e.then.completed = 0,
    );
    finds_in_holds(
        "Redis counts 4 units completed, the orders add up to 2",
        |e| e.then.completed = 4,
    );
}

#[test]
fn an_order_that_was_completed_and_has_expired_is_wrong_until_a_rebuild() {
    let both = |e: &mut Example| {
        e.orders[0].facts.expiry = Some(number(7));
        reach(e, 7);
    };
    let objection = "1 orders are completed and have expired";
    finds_in_holds(objection, both);
    let mut example = example();
    both(&mut example);
    let mut found = example.findings();
    found.note_behind(&late());
    assert_eq!(found.outcome(), Outcome::Wrong, "nothing can refute it");
    rebuilt(&mut example);
    assert_eq!(example.objections(), [""; 0]);
}

#[test]
fn an_order_that_was_paid_without_units_is_wrong_until_a_rebuild_and_told_until_it_is_cancelled() {
    let refused = |e: &mut Example| {
        let facts = &mut e.orders[1].facts;
        (facts.completion, facts.completion_refused) = (Some(number(7)), true);
        reach(e, 7);
    };
    let objection = "1 orders were paid and have no units";
    finds_in_holds(objection, refused);
    let mut example = example();
    refused(&mut example);
    rebuilt(&mut example);
    let found = example.findings();
    assert_eq!(found.outcome(), Outcome::Right, "{:?}", found.objections);
    let line = "  1 orders were paid and have no units: refund them\n";
    assert!(table(&[found]).contains(line));
    example.orders[1].facts.cancel = cancelled(8).cancel;
    assert!(!table(&[example.findings()]).contains("refund"));
}

/// Redis is restored from the rows, in a new epoch.
fn rebuilt(e: &mut Example) {
    let number = SequenceNumber::new(2, 0);
    (e.then.number, e.now, e.sale().highest) = (number, number, number);
}

#[test]
fn holds_of_orders_that_do_not_wait_for_their_payment_are_found() {
    finds_in_holds("1 holds are of no order that waits", |e| e.then.holds = 2);
    finds_in_holds("1 holds are of no order that waits", |e| {
        e.orders[2].facts.cancel = cancelled(7).cancel;
        reach(e, 7);
        (e.sale().sold, e.then.remaining) = (2, 11);
    });
    // An order that Redis does not know to be rejected has a hold: only its units are stranded.
    let mut example = example();
    example.orders[2].facts = REJECTED;
    example.sale().sold = 2;
    let objections = example.objections();
    assert_eq!(objections.len(), 1, "{objections:?}");
    // An order that waits in the outbox may have left it for the holds a moment ago.
    is_right_with_holds(|e| {
        e.orders.remove(2);
        e.wait_for_order(3, "1-3 5 2 u");
        e.sale().sold = 2;
    });
}

#[test]
fn orders_that_would_never_expire_are_named() {
    let mut found = example().findings();
    found.note_unheld(&[id(3)]);
    found.note_behind(&late());
    assert_eq!(found.outcome(), Outcome::Wrong, "nothing can refute it");
    let expected = format!("neither in the outbox nor among the holds: {};", id(3));
    assert!(found.objections[0].contains(&expected));
    found.note_unheld(&[1, 2, 3, 4, 5].map(id));
    let expected = format!("{} and 2 more;", id(3));
    assert!(found.objections[1].contains(&expected));
}

#[test]
fn a_sale_whose_orders_wait_for_their_payment_may_not_be_gone_from_redis() {
    let mut example = example();
    example.sale().closes_at = Some(Timestamp::UNIX_EPOCH);
    let found = example.compared(None, None);
    assert_eq!(found.outcome(), Outcome::Wrong);
    let objection = "Redis has lost it while 2 units wait for their payment";
    assert!(found.objections[0].starts_with(objection));
    // The last one is paid, too.
    example.orders[2].facts.completion = Some(number(7));
    example.sale().completed = 4;
    let found = example.compared(None, None);
    assert_eq!(found.outcome(), Outcome::Right, "{:?}", found.objections);
}

#[test]
fn a_completion_that_is_a_dead_letter_accounts_for_its_number_and_leaves_the_units_where_they_are()
{
    let completion = DeadLetter {
        order: Some(id(1)),
        is_cancel: false,
        is_completion: true,
        ..letter(6, 0)
    };
    let unwritten = |e: &mut Example| {
        e.orders[0].facts = CONFIRMED;
        e.sale().completed = 0;
        e.written.dead_letters = vec![completion];
    };
    is_right_with_holds(unwritten);
    is_right_with_holds(|e| {
        unwritten(e);
        // Neither the order nor its completion could be written.
        let first = e.orders.remove(0);
        e.sale().sold -= first.quantity;
        let order = DeadLetter {
            order: Some(id(1)),
            ..letter(1, 2)
        };
        e.written.dead_letters.push(order);
    });
    // A rebuild does not know of it.
    is_right_with_holds(|e| {
        unwritten(e);
        rebuilt(e);
        (e.then.completed, e.then.holds) = (0, 2);
    });
}
