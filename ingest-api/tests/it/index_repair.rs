//! The index of sales, from which Redis may lose sales.

use serde_json::json;

use crate::fixture::{BlockedProxy, Stores, read, until};

const INDEX: &str = "fg:sales";

#[tokio::test]
async fn entries_of_a_sale_that_the_index_has_lost_are_published_when_kafka_is_back() {
    let stores = Stores::new().await;
    let product = stores.app(&[]).await.sale(10).await;
    let proxy = BlockedProxy::new(&stores.kafka).await;
    let settings = [
        "--kafka-brokers",
        &proxy.address(),
        "--kafka-message-timeout-ms=1000",
        "--publish-wait-ms=20",
        "--outbox-relay-interval-ms=50",
    ];
    let app = stores.app(&settings).await;
    let (_, order) = read(app.order(&product, "ada", 1, "a").await).await;
    assert_eq!(order["status"], "reserved");
    stores.redis::<()>("DEL", &[INDEX]).await;
    // The producer has given it up, so only the relay can publish it.
    until("the message has failed", async || {
        app.metric(r#"publishes_total{outcome="failed"}"#).await >= 1.0
    })
    .await;
    proxy.open();
    until("the outbox is empty", async || {
        let outboxes = stores.keys("fg:*:outbox:*").await;
        stores.redis::<u64>("XLEN", &[&outboxes[0]]).await == 0
    })
    .await;
    assert_eq!(app.metric("sales_reindexed_total").await, 1.0);
}

#[tokio::test]
async fn a_retired_sale_stays_out_of_the_index() {
    let stores = Stores::new().await;
    let app = stores.app(&["--outbox-relay-interval-ms=50"]).await;
    let [retired, open] = [app.sale(1).await, app.sale(1).await];
    for product in [&retired, &open] {
        assert_eq!(app.order(product, "ada", 1, "a").await.status(), 202);
    }
    let path = format!("/products/{retired}/close");
    assert_eq!(app.change(&path, None, json!({})).await.status(), 200);
    until("one is retired", async || {
        index(&stores).await == [open.clone()]
    })
    .await;
    stores.redis::<()>("DEL", &[INDEX]).await;
    until("the other is in the index again", async || {
        app.metric("sales_reindexed_total").await >= 1.0
    })
    .await;
    assert_eq!(index(&stores).await, [open]);
}

async fn index(stores: &Stores) -> Vec<String> {
    stores.redis("SMEMBERS", &[INDEX]).await
}
