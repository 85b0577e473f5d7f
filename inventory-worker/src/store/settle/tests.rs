use super::*;
use fluxgate_domain::events::Event;
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, RestockId, Tag, UserId};
use jiff::Timestamp;
use proptest::prelude::*;

fn product() -> ProductId {
    ProductId::parse("p").unwrap()
}

fn key(n: u32) -> IdempotencyKey {
    IdempotencyKey::parse(&n.to_string()).unwrap()
}

/// The same key is the same order, so it has the same quantity and number.
fn order(n: u32) -> OrderReserved {
    let user = UserId::parse("u").unwrap();
    OrderReserved {
        order_id: OrderId::derive(&product(), Tag::of(&product()), 1, &user, &key(n)),
        product_id: product(),
        user_id: user,
        quantity: i64::from(1 + n % 4).try_into().unwrap(),
        epoch: 1,
        sequence: n,
        placed_at: Timestamp::UNIX_EPOCH,
    }
}

fn cancel(n: u32) -> Event {
    Event::OrderCancelled(OrderCancelled {
        order: order(n),
        cancel_epoch: 1,
        cancel_sequence: 100 + n,
        cancelled_at: Timestamp::UNIX_EPOCH,
    })
}

fn restock(n: u32) -> Event {
    Event::SaleRestocked(SaleRestocked {
        product_id: product(),
        restock_id: RestockId::derive(&product(), &key(n)),
        quantity: i64::from(1 + n).try_into().unwrap(),
        epoch: 1,
        sequence: 200 + n,
        restocked_at: Timestamp::UNIX_EPOCH,
    })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0u32..30).prop_map(|n| Event::OrderReserved(order(n))),
        2 => (0u32..30).prop_map(cancel),
        1 => (0u32..4).prop_map(restock),
        1 => (1u32..3).prop_map(fence),
    ]
}

fn step(event: &Event) -> Step<'_> {
    match event {
        Event::OrderReserved(order) => Step::Order(order),
        Event::OrderCancelled(cancel) => Step::Cancel(cancel),
        Event::SaleRestocked(restock) => Step::Restock(restock),
        Event::SaleClosed(close) => Step::Close(close),
        Event::SaleFenced(fence) => Step::Fence(fence),
        Event::SaleOpened(_) => unreachable!("openings are no steps"),
    }
}

fn room(total: i64) -> HashMap<String, Room> {
    let room = Room {
        total,
        sold: 0,
        fenced: 0,
        opened_at_offset: None,
    };
    HashMap::from([("p".to_owned(), room)])
}

/// Settles in batches of `size`, keeping what was written between them: each order's last
/// status, and the ledger.
fn in_batches(
    events: &[Event],
    size: usize,
    total: i64,
) -> (HashMap<Uuid, Outcome>, i64, i64, i64) {
    let (mut rooms, mut known, mut rows) = (room(total), Known::default(), HashMap::new());
    let (mut sold, mut total, mut written) = (0, total, 0);
    let steps: Vec<_> = (0..).zip(events.iter().map(step)).collect();
    for batch in steps.chunks(size) {
        let done = settle(batch, &mut known, &mut rooms);
        for row in &done.orders {
            rows.insert(row.order.order_id.as_uuid(), row.outcome);
        }
        for (id, _) in &done.cancelled {
            rows.insert(*id, Outcome::Cancelled);
        }
        if let Some(count) = done.counts.get("p") {
            sold += count.units;
            total += count.added;
            written += count.orders;
        }
        assert!(0 <= sold && sold <= total, "{sold} of {total}");
        let room = rooms["p"];
        assert_eq!((room.sold, room.total), (sold, total));
    }
    (rows, sold, total, written)
}

proptest! {
    #[test]
    fn the_outcome_does_not_depend_on_how_the_log_was_batched(
        events in prop::collection::vec(event(), 0..80),
        size in 1usize..20,
        total in 1i64..40,
    ) {
        prop_assert_eq!(in_batches(&events, size, total), in_batches(&events, 1, total));
    }

    #[test]
    fn a_log_read_twice_counts_once(
        events in prop::collection::vec(event(), 0..40),
        total in 1i64..40,
    ) {
        let twice: Vec<_> = events.iter().chain(&events).cloned().collect();
        prop_assert_eq!(in_batches(&twice, 7, total), in_batches(&events, 7, total));
    }
}

#[test]
fn a_cancel_that_is_read_first_leaves_its_order_a_duplicate() {
    let (mut rooms, mut known) = (room(1), Known::default());
    let (cancel, order) = (cancel(4), order(4));
    let steps = [(0, step(&cancel)), (1, Step::Order(&order))];
    let done = settle(&steps, &mut known, &mut rooms);
    assert_eq!(done.orders.len(), 1);
    assert_eq!(done.orders[0].outcome, Outcome::Cancelled);
    assert_eq!((done.duplicates, rooms["p"].sold), (1, 0));
}

fn fence(epoch: u32) -> Event {
    Event::SaleFenced(SaleFenced {
        product_id: product(),
        epoch,
        fenced_at: Timestamp::UNIX_EPOCH,
    })
}

#[test]
fn behind_a_fence_nothing_of_an_earlier_epoch_is_taken() {
    let (early, late) = (order(1), order(2));
    let (fence, cancel, restock) = (fence(2), cancel(1), restock(1));
    let again = OrderReserved {
        epoch: 2,
        sequence: 1,
        ..order(2)
    };
    let steps = [
        (0, Step::Order(&early)),
        (1, step(&fence)),
        (2, Step::Order(&early)), // a duplicate, fence or not
        (3, Step::Order(&late)),
        (4, step(&cancel)),
        (5, step(&restock)),
        (6, Step::Order(&again)), // its key is taken again, in the rebuilt sale
    ];
    for size in 1..=steps.len() {
        let (mut rooms, mut known) = (room(10), Known::default());
        let (mut rows, mut refused, mut orders) = (HashMap::new(), Vec::new(), 0);
        for batch in steps.chunks(size) {
            let done = settle(batch, &mut known, &mut rooms);
            for row in &done.orders {
                rows.insert(row.order.order_id.as_uuid(), (row.outcome, row.order.epoch));
            }
            refused.extend(done.refused.iter().map(|r| (r.offset, r.reason)));
            orders += done.counts.get("p").map_or(0, |count| count.orders);
        }
        let row = |n| rows[&order(n).order_id.as_uuid()];
        assert_eq!(row(1), (Outcome::Confirmed, 1), "batches of {size}");
        assert_eq!(row(2), (Outcome::Confirmed, 2), "batches of {size}");
        assert_eq!(refused, [(4, FENCED), (5, FENCED)]);
        assert_eq!((orders, rooms["p"].sold, rooms["p"].fenced), (2, 5, 2));
    }
}

#[test]
fn what_stands_before_the_opening_is_of_no_known_sale() {
    let (early, late, restock) = (order(1), order(2), restock(1));
    let mut rooms = room(10);
    rooms.get_mut("p").unwrap().opened_at_offset = Some(5);
    let steps = [
        (3, step(&restock)),
        (4, Step::Order(&early)),
        (6, Step::Order(&late)),
    ];
    let done = settle(&steps, &mut Known::default(), &mut rooms);
    let refused: Vec<_> = done.refused.iter().map(|r| (r.offset, r.reason)).collect();
    assert_eq!(refused, [(3, UNKNOWN_SALE)]);
    assert_eq!(done.orders[0].outcome, Outcome::Rejected("unknown_sale"));
    assert_eq!(done.orders[1].outcome, Outcome::Confirmed);
    let orders = done.counts["p"].orders;
    assert_eq!(orders, 1, "only orders of a known sale are counted");
}
