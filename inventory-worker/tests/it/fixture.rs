//! A schema that no other test has, and records to send.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use fluxgate_domain::batch::{Content, Record};
use fluxgate_domain::events::{
    CancelCause, Event, OrderCancelled, OrderCompleted, OrderReserved, SaleOpened,
};
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, Tag, UserId};
use fluxgate_ledger::Ledger;
use fluxgate_service::settings::PostgresSettings;
use jiff::Timestamp;
use tokio_postgres::{Client, NoTls};

/// A migrated schema that no other test has.
pub struct Schema {
    pub database_url: String,
    pub sql: Client,
}

impl Schema {
    pub async fn new() -> Self {
        let url = std::env::var("DATABASE_URL").expect("DATABASE_URL is not set: run `make test`");
        let name = format!("worker_{}", uuid::Uuid::new_v4().simple());
        let (sql, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        sql.batch_execute(&format!("CREATE SCHEMA {name}; SET search_path = {name}"))
            .await
            .unwrap();
        let joint = if url.contains('?') { '&' } else { '?' };
        let database_url =
            format!("{url}{joint}options=-c%20search_path%3D{name}&application_name={name}");
        let settings = PostgresSettings {
            database_url: database_url.clone(),
            database_ca_file: None,
        };
        let ledger = Ledger::connect(&settings, "test", 1, Duration::from_secs(5)).unwrap();
        ledger.migrate().await.unwrap();
        Self { database_url, sql }
    }

    /// One text per row of a query.
    pub async fn rows(&self, query: &str) -> Vec<String> {
        let rows = self.sql.query(query, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
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
            terms: None,
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

/// The expiry of an order and then its completion, with the numbers from `sequence` on.
pub fn late_completion(ordered: &Record, sequence: u32) -> [Record; 2] {
    let Content::Event(Event::OrderReserved(order)) = &ordered.content else {
        panic!("an order");
    };
    let expiry = OrderCancelled {
        order: order.clone(),
        cancel_epoch: 1,
        cancel_sequence: sequence,
        cancelled_at: Timestamp::UNIX_EPOCH,
        cause: CancelCause::Expired,
    };
    let completion = OrderCompleted {
        order: order.clone(),
        completion_epoch: 1,
        completion_sequence: sequence + 1,
        completed_at: Timestamp::UNIX_EPOCH,
    };
    [
        record(0, Event::OrderCancelled(expiry)),
        record(0, Event::OrderCompleted(completion)),
    ]
}

fn record(offset: i64, event: Event) -> Record {
    let value = event.encode();
    let key = event.product_id().as_str().to_owned();
    Record::new(offset, 0, Some(key.as_bytes()), Some(&value), Ok(event))
}

/// Waits for a condition; panics after 30 seconds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The opening of a sale and its first orders.
pub fn sale(product: &str, orders: u32) -> Vec<Record> {
    let mut sale = vec![opening(0, product, 1_000)];
    sale.extend(orders_of(product, 1..=orders));
    sale
}

/// Orders of a sale with these numbers, each from another user.
pub fn orders_of(product: &str, numbers: RangeInclusive<u32>) -> Vec<Record> {
    let order = |n| order(0, product, &format!("u{n}"), 1, n);
    numbers.map(order).collect()
}
