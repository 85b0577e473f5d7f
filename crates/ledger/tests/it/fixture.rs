//! A schema that no other test has, and records to write into it.

mod schema;

use fluxgate_domain::Terms;
use fluxgate_domain::batch::{Batch, Content, Record, RecordMark, Slice};
use fluxgate_domain::events::{
    CancelCause, Event, OrderCancelled, OrderCompleted, OrderReserved, QueueChanged, QueueStarted,
    SaleAmended, SaleClosed, SaleFenced, SaleOpened, SaleRestocked,
};
use fluxgate_domain::ids::{
    IdempotencyKey, OrderId, OrdersPerUser, ProductId, QueueChangeId, RestockId, Tag, UserId,
};
use fluxgate_domain::queue::QueueSettings;
use fluxgate_ledger::UserRow;
use jiff::Timestamp;

pub use schema::Schema;

pub const TOPIC: &str = "orders";

/// The mark of a record without a `ce_id`.
pub fn mark(record: &Record) -> RecordMark {
    let (key, value) = (record.source.key(), record.source.value());
    RecordMark::of(record.offset, record.timestamp_ms, key, None, value)
}

/// A batch of consecutive records of partition 0.
pub fn batch(records: &[Record]) -> Batch {
    Batch::from(Slice {
        partition: 0,
        generation: 1,
        log_number: 0,
        expected: records[0].offset,
        next: records[records.len() - 1].offset + 1,
        last: Some(mark(&records[records.len() - 1])),
        records: records.to_vec(),
    })
}

/// The terms of every sale.
pub fn terms(total: i64) -> Terms {
    Terms {
        per_user_limit: Some(3),
        orders_per_user: OrdersPerUser::parse("3/60").ok(),
        ..Terms::of(total.try_into().unwrap())
    }
}

pub fn opening(offset: i64, product: &str, total: i64) -> Record {
    record(
        offset,
        Event::SaleOpened(Box::new(SaleOpened {
            product_id: ProductId::parse(product).unwrap(),
            total: total.try_into().unwrap(),
            opens_at: Timestamp::UNIX_EPOCH,
            closes_at: None,
            per_user_limit: Some(3),
            epoch: 1,
            partition: 0,
            id_time: None,
            terms: Some(terms(total)),
        })),
    )
}

pub fn order(offset: i64, product: &str, user: &str, quantity: i64, sequence: u32) -> Record {
    let product = ProductId::parse(product).unwrap();
    let user = UserId::parse(user).unwrap();
    let key = IdempotencyKey::parse("key").unwrap();
    record(
        offset,
        Event::OrderReserved(OrderReserved {
            order_id: OrderId::derive(&product, Tag::of(&product), 1, &user, &key),
            product_id: product,
            user_id: user,
            quantity: quantity.try_into().unwrap(),
            epoch: 1,
            sequence,
            placed_at: Timestamp::UNIX_EPOCH,
        }),
    )
}

pub fn cancel(offset: i64, ordered: &Record, sequence: u32) -> Record {
    cancel_for(CancelCause::Shop, offset, ordered, sequence)
}

pub fn expiry(offset: i64, ordered: &Record, sequence: u32) -> Record {
    cancel_for(CancelCause::Expired, offset, ordered, sequence)
}

pub fn cancel_for(cause: CancelCause, offset: i64, ordered: &Record, sequence: u32) -> Record {
    record(
        offset,
        Event::OrderCancelled(OrderCancelled {
            order: ordered_by(ordered).clone(),
            cancel_epoch: 1,
            cancel_sequence: sequence,
            cancelled_at: Timestamp::UNIX_EPOCH,
            cause,
        }),
    )
}

pub fn completion(offset: i64, ordered: &Record, sequence: u32) -> Record {
    record(
        offset,
        Event::OrderCompleted(OrderCompleted {
            order: ordered_by(ordered).clone(),
            completion_epoch: 1,
            completion_sequence: sequence,
            completed_at: Timestamp::UNIX_EPOCH,
        }),
    )
}

pub fn ordered_by(record: &Record) -> &OrderReserved {
    match &record.content {
        Content::Event(Event::OrderReserved(order)) => order,
        other => panic!("{other:?} is no order"),
    }
}

pub fn restock(offset: i64, product: &str, units: i64, sequence: u32) -> Record {
    let product = ProductId::parse(product).unwrap();
    let key = IdempotencyKey::parse(&sequence.to_string()).unwrap();
    record(
        offset,
        Event::SaleRestocked(SaleRestocked {
            restock_id: RestockId::derive(&product, &key),
            product_id: product,
            quantity: units.try_into().unwrap(),
            epoch: 1,
            sequence,
            restocked_at: Timestamp::UNIX_EPOCH,
        }),
    )
}

pub fn close(offset: i64, product: &str, sequence: u32) -> Record {
    record(
        offset,
        Event::SaleClosed(SaleClosed {
            product_id: ProductId::parse(product).unwrap(),
            epoch: 1,
            sequence,
            closed_at: Timestamp::from_second(1).unwrap(),
        }),
    )
}

pub fn fence(offset: i64, product: &str, epoch: u32) -> Record {
    record(
        offset,
        Event::SaleFenced(SaleFenced {
            product_id: ProductId::parse(product).unwrap(),
            epoch,
            fenced_at: Timestamp::UNIX_EPOCH,
        }),
    )
}

/// The same order, with the number that a rebuilt sale gives it.
pub fn again(ordered: Record, epoch: u32, sequence: u32) -> Record {
    let mut order = ordered_by(&ordered).clone();
    (order.epoch, order.sequence) = (epoch, sequence);
    record(ordered.offset, Event::OrderReserved(order))
}

fn record(offset: i64, event: Event) -> Record {
    let value = event.encode();
    let key = event.product_id().as_str().to_owned();
    Record::new(offset, 0, Some(key.as_bytes()), Some(&value), Ok(event))
}

/// The amendment to a limit of so many units per user, which opens the sale a second later for each.
pub fn amendment(offset: i64, product: &str, limit: u32, sequence: u32) -> Record {
    let amended = SaleAmended {
        product_id: ProductId::parse(product).unwrap(),
        opens_at: Timestamp::from_second(limit.into()).unwrap(),
        terms: Terms {
            per_user_limit: Some(limit),
            ..terms(3)
        },
        epoch: 1,
        sequence,
        amended_at: Timestamp::UNIX_EPOCH,
    };
    record(offset, Event::SaleAmended(Box::new(amended)))
}

/// The start of a queue that so many had joined.
pub fn queue_start(offset: i64, product: &str, joined: u64, sequence: u32) -> Record {
    let started = QueueStarted {
        product_id: ProductId::parse(product).unwrap(),
        joined,
        epoch: 1,
        sequence,
        started_at: Timestamp::from_second(sequence.into()).unwrap(),
    };
    record(offset, Event::QueueStarted(started))
}

/// A change of a queue to these settings.
pub fn queue_change(offset: i64, product: &str, settings: &str, sequence: u32) -> Record {
    let product = ProductId::parse(product).unwrap();
    let key = IdempotencyKey::parse(&sequence.to_string()).unwrap();
    let settings: QueueSettings = settings.parse().unwrap();
    let changed = QueueChanged {
        change_id: QueueChangeId::derive(&product, &key),
        product_id: product,
        settings,
        epoch: 1,
        sequence,
        changed_at: Timestamp::UNIX_EPOCH,
    };
    record(offset, Event::QueueChanged(changed))
}

/// Users with their units and unpaid orders, sorted.
pub fn sorted(users: &[UserRow]) -> Vec<(&str, i64, i64)> {
    let users = users
        .iter()
        .map(|it| (it.user.as_str(), it.units, it.unpaid));
    let mut users: Vec<_> = users.collect();
    users.sort_unstable();
    users
}
