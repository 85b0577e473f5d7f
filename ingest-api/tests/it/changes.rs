//! Cancel, restock and close.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::fixture::{App, Stores, TOKEN, read, unique, until};

impl App {
    pub async fn change(&self, path: &str, key: Option<&str>, body: Value) -> Response {
        let mut post = self.request(Method::POST, path).bearer_auth(TOKEN);
        if let Some(key) = key {
            post = post.header("Idempotency-Key", key);
        }
        post.json(&body).send().await.unwrap()
    }

    pub async fn cancel(&self, id: &str) -> (u16, Value) {
        let path = format!("/orders/{id}/cancel");
        let answer = self.change(&path, None, json!({}));
        let (status, body) = read(answer.await).await;
        (status.as_u16(), body)
    }

    pub async fn restock(&self, product: &str, key: &str, units: u32) -> (u16, Value) {
        let path = format!("/products/{product}/restock");
        let answer = self.change(&path, Some(key), json!({"quantity": units}));
        let (status, body) = read(answer.await).await;
        (status.as_u16(), body)
    }

    pub async fn place(&self, product: &str, user: &str, quantity: u32, key: &str) -> String {
        let (status, order) = read(self.order(product, user, quantity, key).await).await;
        assert_eq!(status, 202, "{order}");
        order["orderId"].as_str().unwrap().to_owned()
    }
}

pub fn code(answer: (u16, Value)) -> (u16, String) {
    let code = answer.1["code"].as_str().unwrap_or_default();
    (answer.0, code.to_owned())
}

#[tokio::test]
async fn a_cancelled_order_returns_its_units_once() {
    let app = App::start(&[]).await;
    let product = unique("p");
    let terms = json!({"quantity": 3, "perUserLimit": 2});
    app.open(&product, &terms).await;
    let id = app.place(&product, "ada", 2, "a").await;
    app.place(&product, "bob", 1, "b").await;
    assert_eq!(app.order(&product, "cid", 1, "c").await.status(), 409);

    for _ in 0..3 {
        let (status, order) = app.cancel(&id).await;
        assert_eq!((status, &order["status"]), (200, &json!("cancelled")));
        assert_eq!(order["quantity"], 2);
        let (_, sale) = app.get(&format!("/products/{product}")).await;
        assert_eq!((&sale["remaining"], &sale["total"]), (&json!(2), &json!(3)));
    }
    assert_eq!(
        app.get(&format!("/orders/{id}")).await.1["status"],
        "cancelled"
    );
    // The key stays bound to the cancelled order; the user may order again with another key.
    let (status, problem) = read(app.order(&product, "ada", 2, "a").await).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (409, &json!("order_cancelled"))
    );
    assert_eq!(problem["orderId"], id);
    app.place(&product, "ada", 2, "again").await;
    assert_eq!(app.order(&product, "cid", 1, "c").await.status(), 409);
}

#[tokio::test]
async fn concurrent_cancels_of_one_order_return_its_units_once() {
    let stores = Stores::new().await;
    let (one, two) = (stores.app(&[]).await, stores.app(&[]).await);
    let product = one.sale(5).await;
    let id = one.place(&product, "ada", 3, "a").await;
    let cancels = (0..16).map(|n| if n % 2 == 0 { &one } else { &two }.cancel(&id));
    for (status, order) in futures_util::future::join_all(cancels).await {
        assert_eq!((status, &order["status"]), (200, &json!("cancelled")));
    }
    let (_, sale) = two.get(&format!("/products/{product}")).await;
    assert_eq!(sale["remaining"], 5);
}

#[tokio::test]
async fn a_restock_adds_units_to_a_sold_out_sale_once_per_key() {
    let app = App::start(&[]).await;
    let product = app.sale(1).await;
    app.place(&product, "ada", 1, "a").await;
    assert_eq!(app.order(&product, "bob", 1, "b").await.status(), 409);
    for _ in 0..2 {
        let (status, sale) = app.restock(&product, "r", 2).await;
        assert_eq!(status, 200, "{sale}");
        assert_eq!((&sale["remaining"], &sale["total"]), (&json!(2), &json!(3)));
    }
    let reused = code(app.restock(&product, "r", 3).await);
    assert_eq!(reused, (422, "idempotency_key_reused".to_owned()));
    app.place(&product, "bob", 2, "b").await;
    assert_eq!(app.restock(&product, "s", 1).await.1["remaining"], 1);

    let too_many = code(app.restock(&product, "t", 1_000_000_000).await);
    assert_eq!(too_many, (400, "invalid_request".to_owned()));
    let unknown = code(app.restock("no-such-product", "r", 1).await);
    assert_eq!(unknown, (404, "unknown_product".to_owned()));
    let path = format!("/products/{product}/restock");
    let (status, problem) = read(app.change(&path, None, json!({"quantity": 1})).await).await;
    let missing = (status.as_u16(), problem["code"].as_str().unwrap());
    assert_eq!(missing, (400, "missing_idempotency_key"));
}

#[tokio::test]
async fn a_closed_sale_takes_no_orders_but_still_replays_and_cancels() {
    let app = App::start(&[]).await;
    let product = app.sale(5).await;
    let id = app.place(&product, "ada", 2, "a").await;
    let path = format!("/products/{product}/close");
    for _ in 0..2 {
        let (status, sale) = read(app.change(&path, None, json!({})).await).await;
        assert_eq!((status.as_u16(), &sale["status"]), (200, &json!("closed")));
    }
    let closed = (409, "sale_closed".to_owned());
    let (status, body) = read(app.order(&product, "bob", 1, "b").await).await;
    assert_eq!(code((status.as_u16(), body)), closed);
    assert_eq!(code(app.restock(&product, "r", 1).await), closed);
    assert_eq!(app.order(&product, "ada", 2, "a").await.status(), 202);
    assert_eq!(app.cancel(&id).await.0, 200);
    let (_, sale) = app.get(&format!("/products/{product}")).await;
    assert_eq!(
        (&sale["status"], &sale["remaining"]),
        (&json!("closed"), &json!(5))
    );
    let (status, _) = app.open(&product, &json!({"quantity": 5})).await;
    assert_eq!(
        status, 200,
        "opening it again on the same terms confirms it"
    );
}

#[tokio::test]
async fn changes_need_the_token_and_an_existing_order() {
    let app = App::start(&[]).await;
    let product = app.sale(1).await;
    let id = app.place(&product, "ada", 1, "a").await;
    for path in [
        format!("/orders/{id}/cancel"),
        format!("/products/{product}/restock"),
        format!("/products/{product}/close"),
    ] {
        let post = app
            .request(Method::POST, &path)
            .json(&json!({"quantity": 1}));
        assert_eq!(post.send().await.unwrap().status(), 401, "{path}");
        let get = app.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(get.status(), 405, "{path}");
    }
    let unknown = "01a1fb67-1800-897f-98f2-381895f55db8";
    for id in ["x", unknown] {
        let answer = code(app.cancel(id).await);
        assert_eq!(answer, (404, "unknown_order".to_owned()));
    }
}

#[tokio::test]
async fn a_cancel_follows_the_status_in_postgresql() {
    let stores = Stores::new().await;
    let app = stores.app(&[]).await;
    let product = app.sale(2).await;
    let id = app.place(&product, "ada", 1, "a").await;
    let insert = format!(
        "INSERT INTO orders (order_id, product_id, user_id, quantity, epoch, sequence, status, placed_at)
         VALUES ('{id}', '{product}', 'ada', 1, 1, 1, 'rejected', now())"
    );
    stores.sql.batch_execute(&insert).await.unwrap();
    assert_eq!(
        code(app.cancel(&id).await),
        (409, "order_rejected".to_owned())
    );

    // Cancelled in PostgreSQL, unknown to Redis: the same answer.
    let cancelled = "UPDATE orders SET status = 'cancelled'";
    stores.sql.batch_execute(cancelled).await.unwrap();
    stores.empty_redis().await;
    assert_eq!(app.cancel(&id).await.0, 200);
    let lost = "UPDATE orders SET status = 'confirmed'";
    stores.sql.batch_execute(lost).await.unwrap();
    assert_ne!(
        app.cancel(&id).await.0,
        200,
        "Redis has lost the sale and cannot return the units"
    );
}

#[tokio::test]
async fn without_kafka_cancels_and_restocks_count_only_after_it_is_back() {
    let stores = Stores::new().await;
    let (product, id) = {
        let app = stores.app(&[]).await;
        let product = app.sale(2).await;
        let id = app.place(&product, "ada", 2, "a").await;
        (product, id)
    };
    let app = stores.app(&["--kafka-brokers", "127.0.0.1:1"]).await;
    // Enough failures to open the circuit breaker.
    for n in 0..3 {
        app.order(&product, "bob", 1, &format!("b{n}")).await;
    }
    let answers = [
        code(app.cancel(&id).await),
        code(app.restock(&product, "r", 4).await),
    ];
    for answer in answers {
        assert_eq!(answer, (503, "unavailable".to_owned()));
    }
    let (_, sale) = app.get(&format!("/products/{product}")).await;
    assert_eq!((&sale["remaining"], &sale["total"]), (&json!(0), &json!(2)));
    assert_eq!(
        app.get(&format!("/orders/{id}")).await.1["status"],
        "accepted"
    );

    // The relay of an instance with Kafka finishes both, without another request.
    let healthy = stores.app(&["--outbox-relay-interval-ms", "50"]).await;
    drop(app);
    until("the units can be sold", async || {
        let (_, sale) = healthy.get(&format!("/products/{product}")).await;
        (&sale["remaining"], &sale["total"]) == (&json!(6), &json!(6))
    })
    .await;
    assert_eq!(healthy.cancel(&id).await.0, 200);
    assert_eq!(healthy.restock(&product, "r", 4).await.1["remaining"], 6);
}
