//! What is answered when Redis has lost what it acknowledged.

use futures_util::future::join_all;
use reqwest::Response;
use serde_json::json;

use crate::fixture::{World, read, until};

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

/// The ledger's row of a sale, as the worker writes it.
async fn enter_into_ledger(world: &World, product: &str, last_sequence: i64) {
    let insert =
        "INSERT INTO stock_ledger (product_id, total, opens_at, epoch, last_sequence, partition)
                  VALUES ($1, 10, now(), 1, $2, 0)";
    let row: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&product, &last_sequence];
    world.sql.execute(insert, &row).await.unwrap();
}

#[tokio::test]
async fn a_sale_that_only_the_ledger_knows_is_neither_sold_nor_opened_again() {
    let world = World::new().await;
    enter_into_ledger(&world, "lost", 3).await;
    let app = world.app(&[]).await;
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
async fn without_the_ledger_nobody_says_that_a_product_is_unknown() {
    let world = World::new().await;
    let silent = ["--read-database-url", "postgres://nobody@127.0.0.1:1/none"];
    let app = world.app(&silent).await;
    assert_eq!(
        code(app.order("never", "ada", 1, "k").await).await,
        unavailable()
    );
    assert_eq!(app.open("never", &json!({"quantity": 1})).await.0, 503);
}

#[tokio::test]
async fn a_redis_below_the_highest_number_it_gave_sells_nothing() {
    let world = World::new().await;
    let app = world.app(&[]).await;
    let product = app.sale(10).await;
    for key in ["a", "b"] {
        assert_eq!(app.order(&product, "ada", 1, key).await.status(), 202);
    }
    let keys = world.keys("fg:*:sale:*").await;
    world.redis::<()>("HSET", &[&keys[0], "seq", "1"]).await;

    assert_eq!(
        code(app.order(&product, "ada", 1, "c").await).await,
        unavailable()
    );
    // What was sold stays sold.
    let replay = app.order(&product, "ada", 1, "b").await;
    assert_eq!(replay.headers()["Idempotency-Replayed"], "true");

    // A copy that starts later has seen no number; the ledger has.
    enter_into_ledger(&world, &product, 2).await;
    let later = world.app(&[]).await;
    assert_eq!(
        code(later.order(&product, "ada", 1, "c").await).await,
        unavailable()
    );
    assert!(later.metric("redis_lost_writes_total").await >= 1.0);
}

#[tokio::test]
async fn a_damaged_record_harms_nobody_else() {
    let world = World::new().await;
    let app = world.app(&[]).await;
    let product = app.sale(40).await;
    let (_, order) = read(app.order(&product, "ada", 1, "damaged").await).await;
    let keys = world.keys("fg:*:orders:*").await;
    let id = order["orderId"].as_str().unwrap();
    world.redis::<()>("HSET", &[&keys[0], id, "nonsense"]).await;

    let names: Vec<_> = (0..32).map(|n| format!("k{n}")).collect();
    let crowd = names.iter().map(|key| app.order(&product, "bob", 1, key));
    let damaged = (0..8).map(|_| app.order(&product, "ada", 1, "damaged"));
    let (crowd, damaged) = tokio::join!(join_all(crowd), join_all(damaged));
    assert!(crowd.iter().all(|answer| answer.status() == 202));
    for answer in damaged {
        assert_eq!(code(answer).await, unavailable());
    }
}

#[tokio::test]
async fn an_empty_redis_is_noticed_by_a_copy_that_remembers_the_sale() {
    let world = World::new().await;
    let app = world.app(&[]).await;
    let product = app.sale(10).await;
    assert_eq!(app.order(&product, "ada", 1, "k").await.status(), 202);
    enter_into_ledger(&world, &product, 1).await;
    world.empty_redis().await;
    assert_eq!(
        code(app.order(&product, "ada", 1, "k").await).await,
        unavailable()
    );
}

#[tokio::test]
async fn forgotten_scripts_are_loaded_again() {
    let world = World::new().await;
    let app = world.app(&[]).await;
    let product = app.sale(2).await;
    world.redis::<()>("SCRIPT", &["FLUSH"]).await;
    assert_eq!(app.order(&product, "ada", 1, "a").await.status(), 202);
}

#[tokio::test]
async fn an_order_is_as_far_as_postgresql_says() {
    let world = World::new().await;
    let app = world.app(&[]).await;
    let product = app.sale(2).await;
    let (_, order) = read(app.order(&product, "ada", 1, "k").await).await;
    let id = order["orderId"].as_str().unwrap();
    let path = format!("/orders/{id}");
    assert_eq!(app.get(&path).await.1["status"], "accepted");

    let insert = format!(
        "INSERT INTO orders (order_id, product_id, user_id, quantity, epoch, sequence, status, placed_at)
         VALUES ('{id}', '{product}', 'ada', 1, 1, 1, 'confirmed', now())"
    );
    world.sql.batch_execute(&insert).await.unwrap();
    until("the row is seen", async || {
        app.get(&path).await.1["status"] == "confirmed"
    })
    .await;
    let (_, replay) = read(app.order(&product, "ada", 1, "k").await).await;
    assert_eq!(replay["status"], "confirmed");

    // Also when Redis has forgotten the order.
    world.empty_redis().await;
    let (status, found) = app.get(&path).await;
    assert_eq!(
        (status.as_u16(), &found["status"]),
        (200, &json!("confirmed"))
    );
}
