//! The limits of the rate of a sale's orders.

use futures_util::future::join_all;
use reqwest::{Method, Response, redirect};
use serde_json::{Value, json};

use crate::fixture::{App, Stores, read, unique};

const LIMITS: [&str; 2] = ["--sale-features", "limits"];
const WAITING_ROOM: &str = "https://shop.example/waiting-room";
const COMPAT: [&str; 6] = [
    "--compat-routes=on",
    "--compat-rate-per-second=1",
    "--compat-waiting-room-url",
    WAITING_ROOM,
    "--sale-features",
    "limits",
];

async fn sale(app: &App, terms: Value) -> String {
    let product = unique("p");
    let (status, sale) = app.open(&product, &terms).await;
    assert_eq!(status, 201, "{sale}");
    product
}

/// A header; empty if it is absent. Several lines are one list.
fn header(answer: &Response, name: &str) -> String {
    let lines = answer.headers().get_all(name).iter();
    let lines: Vec<_> = lines.map(|it| it.to_str().unwrap()).collect();
    lines.join(", ")
}

async fn refused(answer: Response) -> (u16, String) {
    let (status, problem) = read(answer).await;
    (
        status.as_u16(),
        problem["code"].as_str().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn a_sale_takes_no_more_orders_in_a_second_than_its_rate() {
    let stores = Stores::new().await;
    let apps = [stores.app(&LIMITS).await, stores.app(&LIMITS).await];
    let product = sale(&apps[0], json!({"quantity": 9, "ordersPerSecond": 1})).await;
    let first = apps[0].order(&product, "ada", 1, "a").await;
    assert_eq!(first.status(), 202);
    assert_eq!(
        header(&first, "RateLimit-Policy"),
        "\"sale-orders\";q=1;w=1"
    );
    assert_eq!(header(&first, "RateLimit"), "\"sale-orders\";r=0;t=1");

    let next = apps[1].order(&product, "bob", 1, "b").await;
    assert_eq!(header(&next, "Retry-After"), "1");
    assert_eq!(header(&next, "RateLimit-Policy"), "\"sale-orders\";q=1;w=1");
    assert_eq!(header(&next, "RateLimit"), "\"sale-orders\";r=0;t=1");
    assert_eq!(refused(next).await, (429, "rate_limited".to_owned()));

    let retry = apps[1].order(&product, "ada", 1, "a").await;
    assert_eq!(retry.status(), 202);
    assert_eq!(header(&retry, "Idempotency-Replayed"), "true");
    assert!(header(&retry, "RateLimit").starts_with("\"sale-orders\";r="));
    // Refused orders count for nothing.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert_eq!(apps[1].order(&product, "bob", 1, "b").await.status(), 202);
    let (_, shown) = apps[1].get(&format!("/products/{product}")).await;
    assert_eq!(
        (&shown["ordersPerSecond"], &shown["remaining"]),
        (&json!(1), &json!(7))
    );
    assert_eq!(shown.get("ordersPerUser"), None);
}

#[tokio::test]
async fn a_user_places_no_more_orders_in_a_window_than_the_sale_allows() {
    let stores = Stores::new().await;
    let apps = [stores.app(&LIMITS).await, stores.app(&LIMITS).await];
    let product = sale(&apps[0], json!({"quantity": 2, "ordersPerUser": "1/600"})).await;
    let first = apps[0].order(&product, "ada", 1, "a").await;
    assert_eq!(first.status(), 202);
    assert_eq!(header(&first, "RateLimit"), "\"user-orders\";r=0;t=600");

    let second = apps[1].order(&product, "ada", 1, "b").await;
    assert_eq!(
        header(&second, "RateLimit-Policy"),
        "\"user-orders\";q=1;w=600"
    );
    let wait: u32 = header(&second, "Retry-After").parse().unwrap();
    assert!((590..=600).contains(&wait), "{wait}");
    assert_eq!(refused(second).await, (429, "rate_limited".to_owned()));
    assert_eq!(apps[1].order(&product, "ada", 1, "a").await.status(), 202);

    assert_eq!(apps[1].order(&product, "bob", 1, "b").await.status(), 202);
    let sold_out = apps[0].order(&product, "cid", 1, "c").await;
    assert_eq!(header(&sold_out, "RateLimit"), "\"user-orders\";r=1;t=0");
    assert_eq!(refused(sold_out).await, (409, "sold_out".to_owned()));
    let outcome = "orders_total{outcome=\"rate_limited\"}";
    assert_eq!(apps[1].metric(outcome).await, 1.0);
}

#[tokio::test]
async fn a_user_who_has_left_too_many_orders_unpaid_gets_no_further_one() {
    let stores = Stores::new().await;
    let app = stores.app(&LIMITS).await;
    let product = sale(&app, json!({"quantity": 2, "ordersPerUser": "9/600"})).await;
    let sale_key = &stores.keys("fg:*:sale:*").await[0];
    let hold = [sale_key.as_str(), "hold", "60000 30000 1 0"];
    stores.redis::<()>("HSET", &hold).await;
    let users = &stores.keys("fg:*:users:*").await[0];
    stores.redis::<()>("HSET", &[users, "\u{1}ada", "1"]).await;
    let order = app.order(&product, "ada", 1, "a").await;
    let problem = (409, "unpaid_limit_reached".to_owned());
    assert_eq!(refused(order).await, problem);
    assert_eq!(app.order(&product, "bob", 1, "a").await.status(), 202);
    let outcome = "orders_total{outcome=\"unpaid_limit_reached\"}";
    assert_eq!(app.metric(outcome).await, 1.0);
}

#[tokio::test]
async fn terms_of_a_feature_that_is_not_enabled_are_refused() {
    let app = App::start(&[]).await;
    let product = unique("p");
    for (terms, term) in [
        (
            json!({"quantity": 1, "ordersPerSecond": 5}),
            "ordersPerSecond",
        ),
        (
            json!({"quantity": 1, "ordersPerUser": "1/60"}),
            "ordersPerUser",
        ),
    ] {
        let (status, problem) = app.open(&product, &terms).await;
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (409, &json!("feature_disabled"))
        );
        let detail = format!("{term} needs the feature `limits` in SALE_FEATURES");
        assert_eq!(problem["detail"], detail);
    }
    assert_eq!(app.open(&product, &json!({"quantity": 1})).await.0, 201);
    let order = app.order(&product, "ada", 1, "a").await;
    assert_eq!(
        (order.status().as_u16(), header(&order, "RateLimit")),
        (202, String::new())
    );
}

#[tokio::test]
async fn limits_are_terms_that_a_repeated_call_compares() {
    let app = App::start(&LIMITS).await;
    let terms = json!({"quantity": 1, "ordersPerSecond": 5, "ordersPerUser": "2/60"});
    let product = sale(&app, terms.clone()).await;
    let (status, same) = app.open(&product, &terms).await;
    assert_eq!(
        (status.as_u16(), &same["ordersPerUser"]),
        (200, &json!("2/60"))
    );
    for (terms, differ) in [
        (json!({"quantity": 1}), "ordersPerSecond, ordersPerUser"),
        (
            json!({"quantity": 1, "ordersPerSecond": 5, "ordersPerUser": "2/61"}),
            "ordersPerUser",
        ),
    ] {
        let (status, problem) = app.open(&product, &terms).await;
        assert_eq!(status, 409);
        let detail = format!("the sale exists with other terms: {differ}");
        assert_eq!(problem["detail"], detail);
    }
    for (terms, allowed) in [
        (
            json!({"quantity": 1, "ordersPerSecond": 0}),
            "a whole number from 1 to 1000000",
        ),
        (
            json!({"quantity": 1, "ordersPerUser": "2 per minute"}),
            "orders/seconds, such as 3/60",
        ),
    ] {
        let (status, problem) = app.open(&unique("p"), &terms).await;
        assert_eq!(status, 400);
        assert!(
            problem["detail"].as_str().unwrap().contains(allowed),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn the_rate_of_the_original_is_exact_and_of_each_sale() {
    let stores = Stores::new().await;
    let apps = [stores.app(&COMPAT).await, stores.app(&COMPAT).await];
    let client = reqwest::Client::builder();
    let client = client.redirect(redirect::Policy::none()).build().unwrap();
    let post = |n: usize, path: &str, body: Value| {
        let url = format!("http://{}{path}", apps[n % 2].address());
        let key = body["userId"].as_str().unwrap_or("none").to_owned();
        let post = client
            .request(Method::POST, url)
            .header("x-idempotency-key", key);
        post.json(&body).send()
    };
    for _ in 0..2 {
        let product = unique("p");
        let init = json!({"productId": product, "quantity": 5});
        for n in 0..2 {
            assert_eq!(post(n, "/init", init.clone()).await.unwrap().status(), 200);
        }
        let order = |user: usize| json!({"productId": product, "userId": format!("user-{user}")});
        let answers = join_all((0..6).map(|n| post(n, "/order", order(n)))).await;
        let mut taken = Vec::new();
        for (n, answer) in answers.into_iter().enumerate() {
            let answer = answer.unwrap();
            match answer.status().as_u16() {
                302 => assert_eq!(header(&answer, "Location"), WAITING_ROOM),
                200 => taken.push(n),
                other => panic!("{other}"),
            }
        }
        assert_eq!(taken.len(), 1, "the other sale does not count");
        let retry = post(taken[0] + 1, "/order", order(taken[0])).await.unwrap();
        assert_eq!(read(retry).await.1["status"], "ignored");
    }
    // Opened by an instance without the setting: nothing is limited, and /init confirms it.
    let plain = stores.app(&["--compat-routes=on"]).await;
    let product = plain.sale(5).await;
    let init = json!({"productId": product, "quantity": 5});
    assert_eq!(post(0, "/init", init).await.unwrap().status(), 200);
    let other = json!({"productId": product, "quantity": 6});
    assert_eq!(post(0, "/init", other).await.unwrap().status(), 409);
}

#[tokio::test]
async fn a_sale_of_the_original_is_not_confirmed_before_its_opening_is_on_kafka() {
    let stores = Stores::new().await;
    let init = json!({"productId": unique("p"), "quantity": 5});
    let no_kafka = "--kafka-brokers=127.0.0.1:1";
    let faster = [&COMPAT[..1], &["--compat-rate-per-second=2"], &COMPAT[2..]].concat();
    for settings in [&COMPAT[..], &faster] {
        let app = stores.app(&[settings, &[no_kafka]].concat()).await;
        let post = app.request(Method::POST, "/init").json(&init).send();
        assert_eq!(post.await.unwrap().status(), 503);
    }
    let app = stores.app(&faster).await;
    let post = app.request(Method::POST, "/init").json(&init).send();
    assert_eq!(post.await.unwrap().status(), 200);
}
