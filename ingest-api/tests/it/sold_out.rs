//! The sold-out cache: refusals from memory are exact.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::header::{ETAG, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::fixture::{App, Stores, TOKEN, read, unique, until};

/// The default of SOLD_OUT_LEASE_MS.
const LEASE: Duration = Duration::from_millis(250);

impl App {
    /// Places an order; returns `accepted`, `replayed` or the code of the refusal.
    async fn try_order(&self, product: &str, user: &str) -> String {
        let answer = self.order(product, user, 1, user).await;
        let replayed = answer.headers().contains_key("Idempotency-Replayed");
        match read(answer).await {
            (StatusCode::ACCEPTED, _) if replayed => "replayed".into(),
            (StatusCode::ACCEPTED, _) => "accepted".into(),
            (_, problem) => problem["code"].as_str().unwrap().to_owned(),
        }
    }

    async fn refused_from_memory(&self) -> f64 {
        self.metric("refused_from_memory_total").await
    }

    /// Orders until a refusal comes from memory; every refusal has this code.
    async fn refuses_from_memory(&self, product: &str, code: &str) {
        let before = self.refused_from_memory().await;
        until("an order is refused from memory", async || {
            assert_eq!(self.try_order(product, &unique("user")).await, code);
            self.refused_from_memory().await > before
        })
        .await;
    }
}

#[tokio::test]
async fn new_orders_are_refused_from_memory_and_retries_are_replayed() {
    let stores = Stores::new().await;
    let (one, two) = (stores.app(&[]).await, stores.app(&[]).await);
    let product = one.sale(2).await;
    assert_eq!(one.try_order(&product, "ada").await, "accepted");
    assert_eq!(two.try_order(&product, "bob").await, "accepted");
    for app in [&one, &two] {
        app.refuses_from_memory(&product, "sold_out").await;
        assert_eq!(app.try_order(&product, "ada").await, "replayed");
        assert_eq!(app.try_order(&product, "bob").await, "replayed");
        let other = app.order(&product, "ada", 2, "ada").await;
        assert_eq!(read(other).await.1["code"], "idempotency_key_reused");
    }
    // The lease is renewed as long as orders arrive.
    tokio::time::sleep(2 * LEASE).await;
    one.refuses_from_memory(&product, "sold_out").await;
}

#[tokio::test]
async fn restocked_units_are_sold_by_every_instance_once_the_restock_is_answered() {
    let stores = Stores::new().await;
    let (one, two) = (stores.app(&[]).await, stores.app(&[]).await);
    let product = one.sale(1).await;
    assert_eq!(one.try_order(&product, "ada").await, "accepted");
    for round in 0..5 {
        one.refuses_from_memory(&product, "sold_out").await;
        two.refuses_from_memory(&product, "sold_out").await;
        // The new lease knows the orders that were placed since the last one.
        for earlier in 0..round {
            let user = format!("user-{earlier}");
            assert_eq!(one.try_order(&product, &user).await, "replayed");
            assert_eq!(two.try_order(&product, &user).await, "replayed");
        }
        let (status, sale) = one.restock(&product, &format!("r{round}"), 1).await;
        assert_eq!(status, 200, "{sale}");
        let user = format!("user-{round}");
        assert_eq!(two.try_order(&product, &user).await, "accepted");
        // The instance that has just refused orders finds this one at once.
        assert_eq!(one.try_order(&product, &user).await, "replayed");
    }
}

#[tokio::test]
async fn concurrent_orders_and_restocks_on_four_instances_lose_no_order() {
    let stores = Stores::new().await;
    let instances = join_all((0..4).map(|_| stores.app(&[]))).await;
    let product = instances[0].sale(1).await;
    let end = Instant::now() + Duration::from_secs(6);
    let restocks = async {
        let mut round = 0;
        while Instant::now() < end {
            let instance = &instances[round % instances.len()];
            let (status, sale) = instance.restock(&product, &format!("r{round}"), 1).await;
            assert_eq!(status, 200, "{sale}");
            round += 1;
        }
        round
    };
    let buyers = (0..8).map(async |buyer| {
        let mut bought = 0;
        let mut number = 0;
        while Instant::now() < end {
            number += 1;
            let user = format!("user-{buyer}-{number}");
            let outcome = instances[number % instances.len()]
                .try_order(&product, &user)
                .await;
            if outcome == "sold_out" {
                continue;
            }
            assert_eq!(outcome, "accepted");
            bought += 1;
            // At once on every instance: none may hold a lease from before this order.
            for instance in &instances {
                assert_eq!(instance.try_order(&product, &user).await, "replayed");
            }
        }
        bought
    });
    let (restocked, bought) = tokio::join!(restocks, join_all(buyers));
    let bought: usize = bought.into_iter().sum();
    let (_, sale) = instances[0].get(&format!("/products/{product}")).await;
    let left = usize::try_from(sale["remaining"].as_u64().unwrap()).unwrap();
    assert_eq!(bought + left, 1 + restocked);
    assert!(left <= 1, "{left} units that could not be bought");
    assert!(bought > 5, "only {bought} were bought");
    let mut refused = 0.0;
    for instance in &instances {
        refused += instance.refused_from_memory().await;
    }
    assert!(refused > 0.0);
}

#[tokio::test]
async fn a_scheduled_sale_is_refused_from_memory_and_opens_in_time() {
    let app = App::start(&[]).await;
    let product = unique("p");
    let opens_at = jiff::Timestamp::now() + Duration::from_secs(2);
    let terms = json!({"quantity": 5, "opensAt": opens_at});
    app.open(&product, &terms).await;
    app.refuses_from_memory(&product, "sale_not_open").await;
    until("the sale opens", async || {
        app.try_order(&product, "ada").await == "accepted"
    })
    .await;
    assert!(jiff::Timestamp::now() >= opens_at);
}

#[tokio::test]
async fn a_closed_sale_is_refused_from_memory_and_retries_are_replayed() {
    let app = App::start(&[]).await;
    let product = app.sale(5).await;
    assert_eq!(app.try_order(&product, "ada").await, "accepted");
    let path = format!("/products/{product}/close");
    let close = app.request(Method::POST, &path).bearer_auth(TOKEN);
    assert_eq!(close.send().await.unwrap().status(), StatusCode::OK);
    app.refuses_from_memory(&product, "sale_closed").await;
    assert_eq!(app.try_order(&product, "ada").await, "replayed");
}

#[tokio::test]
async fn without_memory_for_the_orders_every_refusal_comes_from_redis() {
    let app = App::start(&["--sold-out-orders-max=1"]).await;
    let product = app.sale(2).await;
    assert_eq!(app.try_order(&product, "ada").await, "accepted");
    assert_eq!(app.try_order(&product, "bob").await, "accepted");
    until("the limit is hit", async || {
        assert_eq!(app.try_order(&product, &unique("user")).await, "sold_out");
        app.metric("sold_out_orders_limit_hits_total").await > 0.0
    })
    .await;
    assert_eq!(app.refused_from_memory().await, 0.0);
}

#[tokio::test]
async fn concurrent_reads_of_a_sale_share_one_snapshot_which_follows_changes() {
    let app = App::start(&[]).await;
    let product = app.sale(3).await;
    let path = format!("/products/{product}");
    let redis_reads = async || {
        let redis = "sale_snapshot_reads_total{source=\"redis\"}";
        app.metric(redis).await
    };
    let reads = join_all((0..50).map(|_| app.get(&path))).await;
    assert!(reads.iter().all(|(_, sale)| sale["remaining"] == 3));
    assert!(
        redis_reads().await < 10.0,
        "{} reads of Redis",
        redis_reads().await
    );

    let get = |tag: String| app.request(Method::GET, &path).header(IF_NONE_MATCH, tag);
    let first = app.request(Method::GET, &path).send().await.unwrap();
    let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
    let same = get(tag.clone()).send().await.unwrap();
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(app.try_order(&product, "ada").await, "accepted");
    until("the change is answered", async || {
        let other = get(tag.clone()).send().await.unwrap();
        other.status() == StatusCode::OK && read(other).await.1["remaining"] == 2
    })
    .await;
}
