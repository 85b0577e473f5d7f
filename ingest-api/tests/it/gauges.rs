//! Gauges whose values come from Redis.

use std::time::Duration;

use fluxgate_domain::ids::ProductId;
use serde_json::json;

use crate::fixture::{App, SlowProxy, Stores, claim_five, unique, until};

const FAST_RELAY: &str = "--outbox-relay-interval-ms=50";
/// Those of the relay.
const RELAY: [&str; 6] = [
    "outbox_entries",
    "outbox_oldest_seconds",
    "sales_incomplete",
    "open_sales",
    "open_sales_units",
    "open_sales_units_remaining",
];

async fn is_any_shown(app: &App, gauges: &[&str]) -> bool {
    for gauge in gauges {
        if app.metric_if_known(gauge).await.is_some() {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn gauges_are_absent_while_redis_does_not_answer() {
    let stores = Stores::new().await;
    let (server, database) = stores.redis_address();
    let proxy = SlowProxy::new(server, Duration::ZERO).await;
    let redis_url = format!("redis://{}/{database}", proxy.address());
    let settings = ["--redis-url", &redis_url, FAST_RELAY];
    let app = stores.app(&settings).await;
    app.sale(5).await;
    until("the sale is counted", async || {
        app.metric("open_sales_units").await == 5.0
    })
    .await;
    proxy.cut(true);
    until("no gauge has an old value", async || {
        !is_any_shown(&app, &RELAY).await
    })
    .await;
    proxy.cut(false);
    until("the sale is counted again", async || {
        app.metric("open_sales_units").await == 5.0
    })
    .await;
}

#[tokio::test]
async fn only_the_relay_leader_has_the_gauges() {
    let stores = Stores::new().await;
    let leader = stores.app(&[FAST_RELAY]).await;
    let other = stores.app(&[FAST_RELAY]).await;
    leader.sale(5).await;
    until("the sale is counted", async || {
        leader.metric("open_sales").await == 1.0
    })
    .await;
    assert!(!is_any_shown(&other, &RELAY).await);
}

/// A sale that is damaged, not unreachable, hides nothing: its failure has a counter.
#[tokio::test]
async fn a_damaged_sale_does_not_hide_the_others() {
    let stores = Stores::new().await;
    let (gate, damaged) = (stores.gate(), ProductId::parse(&unique("p")).unwrap());
    claim_five(&gate, &damaged, 0).await;
    let outboxes = stores.keys("fg:*:outbox:*").await;
    stores
        .redis::<()>("SET", &[&outboxes[0], "no stream"])
        .await;
    let app = stores.app(&[FAST_RELAY]).await;
    let terms = json!({"quantity": 7});
    assert_eq!(app.open(&unique("p"), &terms).await.0, 201);
    until("the other sale is counted", async || {
        app.metric("outbox_relay_failures_total").await >= 1.0
            && app.metric("open_sales_units").await == 7.0
    })
    .await;
}
