//! The start of a queue, as other programs see it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::queue::{QUEUE, SECRET, sale};
use crate::fixture::{Stores, TOKEN, until};

/// The outbox relay looks often.
const PROMPT: &str = "--outbox-relay-interval-ms=100";

#[tokio::test]
async fn a_queue_starts_once_whatever_the_number_of_instances_and_its_event_is_published() {
    let stores = Stores::new().await;
    let settings = [&QUEUE[..], &[PROMPT]].concat();
    let apps = [stores.app(&settings).await, stores.app(&settings).await];
    let product = sale(&apps[0], 9, 3_000, json!({"admitPerSecond": 100})).await;
    for (app, user) in apps.iter().zip(["ada", "bob"]) {
        let (_, joined) = app.join(&product, user).await;
        assert_eq!(joined["joined"], "early", "{joined}");
    }
    for app in &apps {
        app.until_started(&product).await;
    }
    let post = apps[1]
        .request(Method::POST, "/orders")
        .bearer_auth(TOKEN)
        .header("Idempotency-Key", "a");
    let body = json!({"productId": product, "userId": "eve"});
    let order: Value = post.json(&body).send().await.unwrap().json().await.unwrap();
    let key = &stores.keys(&format!("*:sale:{product}")).await[0];
    let started: String = stores.redis("HGET", &[key, "queue_started"]).await;
    assert!(
        started.starts_with("1-1 ") && started.ends_with(" 2"),
        "{started}"
    );
    let last: u32 = stores.redis("HGET", &[key, "seq"]).await;
    assert_eq!(last, 2, "the start and the order");
    let ids = stores.ids_on_kafka(3).await;
    assert_eq!(ids[0], format!("{product}:1"));
    let mut later = ids[1..].to_vec();
    later.sort_unstable();
    let mut expected = vec![
        format!("{product}:queue-started:1-1"),
        order["orderId"].as_str().unwrap().to_owned(),
    ];
    expected.sort_unstable();
    assert_eq!(later, expected);
}

#[tokio::test]
async fn a_start_counts_while_kafka_is_away_and_is_published_afterwards() {
    let stores = Stores::new().await;
    let product = {
        let app = stores.app(&QUEUE).await;
        sale(&app, 9, 1_000, json!({"admitPerSecond": 100})).await
    };
    let outbox = format!("*:outbox:{product}");
    {
        let nowhere = [&QUEUE[..], &["--kafka-brokers=127.0.0.1:1"]].concat();
        let cut_off = stores.app(&nowhere).await;
        cut_off.until_started(&product).await;
        let key = &stores.keys(&outbox).await[0];
        let waiting: u32 = stores.redis("XLEN", &[key]).await;
        assert_eq!(waiting, 1);
        let ticket = cut_off.ticket(&product, "ada").await;
        cut_off.until_turn(&product, &ticket).await;
    }
    let settings = [&QUEUE[..], &[PROMPT]].concat();
    let _app = stores.app(&settings).await;
    let ids = stores.ids_on_kafka(2).await;
    assert_eq!(ids[1], format!("{product}:queue-started:1-1"));
    let key = &stores.keys(&outbox).await[0];
    until("the entry is acknowledged", async || {
        stores.redis::<u32>("XLEN", &[key]).await == 0
    })
    .await;
}

/// Redis loses a field of a sale, and the numbers after `seq`.
async fn lose(stores: &Stores, product: &str, seq: u32, field: &str) {
    let key = &stores.keys(&format!("*:sale:{product}")).await[0];
    let _: i64 = stores.redis("HDEL", &[key, field]).await;
    let _: i64 = stores.redis("HSET", &[key, "seq", &seq.to_string()]).await;
}

#[tokio::test]
async fn a_sale_that_may_continue_after_a_loss_does_so_although_nobody_can_order() {
    let stores = Stores::new().await;
    let settings = [
        &QUEUE[..2],
        &["--queue-secrets", SECRET, "--on-redis-loss=continue"],
    ]
    .concat();
    let app = stores.app(&settings).await;
    let product = sale(&app, 9, 0, json!({"admitPerSecond": 1})).await;
    app.until_started(&product).await;
    lose(&stores, &product, 0, "queue_started").await;
    let ticket = app.ticket(&product, "ada").await;
    app.until_turn(&product, &ticket).await;
    let key = &stores.keys(&format!("*:sale:{product}")).await[0];
    let started: String = stores.redis("HGET", &[key, "queue_started"]).await;
    assert!(started.starts_with("2-"), "{started}");
}

#[tokio::test]
async fn an_instance_that_has_seen_a_change_finds_out_that_redis_has_lost_it() {
    let stores = Stores::new().await;
    let (app, other) = (stores.app(&QUEUE).await, stores.app(&QUEUE).await);
    let product = sale(&app, 9, 0, json!({"admitPerSecond": 1})).await;
    app.until_started(&product).await;
    let patch = app.request(Method::PATCH, &format!("/queue/{product}"));
    let patch = patch.bearer_auth(TOKEN).header("Idempotency-Key", "p");
    let patched = patch.json(&json!({"paused": true})).send().await.unwrap();
    assert_eq!(patched.status(), 200);
    until("the other instance shows it", async || {
        other.state(&product).await["paused"] == true
    })
    .await;
    assert_eq!(other.metric("redis_lost_writes_total").await, 0.0);
    lose(&stores, &product, 1, "queue_changed").await;
    until("the other instance finds Redis behind", async || {
        other.metric("redis_lost_writes_total").await > 0.0
    })
    .await;
}
