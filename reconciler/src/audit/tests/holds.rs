//! Completions and expiries.

use fluxgate_domain::OrderFacts;
use fluxgate_ledger::DeadLetter;

use super::example::{CONFIRMED, Example, id, number};
use super::{finds, is_right, letter};

/// The second order was not cancelled but expired, with the same number; the first one was paid.
fn with_holds(e: &mut Example) {
    e.orders[0].facts.completion = Some(number(6));
    e.orders[1].facts = OrderFacts {
        expiry: Some(number(4)),
        ..CONFIRMED
    };
    (e.then.number, e.now) = (number(6), number(6));
    e.sale().completed = 2;
}

#[test]
fn completions_and_expiries_have_numbers_and_an_expiry_returns_units() {
    is_right(with_holds);
    let mut example = Example::new();
    with_holds(&mut example);
    let found = example.findings();
    assert_eq!((found.sold, found.completed, found.expired), (4, 2, 1));
    // An expiry that waits for Kafka has returned nothing yet.
    is_right(|e| {
        with_holds(e);
        e.then.effects.insert(number(4));
        e.then.remaining -= 2;
    });
    // Nor has one whose completion the ledger has let take the units again: Redis still sells them.
    finds("2 units are sold and still offered", |e| {
        with_holds(e);
        e.orders[1].facts.completion = Some(number(7));
        (e.then.number, e.now) = (number(7), number(7));
        (e.sale().sold, e.sale().completed) = (6, 4);
    });
    finds(
        "the ledger counts 0 units completed, its orders add up to 2",
        |e| {
            with_holds(e);
            e.sale().completed = 0;
        },
    );
}

#[test]
fn a_completion_that_is_a_dead_letter_accounts_for_its_number_and_leaves_the_units_where_they_are()
{
    is_right(|e| {
        with_holds(e);
        e.orders[0].facts = CONFIRMED;
        e.sale().completed = 0;
        e.written.dead_letters = vec![DeadLetter {
            order: Some(id(1)),
            is_cancel: false,
            ..letter(6, 0)
        }];
        // Neither the order nor its completion could be written.
        let first = e.orders.remove(0);
        e.sale().sold -= first.quantity;
        let order = DeadLetter {
            order: Some(id(1)),
            ..letter(1, 2)
        };
        e.written.dead_letters.push(order);
    });
}
