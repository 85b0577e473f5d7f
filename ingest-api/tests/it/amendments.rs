//! Sales that are amended before their first order.

use jiff::{Timestamp, ToSpan};
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{App, Stores, read, unique, until};

const AMENDMENTS: [&str; 4] = [
    "--sale-amendments=on",
    "--sale-features=limits",
    "--outbox-relay-interval-ms=100",
    "--publish-wait-ms=200",
];

fn code(answer: (reqwest::StatusCode, Value)) -> (u16, String) {
    let code = answer.1["code"].as_str().unwrap_or_default();
    (answer.0.as_u16(), code.to_owned())
}

#[tokio::test]
async fn a_typing_mistake_is_corrected_until_somebody_orders() {
    let stores = Stores::new().await;
    let apps = [stores.app(&AMENDMENTS).await, stores.app(&AMENDMENTS).await];
    let (product, opens_at) = (unique("p"), Timestamp::now() + 1.hour());
    let wrong = json!({"quantity": 2, "opensAt": opens_at, "perUserLimit": 1});
    assert_eq!(apps[0].open(&product, &wrong).await.0, 201);
    // Both instances remember the sale.
    for app in &apps {
        let refused = read(app.order(&product, "ada", 1, "a").await).await;
        assert_eq!(code(refused).1, "sale_not_open");
    }
    let right = json!({"quantity": 2, "perUserLimit": 2, "ordersPerUser": "1/600"});
    for _ in 0..2 {
        let (status, sale) = apps[1].open(&product, &right).await;
        assert_eq!(
            (status.as_u16(), &sale["status"]),
            (200, &json!("open")),
            "{sale}"
        );
        assert_eq!(
            (&sale["perUserLimit"], &sale["ordersPerUser"]),
            (&json!(2), &json!("1/600"))
        );
    }
    let ids = stores.ids_on_kafka(2).await;
    assert_eq!(ids[1], format!("{product}:amended:1-1"));

    until("the first instance sells, too", async || {
        apps[0].order(&product, "ada", 1, "a").await.status() == 202
    })
    .await;
    let retry = apps[1].order(&product, "ada", 1, "a").await;
    assert_eq!(retry.headers()["Idempotency-Replayed"], "true");
    assert_eq!(apps[1].order(&product, "ada", 1, "b").await.status(), 429);

    let late = json!({"quantity": 2, "perUserLimit": 1});
    let (status, problem) = apps[0].open(&product, &late).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (409, &json!("sale_exists"))
    );
    assert_eq!(
        problem["detail"],
        "the sale has, or had, orders, so its terms stay; these differ: perUserLimit, ordersPerUser"
    );
    assert_eq!(apps[0].open(&product, &right).await.0, 200);
}

#[tokio::test]
async fn an_instance_that_remembers_a_sale_without_limits_keeps_to_those_that_it_got() {
    let stores = Stores::new().await;
    let apps = [stores.app(&AMENDMENTS).await, stores.app(&AMENDMENTS).await];
    let (product, closes_at) = (unique("p"), Timestamp::now() + 1.hour());
    let terms = json!({"quantity": 1, "closesAt": closes_at});
    assert_eq!(apps[0].open(&product, &terms).await.0, 201);
    let too_many = apps[1].order(&product, "ada", 2, "a").await;
    assert_eq!(code(read(too_many).await).1, "insufficient_stock");
    let limited = json!({"quantity": 1, "closesAt": closes_at, "ordersPerUser": "1/600"});
    assert_eq!(apps[0].open(&product, &limited).await.0, 200);

    let order = apps[1].order(&product, "ada", 1, "a").await;
    assert_eq!(order.status(), 202);
    assert_eq!(order.headers()["RateLimit"], "\"user-orders\";r=0;t=600");
}

#[tokio::test]
async fn the_quantity_and_a_closed_sale_stay() {
    let stores = Stores::new().await;
    let app = stores.app(&AMENDMENTS).await;
    let product = app.sale(2).await;
    let more = json!({"quantity": 3, "perUserLimit": 1});
    assert_eq!(
        code(app.open(&product, &more).await),
        (409, "sale_exists".to_owned())
    );
    let now = Timestamp::now();
    let ended = json!({"quantity": 2, "opensAt": now - 1.hour(), "closesAt": now + 1.second()});
    assert_eq!(app.open(&product, &ended).await.0, 200);
    until("the sale is closed", async || {
        let path = format!("/products/{product}");
        app.get(&path).await.1["status"] == "closed"
    })
    .await;
    let again = app.open(&product, &json!({"quantity": 2})).await;
    assert_eq!(code(again), (409, "sale_closed".to_owned()));
    assert_eq!(app.open(&product, &ended).await.0, 200, "the same terms");
    // The relay goes by the new end, too.
    let key = &stores.keys("fg:*:sale:*").await[0];
    until("the sale is retired", async || {
        stores.redis::<i64>("PTTL", &[key]).await >= 0
    })
    .await;
}

#[tokio::test]
async fn without_kafka_an_amendment_counts_but_is_answered_503_until_it_is_published() {
    let stores = Stores::new().await;
    let product = stores.app(&AMENDMENTS).await.sale(2).await;
    let nowhere = [&AMENDMENTS[..], &["--kafka-brokers=127.0.0.1:1"]].concat();
    let limited = json!({"quantity": 2, "perUserLimit": 1});
    {
        let cut_off = stores.app(&nowhere).await;
        let answer = cut_off.open(&product, &limited).await;
        assert_eq!(code(answer), (503, "unavailable".to_owned()));
        let (_, sale) = cut_off.get(&format!("/products/{product}")).await;
        assert_eq!(sale["perUserLimit"], 1);
    }
    let app = stores.app(&AMENDMENTS).await;
    assert_eq!(app.open(&product, &limited).await.0, 200);
    let ids = stores.ids_on_kafka(2).await;
    assert_eq!(ids[1], format!("{product}:amended:1-1"));
}

#[tokio::test]
async fn without_the_setting_no_sale_is_amended() {
    let app = App::start(&[]).await;
    let product = app.sale(2).await;
    let limited = json!({"quantity": 2, "perUserLimit": 1});
    assert_eq!(
        code(app.open(&product, &limited).await),
        (409, "sale_exists".to_owned())
    );
}

#[tokio::test]
async fn the_route_of_the_original_which_needs_no_token_amends_no_sale() {
    let settings = [&AMENDMENTS[..], &["--compat-routes=on"]].concat();
    let app = App::start(&settings).await;
    let (product, opens_at) = (unique("p"), Timestamp::now() + 1.hour());
    let terms = json!({"quantity": 2, "opensAt": opens_at, "perUserLimit": 1});
    assert_eq!(app.open(&product, &terms).await.0, 201);
    let path = format!("/products/{product}");
    let before = app.get(&path).await;
    let init = app.request(Method::POST, "/init");
    let init = init.json(&json!({"productId": product, "quantity": 2}));
    assert_eq!(init.send().await.unwrap().status(), 409);
    assert_eq!(app.get(&path).await, before);
}
