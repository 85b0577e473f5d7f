use super::*;

#[tokio::test]
async fn a_sale_with_holds_stops_when_redis_has_lost_writes_whatever_the_setting() {
    let stores = Stores::new().await;
    let (app, _worker) = (
        stores
            .app(&[HOLDS[0], HOLDS[1], "--on-redis-loss=continue"])
            .await,
        Worker::start(&stores).await,
    );
    let terms = json!({"holdSeconds": 2, "holdGraceSeconds": 0});
    let product = app.sale_with_holds(5, terms).await;
    let id = app.place(&product, "ada", 1, "a").await;
    app.place(&product, "bob", 1, "b").await;
    app.until_status(&id, "confirmed").await;
    let sale = stores.keys("fg:*:sale:*").await.remove(0);
    stores.redis::<()>("HSET", &[&sale, "seq", "1"]).await;
    let (status, problem) = read(app.order(&product, "cid", 1, "c").await).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (503, &json!("unavailable"))
    );
    assert_eq!(app.metric("redis_loss_continued_total").await, 0.0);
    assert_eq!(app.completed(&id).await.0, 503);
    // Nothing expires in such a Redis, either.
    let blocked = r#"hold_expiry_blocked{reason="redis"}"#;
    until("the expiry is blocked", async || {
        app.metric_if_known(blocked).await == Some(1.0)
    })
    .await;
    assert_eq!(app.status(&id).await, "confirmed");
    assert_eq!(app.metric("orders_expired_total").await, 0.0);
}

#[tokio::test]
async fn a_closed_sale_is_retired_after_its_last_hold_and_refunds_are_still_possible() {
    let stores = Stores::new().await;
    let (app, worker) = (stores.app(&HOLDS).await, Worker::start(&stores).await);
    let product = app.sale_with_holds(5, json!({"holdSeconds": 600})).await;
    let ids = [
        app.place(&product, "ada", 1, "a").await,
        app.place(&product, "bob", 2, "b").await,
    ];
    app.until_status(&ids[1], "confirmed").await;
    let path = format!("/products/{product}/close");
    assert_eq!(app.change(&path, None, json!({})).await.status(), 200);
    let indexed = async || stores.redis::<Vec<String>>("SMEMBERS", &["fg:sales"]).await;
    assert_eq!(app.completed(&ids[0]).await.0, 200);
    until("all entries are acknowledged", async || {
        app.metric("outbox_entries").await == 0.0
    })
    .await;
    let sale = stores.keys("fg:*:sale:*").await.remove(0);
    let is_retired = async || stores.redis::<i64>("PTTL", &[&sale]).await > 0;
    assert!(!is_retired().await, "with an order that is not paid");
    assert_eq!(app.completed(&ids[1]).await.0, 200);
    until("the sale is retired", async || indexed().await.is_empty()).await;
    assert!(is_retired().await);
    // In Redis, and when Redis no longer has it.
    let (status, order) = app.cancel(&ids[0]).await;
    assert_eq!((status, &order["status"]), (200, &json!("cancelled")));
    app.until_status(&ids[0], "cancelled").await;
    until("the row says so, too", async || {
        let query = "SELECT sold, completed FROM stock_ledger";
        let row = stores.sql.query_one(query, &[]).await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, i64>(1)) == (2, 2)
    })
    .await;
    stores.empty_redis().await;
    let (status, order) = app.cancel(&ids[1]).await;
    assert_eq!(
        (status, &order["status"]),
        (200, &json!("cancelled")),
        "{order}"
    );
    let (_, view) = app.get(&format!("/products/{product}")).await;
    let stock = ["remaining", "held", "status"].map(|name| view[name].clone());
    assert_eq!(stock, [json!(5), json!(0), json!("closed")], "{view}");
    drop(worker);
}

#[tokio::test]
async fn a_refusal_says_how_many_units_may_come_back() {
    let app = App::start(&HOLDS).await;
    let product = app.sale_with_holds(2, json!({"holdSeconds": 600})).await;
    app.place(&product, "ada", 1, "a").await;
    let refused = async |quantity, code: &str, held: Option<u64>, product: &str| {
        let answer = app.order(product, "cid", quantity, "c").await;
        let (status, problem) = read(answer).await;
        assert_eq!((status.as_u16(), &problem["code"]), (409, &json!(code)));
        assert_eq!(
            problem.get("held").and_then(Value::as_u64),
            held,
            "{problem}"
        );
    };
    refused(2, "insufficient_stock", Some(1), &product).await;
    let id = app.place(&product, "bob", 1, "b").await;
    until("the view is new", async || {
        app.stock(&product).await[1] == json!(2)
    })
    .await;
    refused(1, "sold_out", Some(2), &product).await;
    app.completed(&id).await;
    refused(1, "sold_out", Some(1), &product).await;
    let plain = app.sale(1).await;
    refused(2, "insufficient_stock", None, &plain).await;
}
