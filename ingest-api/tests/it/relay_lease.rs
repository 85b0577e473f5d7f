//! At most one instance at a time runs the outbox relay.

use std::time::Duration;

use fluxgate_domain::ids::ProductId;

use crate::fixture::{App, SlowProxy, Stores, claim_five, unique, until};

const LEASE: &str = "fg:outbox-relay";
const OTHER: &str = "another instance";
/// With [`REPLY_DELAY`], a pass takes longer than the lease lasts.
const SALES: usize = 20;
const REPLY_DELAY: Duration = Duration::from_millis(200);

/// The stores with their sales, and an instance to which Redis replies slowly. It has the relay lease, and its first pass
/// is under way.
async fn slow_leader() -> (Stores, SlowProxy, App) {
    let stores = Stores::new().await;
    let gate = stores.gate();
    for _ in 0..SALES {
        claim_five(&gate, &ProductId::parse(&unique("p")).unwrap(), 0).await;
    }
    let (server, database) = stores.redis_address();
    let proxy = SlowProxy::new(server, REPLY_DELAY).await;
    let redis_url = format!("redis://{}/{database}", proxy.address());
    let settings = [
        "--redis-url",
        &redis_url,
        "--redis-timeout-ms=2000",
        "--outbox-relay-interval-ms=50",
    ];
    // Its first pass begins only when it is observed.
    stores.redis::<()>("SET", &[LEASE, OTHER]).await;
    let app = stores.app(&settings).await;
    stores.redis::<()>("DEL", &[LEASE]).await;
    until("the instance has the lease", async || {
        holder(&stores).await.is_some()
    })
    .await;
    (stores, proxy, app)
}

async fn holder(stores: &Stores) -> Option<String> {
    stores.redis("GET", &[LEASE]).await
}

async fn calls(app: &App, call: &str) -> f64 {
    let name = format!(r#"redis_call_seconds_count{{call="{call}"}}"#);
    app.metric_if_known(&name).await.unwrap_or_default()
}

#[tokio::test]
async fn a_pass_that_takes_longer_than_the_lease_keeps_it() {
    let (stores, _proxy, slow) = slow_leader().await;
    let leader = holder(&stores).await;
    let _second = stores.app(&["--outbox-relay-interval-ms=50"]).await;
    until("the pass has looked at all sales", async || {
        assert_eq!(holder(&stores).await, leader);
        calls(&slow, "read_outbox").await >= SALES as f64
    })
    .await;
}

#[tokio::test]
async fn a_pass_that_has_lost_the_lease_stops() {
    let (stores, _proxy, slow) = slow_leader().await;
    stores.redis::<()>("SET", &[LEASE, OTHER]).await;
    let before = calls(&slow, "lease").await;
    until("it has asked for the lease again and again", async || {
        calls(&slow, "lease").await >= before + 5.0
    })
    .await;
    let looked_at = calls(&slow, "read_outbox").await;
    assert!(looked_at < SALES as f64, "{looked_at}");
}
