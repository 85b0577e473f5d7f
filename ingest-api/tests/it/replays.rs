//! Retries of orders that no longer hold units, or that are not the caller's.

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{App, Stores, TOKEN, read};

async fn order(app: &App, product: &str) -> (u16, Value) {
    let (status, body) = read(app.order(product, "ada", 1, "k").await).await;
    (status.as_u16(), body)
}

/// Writes another record for the only order in Redis.
async fn replace_record(stores: &Stores, id: &str, record: &str) {
    let keys = stores.keys("fg:*:orders:*").await;
    stores.redis::<()>("HSET", &[&keys[0], id, record]).await;
}

#[tokio::test]
async fn a_retry_of_a_rejected_order_is_refused_with_its_id() {
    let stores = Stores::new().await;
    let app = stores.app(&[]).await;
    let product = app.sale(10).await;
    let (_, placed) = order(&app, &product).await;
    let id = placed["orderId"].as_str().unwrap();
    // As a rebuild writes it.
    replace_record(&stores, id, "1-1/rejected 1795219200123 1 ada").await;
    let (status, problem) = order(&app, &product).await;
    assert_eq!((status, &problem["code"]), (409, &json!("order_rejected")));
    assert_eq!(problem["orderId"], id);
}

#[tokio::test]
async fn without_postgresql_a_retry_of_a_cancelled_order_is_refused_all_the_same() {
    let stores = Stores::new().await;
    let product = {
        let app = stores.app(&[]).await;
        let product = app.sale(10).await;
        let (_, placed) = order(&app, &product).await;
        let cancel = format!("/orders/{}/cancel", placed["orderId"].as_str().unwrap());
        let cancel = app.request(Method::POST, &cancel).bearer_auth(TOKEN);
        assert_eq!(cancel.send().await.unwrap().status(), 200);
        product
    };
    let app = stores.app(&NO_POSTGRES).await;
    let (status, problem) = order(&app, &product).await;
    assert_eq!((status, &problem["code"]), (409, &json!("order_cancelled")));
}

/// Two users can only share an order id if 62 bits of SHA-256 collide. Even then, nobody is shown another user's order.
#[tokio::test]
async fn a_retry_is_never_answered_with_the_order_of_another_user() {
    let stores = Stores::new().await;
    let app = stores.app(&[]).await;
    let product = app.sale(10).await;
    let (_, placed) = order(&app, &product).await;
    let id = placed["orderId"].as_str().unwrap();
    replace_record(&stores, id, "1-1 1795219200123 1 bob").await;
    let (status, problem) = order(&app, &product).await;
    assert_eq!(
        (status, &problem["code"]),
        (422, &json!("idempotency_key_reused"))
    );
}

const NO_POSTGRES: [&str; 2] = ["--read-database-url", "postgres://nobody@127.0.0.1:1/none"];

/// PostgreSQL may have the order, and the time after which Redis forgets it may be over.
#[tokio::test]
async fn without_postgresql_the_cancel_of_an_order_that_redis_lacks_is_not_answered_as_unknown() {
    let app = App::start(&NO_POSTGRES).await;
    let cancel = app.request(
        Method::POST,
        "/orders/01a1fb67-1800-897f-98f2-381895f55db8/cancel",
    );
    let (status, problem) = read(cancel.bearer_auth(TOKEN).send().await.unwrap()).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (503, &json!("unavailable"))
    );
}
