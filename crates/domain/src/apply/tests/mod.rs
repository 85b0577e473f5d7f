mod changes;
mod holds;
mod partitions;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::NumberSeries;
use crate::events::{CancelCause, Event, OrderCancelled, SaleClosed, SaleOpened, SaleRestocked};
use crate::ids::{IdempotencyKey, OrderId, RestockId, Tag, UserId};

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
        cause: CancelCause::Shop,
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
        2 => (0u32..30, 0usize..3).prop_map(|(n, fact)| holds::facts(n)[fact].clone()),
        1 => (0u32..4).prop_map(restock),
        1 => (0u32..4).prop_map(changes::amendment),
        1 => (0u32..4).prop_map(changes::queue_start),
        1 => (0u32..4).prop_map(changes::queue_change),
        1 => (1u32..3).prop_map(fence),
    ]
}

fn operation(event: &Event) -> Operation<'_> {
    Operation::of(event)
}

/// An offset of the sale's partition.
fn at(offset: i64) -> PartitionOffset {
    let partition = 0;
    PartitionOffset { partition, offset }
}

fn headroom(total: i64) -> HashMap<ProductId, Headroom> {
    let sale = Headroom {
        partition: 0,
        total,
        sold: 0,
        fenced_epoch: 0,
        opened_at_offset: None,
    };
    HashMap::from([(product(), sale)])
}

/// What PostgreSQL holds after a log.
#[derive(Debug, PartialEq)]
struct Rows {
    orders: HashMap<OrderId, ExistingOrder>,
    ledger: LedgerDelta,
    series: SeriesDelta,
    /// The number of the amendment that the terms are of.
    terms: SequenceNumber,
}

/// Adds the rows that a batch writes to those that exist.
fn write(applied: &AppliedBatch<'_>, existing: &mut ExistingRows) {
    for NewOrder { order, facts } in &applied.orders {
        let (epoch, facts) = (order.epoch, *facts);
        let row = ExistingOrder { epoch, facts };
        existing.orders.insert(order.order_id, row);
    }
    for (id, facts) in &applied.changed {
        existing.orders.get_mut(id).unwrap().facts = *facts;
    }
    let changes = applied.changes.iter();
    let changes = changes.map(|change| (change.product.clone(), change.id.clone()));
    existing.changes.extend(changes);
}

/// Applies a log in batches of `size`.
fn in_batches(events: &[Event], size: usize, total: i64) -> Rows {
    let (mut sales, mut existing) = (headroom(total), ExistingRows::default());
    let mut ledger = LedgerDelta {
        total,
        ..LedgerDelta::default()
    };
    let mut series = SeriesDelta::default();
    let mut terms = SequenceNumber::default();
    let operations: Vec<_> = (0..).map(at).zip(events.iter().map(operation)).collect();
    for batch in operations.chunks(size) {
        let applied = apply(batch, &existing, &mut sales);
        write(&applied, &mut existing);
        if let Some(delta) = applied.ledger.get(&product()) {
            ledger.sold += delta.sold;
            ledger.completed += delta.completed;
            ledger.total += delta.total;
            ledger.fenced_epoch = ledger.fenced_epoch.max(delta.fenced_epoch);
            ledger.queue_joined = ledger.queue_joined.max(delta.queue_joined);
        }
        if let Some(delta) = applied.series.get(&NumberSeries::of(&product())) {
            series.written += delta.written;
            series.holds_ended += delta.holds_ended;
            series.highest = series.highest.max(delta.highest);
        }
        if let Some(amended) = applied.amendments.get(&product()) {
            // As the ledger's statement.
            terms = terms.max(amended.number());
        }
        let LedgerDelta { sold, total, .. } = ledger;
        assert!(0 <= sold && sold <= total, "{sold} of {total}");
        let sale = sales[&product()];
        assert_eq!((sale.sold, sale.total), (sold, total));
    }
    let orders = existing.orders;
    Rows {
        orders,
        ledger,
        series,
        terms,
    }
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
    let mut sales = headroom(1);
    let (cancel, order) = (cancel(4), order(4));
    let operations = [
        (at(0), operation(&cancel)),
        (at(1), Operation::Order(&order)),
    ];
    let applied = apply(&operations, &ExistingRows::default(), &mut sales);
    assert_eq!(applied.orders.len(), 1);
    assert_eq!(applied.orders[0].facts.status(), OrderStatus::Cancelled);
    assert_eq!((applied.duplicates, sales[&product()].sold), (1, 0));
}

fn fence(epoch: u32) -> Event {
    Event::SaleFenced(SaleFenced {
        product_id: product(),
        epoch,
        fenced_at: Timestamp::UNIX_EPOCH,
    })
}

#[test]
fn nothing_of_an_epoch_below_the_fence_is_accepted() {
    let (early, late) = (order(1), order(2));
    let (fence, cancel, restock) = (fence(2), cancel(1), restock(1));
    let again = OrderReserved {
        epoch: 2,
        sequence: 1,
        ..order(2)
    };
    let operations = [
        (at(0), Operation::Order(&early)),
        (at(1), operation(&fence)),
        (at(2), Operation::Order(&early)), // a duplicate, fence or not
        (at(3), Operation::Order(&late)),
        (at(4), operation(&cancel)),
        (at(5), operation(&restock)),
        (at(6), Operation::Order(&again)), // its key is taken again, in the rebuilt sale
    ];
    for size in 1..=operations.len() {
        let (mut sales, mut existing) = (headroom(10), ExistingRows::default());
        let (mut refused, mut written) = (Vec::new(), 0);
        for batch in operations.chunks(size) {
            let applied = apply(batch, &existing, &mut sales);
            write(&applied, &mut existing);
            refused.extend(applied.refused.iter().map(|r| (r.0.offset, r.1)));
            let series = applied.series.values();
            written += series.map(|delta| delta.written).sum::<i64>();
        }
        let row = |n| existing.orders[&order(n).order_id];
        let confirmed = |epoch| ExistingOrder {
            epoch,
            facts: OrderFacts::of(Decision::Confirmed),
        };
        assert_eq!(row(1), confirmed(1), "batches of {size}");
        assert_eq!(row(2), confirmed(2), "batches of {size}");
        assert_eq!(refused, [(4, FENCED), (5, FENCED)]);
        let sale = sales[&product()];
        assert_eq!((written, sale.sold, sale.fenced_epoch), (2, 5, 2));
    }
}

#[test]
fn what_is_read_before_the_opening_is_of_no_known_sale() {
    let (early, late, restock) = (order(1), order(2), restock(1));
    let mut sales = headroom(10);
    sales.get_mut(&product()).unwrap().opened_at_offset = Some(5);
    let operations = [
        (at(3), operation(&restock)),
        (at(4), Operation::Order(&early)),
        (at(6), Operation::Order(&late)),
    ];
    let applied = apply(&operations, &ExistingRows::default(), &mut sales);
    let refused = applied.refused.iter().map(|r| (r.0.offset, r.1));
    assert_eq!(refused.collect::<Vec<_>>(), [(3, UNKNOWN_SALE)]);
    let decisions = applied.orders.iter().map(|row| row.facts.decision);
    assert_eq!(
        decisions.collect::<Vec<_>>(),
        [
            Decision::Rejected(RejectReason::UnknownSale),
            Decision::Confirmed
        ]
    );
    let series = &applied.series[&NumberSeries::of(&product())];
    assert_eq!(series.written, 1, "only orders of a known sale are counted");
}
