//! Answers after Redis has lost acknowledged writes.

use futures_util::future::join_all;
use reqwest::Response;
use serde_json::json;

use crate::fixture::{Stores, read, unique, until};

async fn code(response: Response) -> (u16, String) {
    let retry_after = response.headers().contains_key("Retry-After");
    let (status, problem) = read(response).await;
    assert_eq!(retry_after, status == 503, "{problem}");
    (
        status.as_u16(),
        problem["code"].as_str().unwrap_or_default().to_owned(),
    )
}

fn unavailable() -> (u16, String) {
    (503, "unavailable".to_owned())
}

/// Writes the ledger row and the number series of a sale, as the worker does.
async fn insert_into_ledger(stores: &Stores, product: &str, last_sequence: i64) {
    let insert = "
        WITH opened AS (INSERT INTO stock_ledger (product_id, total, opens_at, partition)
                        VALUES ($1, 10, now(), 0))
        INSERT INTO number_series (series_id, product_id, epoch, last_sequence)
        VALUES ($1, $1, 1, $2)";
    let row: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&product, &last_sequence];
    stores.sql.execute(insert, &row).await.unwrap();
}

#[tokio::test]
async fn a_sale_that_only_the_ledger_has_is_neither_sold_nor_opened_again() {
    let stores = Stores::new().await;
    insert_into_ledger(&stores, "lost", 3).await;
    let app = stores.app(&[]).await;
    assert_eq!(
        code(app.order("lost", "ada", 1, "k").await).await,
        unavailable()
    );
    let (status, problem) = app.open("lost", &json!({"quantity": 10})).await;
    assert_eq!(
        (status.as_u16(), problem["code"].as_str()),
        (409, Some("rebuild_required"))
    );
    assert_eq!(app.get("/products/lost").await.0, 503);
}

#[tokio::test]
async fn without_the_ledger_no_product_is_answered_as_unknown() {
    let stores = Stores::new().await;
    let no_postgres = ["--read-database-url", "postgres://nobody@127.0.0.1:1/none"];
    let app = stores.app(&no_postgres).await;
    assert_eq!(
        code(app.order("never", "ada", 1, "k").await).await,
        unavailable()
    );
    assert_eq!(app.open("never", &json!({"quantity": 1})).await.0, 503);
}

#[tokio::test]
async fn a_redis_behind_the_high_water_mark_sells_nothing() {
    let stores = Stores::new().await;
    let app = stores.app(&[]).await;
    let product = app.sale(10).await;
    for key in ["a", "b"] {
        assert_eq!(app.order(&product, "ada", 1, key).await.status(), 202);
    }
    let keys = stores.keys("fg:*:sale:*").await;
    stores.redis::<()>("HSET", &[&keys[0], "seq", "1"]).await;

    assert_eq!(
        code(app.order(&product, "ada", 1, "c").await).await,
        unavailable()
    );
    // Earlier orders are still replayed.
    let replay = app.order(&product, "ada", 1, "b").await;
    assert_eq!(replay.headers()["Idempotency-Replayed"], "true");

    // An instance that starts later has seen no number, but the ledger has.
    insert_into_ledger(&stores, &product, 2).await;
    let later = stores.app(&[]).await;
    assert_eq!(
        code(later.order(&product, "ada", 1, "c").await).await,
        unavailable()
    );
    assert!(later.metric("redis_lost_writes_total").await >= 1.0);
}

#[tokio::test]
async fn a_damaged_record_does_not_affect_other_orders() {
    let stores = Stores::new().await;
    let app = stores.app(&[]).await;
    let product = app.sale(40).await;
    let (_, order) = read(app.order(&product, "ada", 1, "damaged").await).await;
    let keys = stores.keys("fg:*:orders:*").await;
    let id = order["orderId"].as_str().unwrap();
    stores
        .redis::<()>("HSET", &[&keys[0], id, "nonsense"])
        .await;

    let names: Vec<_> = (0..32).map(|n| format!("k{n}")).collect();
    let others = names.iter().map(|key| app.order(&product, "bob", 1, key));
    let damaged = (0..8).map(|_| app.order(&product, "ada", 1, "damaged"));
    let (others, damaged) = tokio::join!(join_all(others), join_all(damaged));
    assert!(others.iter().all(|answer| answer.status() == 202));
    for answer in damaged {
        assert_eq!(code(answer).await, unavailable());
    }
}

#[tokio::test]
async fn an_instance_that_remembers_the_sale_detects_an_empty_redis() {
    let stores = Stores::new().await;
    let app = stores.app(&[]).await;
    let product = app.sale(10).await;
    assert_eq!(app.order(&product, "ada", 1, "k").await.status(), 202);
    insert_into_ledger(&stores, &product, 1).await;
    stores.empty_redis().await;
    assert_eq!(
        code(app.order(&product, "ada", 1, "k").await).await,
        unavailable()
    );
}

#[tokio::test]
async fn without_the_users_hash_nothing_is_sold_and_no_limit_is_lifted() {
    let stores = Stores::new().await;
    let app = stores.app(&["--outbox-relay-interval-ms=50"]).await;
    let product = unique("p");
    let terms = json!({"quantity": 10, "perUserLimit": 1});
    app.open(&product, &terms).await;
    assert_eq!(app.order(&product, "ada", 1, "a").await.status(), 202);
    let keys = stores.keys("fg:*:users:*").await;
    stores.redis::<()>("DEL", &[&keys[0]]).await;
    for user in ["ada", "bob"] {
        let again = app.order(&product, user, 1, "b").await;
        assert_eq!(code(again).await, unavailable());
    }
    // Earlier orders are still replayed.
    let replay = app.order(&product, "ada", 1, "a").await;
    assert_eq!(replay.headers()["Idempotency-Replayed"], "true");
    until("the relay notices", async || {
        app.metric("sales_incomplete").await == 1.0
    })
    .await;
}

#[tokio::test]
async fn a_sale_that_nobody_asks_for_is_counted_when_its_hash_is_lost() {
    let stores = Stores::new().await;
    let product = stores.app(&[]).await.sale(5).await;
    insert_into_ledger(&stores, &product, 0).await;
    let sale = stores.keys("fg:*:sale:*").await;
    stores.redis::<()>("DEL", &[&sale[0]]).await;
    let app = stores.app(&["--outbox-relay-interval-ms=50"]).await;
    until("the relay notices", async || {
        app.metric("sales_incomplete").await == 1.0
    })
    .await;
}

#[tokio::test]
async fn without_the_orders_hash_a_retry_takes_no_second_unit() {
    let stores = Stores::new().await;
    // Not even here: nobody knows which orders are lost.
    let app = stores.app(&["--on-redis-loss=continue"]).await;
    let product = app.sale(10).await;
    assert_eq!(app.order(&product, "ada", 1, "a").await.status(), 202);
    let keys = stores.keys("fg:*:orders:*").await;
    stores.redis::<()>("DEL", &[&keys[0]]).await;
    assert_eq!(
        code(app.order(&product, "ada", 1, "a").await).await,
        unavailable()
    );
    let (_, sale) = app.get(&format!("/products/{product}")).await;
    assert_eq!(sale["remaining"], 9);
    assert_eq!(stores.keys("fg:*:orders:*").await.len(), 0);
}

#[tokio::test]
async fn flushed_scripts_are_loaded_again() {
    let stores = Stores::new().await;
    let app = stores.app(&[]).await;
    let product = app.sale(2).await;
    stores.redis::<()>("SCRIPT", &["FLUSH"]).await;
    assert_eq!(app.order(&product, "ada", 1, "a").await.status(), 202);
}

#[tokio::test]
async fn an_order_has_the_status_of_its_row_in_postgresql() {
    let stores = Stores::new().await;
    let app = stores.app(&[]).await;
    let product = app.sale(2).await;
    let (_, order) = read(app.order(&product, "ada", 1, "k").await).await;
    let id = order["orderId"].as_str().unwrap();
    let path = format!("/orders/{id}");
    // Its entry leaves the outbox a moment after the answer.
    until("the order is accepted", async || {
        app.get(&path).await.1["status"] == "accepted"
    })
    .await;

    let insert = format!(
        "INSERT INTO orders (order_id, product_id, user_id, quantity, epoch, sequence, status, placed_at)
         VALUES ('{id}', '{product}', 'ada', 1, 1, 1, 'confirmed', now())"
    );
    stores.sql.batch_execute(&insert).await.unwrap();
    until("the status of the row is answered", async || {
        app.get(&path).await.1["status"] == "confirmed"
    })
    .await;
    let (_, replay) = read(app.order(&product, "ada", 1, "k").await).await;
    assert_eq!(replay["status"], "confirmed");

    // Also if Redis has lost the order.
    stores.empty_redis().await;
    let (status, found) = app.get(&path).await;
    assert_eq!(
        (status.as_u16(), &found["status"]),
        (200, &json!("confirmed"))
    );
}
