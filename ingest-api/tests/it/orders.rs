//! Placing orders.

use jiff::{Timestamp, ToSpan};
use reqwest::Method;
use serde_json::json;

use crate::fixture::{App, TOKEN, read, unique};

#[tokio::test]
async fn a_retry_returns_the_first_order_also_while_sold_out() {
    let app = App::start(&[]).await;
    let product = app.sale(1).await;
    let first = app.order(&product, "ada", 1, "k").await;
    assert_eq!(first.status(), 202);
    assert!(!first.headers().contains_key("Idempotency-Replayed"));
    let location = first.headers()["Location"].to_str().unwrap().to_owned();
    let (_, order) = read(first).await;
    assert_eq!(order["status"], "accepted");
    assert_eq!(
        location,
        format!("/orders/{}", order["orderId"].as_str().unwrap())
    );

    let (status, problem) = read(app.order(&product, "bob", 1, "k").await).await;
    assert_eq!(
        (status.as_u16(), problem["code"].as_str()),
        (409, Some("sold_out"))
    );

    let retry = app.order(&product, "ada", 1, "\"k\"").await;
    assert_eq!(
        (
            retry.status().as_u16(),
            &retry.headers()["Idempotency-Replayed"]
        ),
        (202, &"true".parse().unwrap())
    );
    assert_eq!(read(retry).await.1, order);

    let (status, found) = app.get(&location).await;
    assert_eq!(
        (status.as_u16(), found["userId"].as_str()),
        (200, Some("ada"))
    );
}

#[tokio::test]
async fn a_refusal_binds_no_key() {
    let app = App::start(&[]).await;
    let product = app.sale(2).await;
    let (_, refused) = read(app.order(&product, "ada", 3, "k").await).await;
    assert_eq!(refused["code"], "insufficient_stock");
    assert_eq!(app.order(&product, "ada", 2, "k").await.status(), 202);
    let (status, reused) = read(app.order(&product, "ada", 1, "k").await).await;
    assert_eq!(
        (status.as_u16(), reused["code"].as_str()),
        (422, Some("idempotency_key_reused"))
    );
}

#[tokio::test]
async fn a_user_may_hold_only_as_many_units_as_the_limit() {
    let app = App::start(&[]).await;
    let product = unique("p");
    app.open(&product, &json!({"quantity": 10, "perUserLimit": 2}))
        .await;
    assert_eq!(app.order(&product, "ada", 2, "a").await.status(), 202);
    let (_, refused) = read(app.order(&product, "ada", 1, "b").await).await;
    assert_eq!(refused["code"], "user_limit_reached");
    assert_eq!(app.order(&product, "bob", 1, "b").await.status(), 202);
}

#[tokio::test]
async fn a_sale_takes_orders_only_within_its_window() {
    let app = App::start(&[]).await;
    let (early, late) = (unique("p"), unique("p"));
    let now = Timestamp::now();
    let opens = now + 1.hour();
    app.open(&early, &json!({"quantity": 1, "opensAt": opens}))
        .await;
    let response = app.order(&early, "ada", 1, "k").await;
    let wait: i64 = response.headers()["Retry-After"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((3_500..=3_600).contains(&wait), "{wait}");
    assert_eq!(read(response).await.1["code"], "sale_not_open");
    assert_eq!(
        app.get(&format!("/products/{early}")).await.1["status"],
        "scheduled"
    );

    let times = json!({"quantity": 1, "opensAt": now - 2.hours(), "closesAt": now - 1.hour()});
    app.open(&late, &times).await;
    assert_eq!(
        read(app.order(&late, "ada", 1, "k").await).await.1["code"],
        "sale_closed"
    );
}

#[tokio::test]
async fn opening_a_sale_again_changes_nothing() {
    let app = App::start(&[]).await;
    let product = app.sale(5).await;
    assert_eq!(app.order(&product, "ada", 1, "k").await.status(), 202);
    let (status, body) = app.open(&product, &json!({"quantity": 5})).await;
    assert_eq!(
        (status.as_u16(), body["remaining"].as_u64()),
        (200, Some(4))
    );
}

#[tokio::test]
async fn a_sale_that_exists_is_answered_with_the_terms_that_differ() {
    let app = App::start(&[]).await;
    let product = unique("p");
    let opens_at = Timestamp::now();
    let terms = json!({"quantity": 5, "opensAt": opens_at, "perUserLimit": 2});
    assert_eq!(app.open(&product, &terms).await.0, 201);
    for (terms, differ) in [
        (
            json!({"quantity": 6, "opensAt": opens_at, "perUserLimit": 2}),
            "quantity",
        ),
        (json!({"quantity": 5, "opensAt": opens_at}), "perUserLimit"),
        (
            json!({"quantity": 5, "opensAt": opens_at + 1.hour(), "closesAt": opens_at + 2.hours(), "perUserLimit": 3}),
            "opensAt, closesAt, perUserLimit",
        ),
    ] {
        let (status, problem) = app.open(&product, &terms).await;
        assert_eq!(
            (status.as_u16(), problem["code"].as_str()),
            (409, Some("sale_exists"))
        );
        assert_eq!(
            problem["detail"],
            format!("the sale exists with other terms: {differ}")
        );
    }
}

#[tokio::test]
async fn a_sale_that_was_closed_before_its_opening_is_closed() {
    let app = App::start(&[]).await;
    let product = unique("p");
    let opens_at = Timestamp::now() + 1.hour();
    app.open(&product, &json!({"quantity": 1, "opensAt": opens_at}))
        .await;
    let close = format!("/products/{product}/close");
    let close = app.request(Method::POST, &close).bearer_auth(TOKEN);
    assert_eq!(close.send().await.unwrap().status(), 200);
    let (status, problem) = read(app.order(&product, "ada", 1, "k").await).await;
    assert_eq!(
        (status.as_u16(), problem["code"].as_str()),
        (409, Some("sale_closed"))
    );
}

#[tokio::test]
async fn clients_of_the_original_get_its_json() {
    let app = App::start(&["--compat-routes", "on"]).await;
    let product = unique("p");
    let init = |quantity: u32| {
        let body = json!({"productId": product, "quantity": quantity});
        app.request(Method::POST, "/init").json(&body).send()
    };
    assert_eq!(read(init(1).await.unwrap()).await.1["status"], "ok");
    assert_eq!(init(1).await.unwrap().status(), 200);
    assert_eq!(init(2).await.unwrap().status(), 409);
    for (user, status, text) in [
        ("a", 200, "success"),
        ("a", 200, "ignored"),
        ("b", 409, "sold_out"),
    ] {
        let body = json!({"productId": product, "userId": user});
        let post = app
            .request(Method::POST, "/order")
            .header("x-idempotency-key", user);
        let (seen, body) = read(post.json(&body).send().await.unwrap()).await;
        assert_eq!(
            (seen.as_u16(), body["status"].as_str()),
            (status, Some(text))
        );
    }
}

#[tokio::test]
async fn concurrent_orders_of_many_sales_share_redis_calls() {
    let app = App::start(&[]).await;
    let mut products = Vec::new();
    for _ in 0..32 {
        products.push(app.sale(1).await);
    }
    for (key, status) in [("a", 202), ("b", 409), ("a", 202)] {
        let orders = products.iter().map(|it| app.order(it, "ada", 1, key));
        let answers = futures_util::future::join_all(orders).await;
        assert!(answers.iter().all(|it| it.status() == status), "{key}");
    }
    let ordered = app.metric("orders_per_call_sum").await;
    let calls = app.metric("orders_per_call_count").await;
    assert!(ordered >= 64.0 && calls < ordered, "{calls} calls");
}

#[tokio::test]
async fn concurrent_orders_share_redis_calls() {
    let app = App::start(&[]).await;
    let product = app.sale(40).await;
    let keys: Vec<_> = (0..64).map(|n| format!("k{n}")).collect();
    let orders = keys.iter().map(|key| app.order(&product, "ada", 1, key));
    let answers = futures_util::future::join_all(orders).await;
    let taken = answers.iter().filter(|answer| answer.status() == 202);
    assert_eq!(taken.count(), 40);
    assert_eq!(app.metric("orders_per_call_sum").await, 64.0);
    let calls = app.metric("orders_per_call_count").await;
    assert!(calls < 64.0, "{calls} calls");
}
