//! Sales that are over: retired, or gone from Redis.

use jiff::{Timestamp, ToSpan};
use reqwest::StatusCode;
use serde_json::json;

use crate::changes::code;
use crate::fixture::queue::{self, QUEUE, refused};
use crate::fixture::{App, Stores, unique, until};

const FAST_RELAY: &str = "--outbox-relay-interval-ms=50";
/// Settings without a broker.
const NO_KAFKA: &str = "--kafka-brokers=127.0.0.1:1";

async fn index(stores: &Stores) -> Vec<String> {
    stores.redis("SMEMBERS", &["fg:sales"]).await
}

/// The times that the keys of a sale have left, ms; -1: no expiry.
async fn expiries(stores: &Stores, product: &str) -> Vec<i64> {
    let mut expiries = Vec::new();
    for key in stores.keys(&format!("fg:*:{product}")).await {
        expiries.push(stores.redis("PTTL", &[&key]).await);
    }
    assert_eq!(expiries.len(), 3);
    expiries
}

/// Writes the ledger row of a sale that has ended, as a worker does.
async fn write_ended(stores: &Stores, product: &str) {
    let rows = format!(
        "INSERT INTO stock_ledger (product_id, total, opens_at, closes_at, partition)
         VALUES ('{product}', 5, now() - interval '1 hour', now(), 0);
         INSERT INTO number_series (series_id, product_id, epoch, last_sequence)
         VALUES ('{product}', '{product}', 1, 2)"
    );
    stores.sql.batch_execute(&rows).await.unwrap();
}

async fn close(app: &App, product: &str) -> StatusCode {
    let path = format!("/products/{product}/close");
    app.change(&path, None, json!({})).await.status()
}

#[tokio::test]
async fn a_closed_sale_is_retired_and_an_open_one_is_not() {
    let stores = Stores::new().await;
    let app = stores
        .app(&[FAST_RELAY, "--order-record-ttl-seconds=3600"])
        .await;
    let open = app.sale(1).await;
    let closed = unique("p");
    let now = Timestamp::now();
    let times = json!({"quantity": 1, "opensAt": now - 2.minutes(), "closesAt": now - 1.minutes()});
    assert_eq!(app.open(&closed, &times).await.0, 201);
    until("the keys have an expiry", async || {
        let keys = stores.keys(&format!("fg:*:sale:{closed}")).await;
        stores.redis::<i64>("PTTL", &[&keys[0]]).await > 0
    })
    .await;
    until("the index no longer has the sale", async || {
        index(&stores).await == [open.clone()]
    })
    .await;
    let keys = stores.keys(&format!("fg:*:*:{open}")).await;
    assert_eq!(keys.len(), 3);
    for key in keys {
        assert_eq!(stores.redis::<i64>("PTTL", &[&key]).await, -1, "{key}");
    }
}

#[tokio::test]
async fn changes_of_retired_sales_are_left_to_the_relay_while_kafka_is_away() {
    let stores = Stores::new().await;
    let (sale, order, ended) = {
        let app = stores.app(&[FAST_RELAY]).await;
        let sale = app.sale(5).await;
        let order = app.place(&sale, "ada", 2, "a").await;
        assert_eq!(close(&app, &sale).await, 200);
        let (now, ended) = (Timestamp::now(), unique("p"));
        let times =
            json!({"quantity": 1, "opensAt": now - 2.minutes(), "closesAt": now - 1.minutes()});
        assert_eq!(app.open(&ended, &times).await.0, 201);
        until("both are retired", async || index(&stores).await.is_empty()).await;
        (sale, order, ended)
    };
    {
        let app = stores.app(&[FAST_RELAY, NO_KAFKA]).await;
        assert_eq!(close(&app, &ended).await, 200);
        let seen = until("the relay sees the entries", async || {
            app.metric("outbox_entries").await == 2.0
        });
        // It is answered after 8 s, if nobody gives up.
        tokio::select! {
            answer = app.cancel(&order) => panic!("{answer:?}"),
            () = seen => {}
        }
        for product in [&sale, &ended] {
            assert_eq!(expiries(&stores, product).await, [-1; 3]);
        }
    }
    let app = stores.app(&[FAST_RELAY]).await;
    until("both are retired again", async || {
        index(&stores).await.is_empty()
    })
    .await;
    for product in [&sale, &ended] {
        let left = expiries(&stores, product).await;
        assert!(left.iter().all(|ms| *ms > 0), "{left:?}");
    }
    let (_, view) = app.get(&format!("/products/{sale}")).await;
    assert_eq!(view["remaining"], 5);
    assert_eq!(app.cancel(&order).await.1["status"], "cancelled");
}

#[tokio::test]
async fn a_sale_that_has_left_redis_leaves_the_index() {
    let stores = Stores::new().await;
    let settings = [FAST_RELAY, "--order-record-ttl-seconds=1"];
    let app = stores.app(&settings).await;
    let sale = app.sale(5).await;
    assert_eq!(close(&app, &sale).await, 200);
    until("its keys are gone", async || {
        stores.keys(&format!("fg:*:{sale}")).await.is_empty()
    })
    .await;
    write_ended(&stores, &sale).await;
    // Left there by a call that died, and by a relay that did.
    for member in [sale.clone(), format!("{sale} 7")] {
        stores.redis::<i64>("SADD", &["fg:sales", &member]).await;
    }
    until("the index is empty", async || {
        index(&stores).await.is_empty()
    })
    .await;
}

#[tokio::test]
async fn an_instance_that_knew_a_sale_with_a_queue_finds_out_that_it_is_over() {
    let stores = Stores::new().await;
    let settings = [FAST_RELAY, "--order-record-ttl-seconds=1"];
    let settings = [&QUEUE[..], &settings].concat();
    let [app, other] = [stores.app(&settings).await, stores.app(&settings).await];
    let queue = json!({"admitPerSecond": 100});
    let product = queue::sale(&app, 9, 0, queue).await;
    // An order that passes the queue: the instance knows the sale, but does not serve its queue.
    assert_eq!(other.buy_as_admin(&product, "ada").await, 202);
    app.close_sale(&product).await;
    until("its keys are gone", async || {
        stores.keys(&format!("fg:*:{product}")).await.is_empty()
    })
    .await;
    write_ended(&stores, &product).await;
    let position = format!(
        "INSERT INTO positions (topic, partition, next_offset) VALUES ('{}', 0, 1000)",
        stores.topic
    );
    stores.sql.batch_execute(&position).await.unwrap();
    until("the other instance says so", async || {
        other.buy(&product, "bob", "b", None).await == refused(409, "sale_closed")
    })
    .await;
}

#[tokio::test]
async fn changes_stop_at_their_own_limit_of_the_outbox() {
    const FILL: &str = "for i = 1, tonumber(ARGV[1]) do
        redis.call('XADD', KEYS[1], '1-' .. (i + 9), 'order', 'x') end";
    let stores = Stores::new().await;
    let (sale, order) = {
        let app = stores.app(&[]).await;
        let sale = app.sale(5).await;
        let order = app.place(&sale, "ada", 2, "a").await;
        (sale, order)
    };
    let outbox = stores.keys(&format!("fg:*:outbox:{sale}")).await.remove(0);
    let slow = ["--outbox-relay-interval-ms=60000", "--outbox-max=1"];
    let app = stores.app(&slow).await;
    let fill = ["1", &outbox, "10001"];
    stores
        .redis::<()>("EVAL", &[&[FILL][..], &fill].concat())
        .await;
    let full = (503, "overloaded".to_owned());
    assert_eq!(code(app.cancel(&order).await), full);
    assert_eq!(code(app.restock(&sale, "r", 1).await), full);
    assert_eq!(close(&app, &sale).await, 503);
    assert_eq!(app.metric("outbox_changes_full_total").await, 3.0);
    // The entries have numbers, too.
    let key = stores.keys(&format!("fg:*:sale:{sale}")).await.remove(0);
    stores.redis::<()>("HSET", &[&key, "seq", "20000"]).await;
    let one = [outbox.as_str(), "1-10"];
    assert_eq!(stores.redis::<i64>("XDEL", &one).await, 1);
    assert_eq!(close(&app, &sale).await, 200);
}
