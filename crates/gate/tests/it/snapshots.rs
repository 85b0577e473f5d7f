//! A snapshot is of one moment, although the outbox is read in pages.

use std::collections::HashMap;
use std::sync::Mutex;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{IdempotencyKey, OrderId, Quantity, Tag, UserId};
use fluxgate_domain::order_facts::CancelledBy;
use fluxgate_domain::records::OrderRecord;
use fluxgate_gate::{Ack, Change, Reservation, ReservationContext, ReservationRequest, Snapshot};

use crate::fixture::{RedisSale, connect, number};

const TOTAL: u32 = 1_000_000;
const ROUNDS: u32 = 40;
/// More than a page of the outbox.
const WAITING: u32 = 1_200;

/// What Kafka has: units and cancel of each order.
type Published = Mutex<HashMap<OrderId, (SequenceNumber, i64, Option<SequenceNumber>)>>;

fn request(sale: &RedisSale, order: u32) -> ReservationRequest {
    let user = UserId::parse(&format!("user-{order}")).unwrap();
    let key = IdempotencyKey::parse("key").unwrap();
    let opened_at_ms = sale.opens_at.as_millisecond();
    let tag = Tag::of(&sale.product);
    ReservationRequest {
        order_id: OrderId::derive(&sale.product, tag, opened_at_ms, &user, &key),
        user,
        quantity: Quantity::try_from(i64::from(1 + order % 3)).unwrap(),
    }
}

async fn reserve(sale: &RedisSale, orders: std::ops::Range<u32>) -> Vec<(OrderId, OrderRecord)> {
    let context = ReservationContext {
        keys: &sale.keys,
        opened_at: sale.opens_at,
        is_limited: false,
        high_water_mark: number(0),
        outbox_max: TOTAL,
        shares_entries: sale.shares_entries,
    };
    let mut reserved = Vec::new();
    for first in orders.clone().step_by(50) {
        let some = first..orders.end.min(first + 50);
        let requests: Vec<_> = some.map(|order| request(sale, order)).collect();
        let ids: Vec<_> = requests.iter().map(|it| it.order_id).collect();
        let answers = sale.store.reserve(&context, requests).await.unwrap();
        for (id, answer) in ids.into_iter().zip(answers) {
            let Ok(Reservation::Reserved { record, .. }) = answer.map(|it| it.reservation) else {
                panic!("the order was not reserved");
            };
            reserved.push((id, record));
        }
    }
    reserved
}

/// Reserves orders, publishes and acknowledges the earlier ones, and cancels every second one, half of them at once.
async fn sell(sale: &RedisSale, published: &Published) {
    let mut waiting = reserve(sale, 0..WAITING).await;
    for round in 0..ROUNDS {
        let first = WAITING + round * 20;
        waiting.extend(reserve(sale, first..first + 20).await);
        for (n, (id, record)) in waiting.drain(..40).enumerate() {
            let mut row = (record.number, i64::from(record.quantity), None);
            published.lock().unwrap().insert(id, row);
            sale.ack(&[Ack::Event(record.number.into())]).await;
            if n % 2 == 0 {
                let cancel = sale
                    .store
                    .cancel(sale.context(number(0)), id, CancelledBy::Shop)
                    .await;
                let Ok(Change::Noted { change, .. }) = cancel else {
                    panic!("{cancel:?}");
                };
                if n % 4 == 0 {
                    let cancel = change.cancel.unwrap().number;
                    row.2 = Some(cancel);
                    published.lock().unwrap().insert(id, row);
                    sale.store
                        .ack_and_apply(&sale.keys, cancel.into())
                        .await
                        .unwrap();
                }
            }
        }
    }
}

/// The units that orders held at the snapshot, given what Kafka had later.
fn held(then: &Snapshot, published: &Published) -> i64 {
    let published = published.lock().unwrap();
    let is_returned = |cancel: Option<SequenceNumber>| {
        cancel.is_some_and(|cancel| cancel <= then.number && !then.holds(cancel))
    };
    let rows = published.values();
    let rows = rows.filter(|(number, _, cancel)| *number <= then.number && !is_returned(*cancel));
    let waiting = then.orders.iter();
    let waiting = waiting.filter(|(id, it)| !published.contains_key(id) && !is_returned(it.cancel));
    rows.map(|(_, units, _)| units).sum::<i64>()
        + waiting.map(|(_, it)| i64::from(it.quantity)).sum::<i64>()
}

#[test]
fn a_snapshot_taken_while_orders_and_cancels_come_is_of_one_moment() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for shares_entries in [false, true] {
        runtime.block_on(compare_while_selling(shares_entries));
    }
}

async fn compare_while_selling(shares_entries: bool) {
    let sale = RedisSale::open(connect(), shares_entries, TOTAL).await;
    let published = Published::default();
    let compare = async {
        let reader = connect();
        let mut seen = 0;
        loop {
            let then = reader.snapshot(&sale.keys).await.unwrap().unwrap();
            assert_eq!(
                then.total - then.remaining,
                held(&then, &published),
                "{}",
                then.number
            );
            seen += 1;
            if seen > 10 && then.number.sequence > WAITING + ROUNDS * 20 {
                return;
            }
        }
    };
    tokio::join!(sell(&sale, &published), compare);
}
