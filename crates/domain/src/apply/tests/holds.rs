//! Orders that have to be paid: whatever is read first, the rows are the same.

use super::*;
use crate::events::OrderCompleted;
use crate::order_facts::{Cancel, CancelledBy};

/// More than all orders of a test take.
const ROOM_TO_SPARE: i64 = 1_000;

/// What can happen to an order, each at most once: completion, expiry, cancel. Every number is of its own.
pub fn facts(n: u32) -> [Event; 3] {
    let completion = Event::OrderCompleted(OrderCompleted {
        order: order(n),
        completion_epoch: 1,
        completion_sequence: 300 + n,
        completed_at: Timestamp::UNIX_EPOCH,
    });
    let end = |cause, cancel_sequence| {
        Event::OrderCancelled(OrderCancelled {
            order: order(n),
            cancel_epoch: 1,
            cancel_sequence,
            cancelled_at: Timestamp::UNIX_EPOCH,
            cause,
        })
    };
    let cause = match n % 2 {
        0 => CancelCause::Shop,
        _ => CancelCause::Buyer,
    };
    [
        completion,
        end(CancelCause::Expired, 400 + n),
        end(cause, 100 + n),
    ]
}

/// Some events of some orders, each once.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let of_order = |n| {
        let [completion, expiry, cancel] = facts(n);
        let all = vec![Event::OrderReserved(order(n)), completion, expiry, cancel];
        prop::sample::subsequence(all, 0..=4)
    };
    let orders: Vec<_> = (0..12).map(of_order).collect();
    orders.prop_map(|orders| orders.concat())
}

/// The same events in any order, some of them several times.
fn shuffled(events: Vec<Event>) -> impl Strategy<Value = Vec<Event>> {
    let (most, all) = (events.len(), events.clone());
    let repeated = prop::sample::subsequence(events, 0..=most);
    let log = repeated.prop_map(move |repeated| [all.clone(), repeated].concat());
    log.prop_shuffle()
}

/// Each number in the rows.
fn numbers(rows: &Rows) -> Vec<SequenceNumber> {
    let all = rows.orders.values().flat_map(|row| {
        let OrderFacts {
            completion,
            expiry,
            cancel,
            ..
        } = row.facts;
        [completion, expiry, cancel.map(|cancel| cancel.number)]
    });
    let mut numbers: Vec<_> = all.flatten().collect();
    numbers.sort_unstable();
    numbers
}

/// The numbers of completions, expiries and cancels in a log, each once.
fn numbers_read(log: &[Event]) -> Vec<SequenceNumber> {
    let facts = log.iter().filter_map(|event| match event {
        Event::OrderCancelled(cancel) => Some(cancel.fact()),
        Event::OrderCompleted(completion) => Some(completion.fact()),
        _ => None,
    });
    let mut numbers: Vec<_> = facts.map(|fact| fact.number()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Units of the orders with one of these statuses.
fn units(rows: &Rows, is_one: impl Fn(OrderStatus) -> bool) -> i64 {
    let orders = (0..30).map(order);
    let held = orders.filter(|order| {
        let row = rows.orders.get(&order.order_id);
        row.is_some_and(|row| is_one(row.facts.status()))
    });
    held.map(|order| i64::from(order.quantity)).sum()
}

/// Asserts what holds for any log, however much room there is.
fn check(log: &[Event], rows: &Rows) {
    assert_eq!(numbers(rows), numbers_read(log), "every number is kept");
    assert_eq!(rows.ledger.sold, units(rows, OrderStatus::is_sold));
    let completed = units(rows, |status| status == OrderStatus::Completed);
    assert_eq!(rows.ledger.completed, completed);
    assert_eq!(rows.series.written, rows.orders.len() as i64);
    let facts = rows.orders.values().map(|row| row.facts);
    let ended = facts.map(|it| [it.completion, it.expiry].into_iter().flatten().count());
    assert_eq!(rows.series.holds_ended, ended.sum::<usize>() as i64);
}

proptest! {
    #[test]
    fn with_room_to_spare_the_rows_do_not_depend_on_what_is_read_first_or_twice(
        (events, log) in events().prop_flat_map(|events| (Just(events.clone()), shuffled(events))),
        size in 1usize..20,
    ) {
        let rows = in_batches(&log, size, ROOM_TO_SPARE);
        check(&log, &rows);
        prop_assert_eq!(rows, in_batches(&events, events.len().max(1), ROOM_TO_SPARE));
    }

    #[test]
    fn without_room_no_more_is_sold_than_there_is(
        log in events().prop_flat_map(shuffled),
        size in 1usize..20,
        total in 1i64..12,
    ) {
        // `in_batches` compares what is sold with the total after every batch.
        let rows = in_batches(&log, size, total);
        check(&log, &rows);
        prop_assert_eq!(&rows, &in_batches(&log, 1, total));
        for row in rows.orders.values().map(|row| row.facts) {
            let has_no_unit = row.decision != Decision::Confirmed || row.expiry.is_some();
            prop_assert!(has_no_unit || !row.completion_refused);
        }
    }
}

/// The last row of an order, and how many orders were paid without a unit, after a log in one batch.
fn last(log: &[Event], total: i64) -> (OrderFacts, usize) {
    let operations: Vec<_> = (0..).map(at).zip(log.iter().map(operation)).collect();
    let mut sales = headroom(total);
    let applied = apply(&operations, &ExistingRows::default(), &mut sales);
    let last = applied.orders.last().unwrap();
    (last.facts, applied.paid_without_unit.len())
}

#[test]
fn the_status_follows_from_the_facts() {
    let number = |sequence| SequenceNumber::new(1, sequence);
    let mut facts = OrderFacts::of(Decision::Rejected(RejectReason::Oversold));
    assert_eq!(facts.status(), OrderStatus::Rejected);
    facts.decision = Decision::Confirmed;
    assert_eq!(facts.status(), OrderStatus::Confirmed);
    facts.expiry = Some(number(2));
    assert_eq!(facts.status(), OrderStatus::Expired);
    facts.completion = Some(number(3));
    assert_eq!(facts.status(), OrderStatus::Completed);
    facts.completion_refused = true;
    assert_eq!(facts.status(), OrderStatus::Expired);
    facts.cancel = Some(Cancel {
        number: number(4),
        by: CancelledBy::Buyer,
    });
    assert_eq!(facts.status(), OrderStatus::Cancelled);
}

#[test]
fn a_completion_behind_its_expiry_takes_the_units_again_if_there_are_some() {
    // Each takes two units.
    let (first, second) = (order(1), order(5));
    let [completion, expiry, _] = facts(1);
    let mut log = vec![
        Event::OrderReserved(first),
        expiry,
        completion.clone(),
        Event::OrderReserved(second),
    ];
    let (_, paid_without_unit) = last(&log[..3], 2);
    assert_eq!(paid_without_unit, 0);
    let rows = in_batches(&log, 4, 2);
    let row = |n| rows.orders[&order(n).order_id].facts.status();
    assert_eq!(row(1), OrderStatus::Completed);
    assert_eq!(row(5), OrderStatus::Rejected, "no unit is left");

    log.swap(2, 3);
    let rows = in_batches(&log, 4, 2);
    let row = |n| rows.orders[&order(n).order_id].facts;
    assert_eq!(row(1).status(), OrderStatus::Expired, "its units are sold");
    assert!(row(1).completion.is_some() && row(1).completion_refused);
    assert_eq!(row(5).status(), OrderStatus::Confirmed);
    let (_, paid_without_unit) = last(&[log.clone(), vec![completion]].concat(), 2);
    assert_eq!(paid_without_unit, 1, "counted once");
}

#[test]
fn a_completion_of_a_rejected_order_is_refused_although_there_is_room_again() {
    let [completion, ..] = facts(1);
    let log = [Event::OrderReserved(order(1)), restock(30), completion];
    let (facts, paid_without_unit) = last(&log, 1);
    assert_eq!(facts.status(), OrderStatus::Rejected);
    assert_eq!(paid_without_unit, 1);
}

#[test]
fn a_cancelled_order_that_was_paid_is_a_refund_whichever_is_read_first() {
    let [completion, _, cancel] = facts(1);
    for log in [[completion.clone(), cancel.clone()], [cancel, completion]] {
        let (facts, paid_without_unit) = last(&log, 2);
        assert_eq!(facts.status(), OrderStatus::Cancelled);
        assert!(!facts.completion_refused);
        assert_eq!(paid_without_unit, 0);
    }
}

#[test]
fn a_rejected_order_that_is_taken_again_after_a_rebuild_can_be_completed() {
    let again = |mut event: Event| {
        let Event::OrderCompleted(completion) = &mut event else {
            panic!("a completion");
        };
        (completion.order.epoch, completion.order.sequence) = (2, 1);
        (completion.completion_epoch, completion.completion_sequence) = (2, 2);
        event
    };
    let [completion, ..] = facts(1);
    let log = [
        Event::OrderReserved(order(5)),
        Event::OrderReserved(order(1)),
        completion.clone(),
        cancel(5),
        fence(2),
        again(completion),
    ];
    for size in 1..=log.len() {
        let rows = in_batches(&log, size, 2);
        let row = rows.orders[&order(1).order_id];
        let status = row.facts.status();
        assert_eq!((row.epoch, status), (2, OrderStatus::Completed));
        let number = SequenceNumber::new(2, 2);
        assert_eq!(row.facts.completion, Some(number), "batches of {size}");
        assert_eq!((rows.ledger.sold, rows.ledger.completed), (2, 2));
    }
}

#[test]
fn what_ends_the_hold_of_an_order_of_no_known_sale_is_kept_and_not_counted() {
    let [completion, expiry, _] = facts(1);
    let operations = [(at(3), operation(&completion)), (at(6), operation(&expiry))];
    let mut sales = headroom(10);
    sales.get_mut(&product()).unwrap().opened_at_offset = Some(5);
    let applied = apply(&operations, &ExistingRows::default(), &mut sales);
    let facts = applied.orders[0].facts;
    let reason = RejectReason::UnknownSale;
    assert_eq!(facts.decision, Decision::Rejected(reason));
    assert!(facts.completion.is_some() && facts.expiry.is_some());
    assert_eq!(facts.status(), OrderStatus::Expired);
    let series = &applied.series[&NumberSeries::of(&product())];
    assert_eq!((series.written, series.holds_ended), (0, 0));
}
