//! A copy that knows that nothing can be taken says so without asking Redis, and is never wrong.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::header::{ETAG, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::fixture::{App, TOKEN, World, read, unique, until};

/// The longest a sign hangs, by default.
const SIGN: Duration = Duration::from_millis(250);

impl App {
    /// What an order comes to: its code, `accepted` or `replayed`.
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

    /// Asks until it is told from memory; what it is told meanwhile is always the same.
    async fn refuses_from_memory(&self, product: &str, code: &str) {
        let before = self.refused_from_memory().await;
        until("it is told from memory", async || {
            assert_eq!(self.try_order(product, &unique("late")).await, code);
            self.refused_from_memory().await > before
        })
        .await;
    }
}

#[tokio::test]
async fn who_comes_too_late_is_told_from_memory_and_who_has_an_order_gets_it() {
    let world = World::new().await;
    let (one, two) = (world.app(&[]).await, world.app(&[]).await);
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
    // For as long as somebody asks, there is a sign, and all that are told nothing new need no Redis.
    tokio::time::sleep(2 * SIGN).await;
    one.refuses_from_memory(&product, "sold_out").await;
}

#[tokio::test]
async fn what_comes_back_is_sold_by_every_copy_once_that_is_answered() {
    let world = World::new().await;
    let (one, two) = (world.app(&[]).await, world.app(&[]).await);
    let product = one.sale(1).await;
    assert_eq!(one.try_order(&product, "ada").await, "accepted");
    for round in 0..5 {
        one.refuses_from_memory(&product, "sold_out").await;
        two.refuses_from_memory(&product, "sold_out").await;
        // What was sold since the last sign is known to this one.
        for earlier in 0..round {
            let user = format!("user-{earlier}");
            assert_eq!(one.try_order(&product, &user).await, "replayed");
            assert_eq!(two.try_order(&product, &user).await, "replayed");
        }
        let (status, sale) = one.restock(&product, &format!("r{round}"), 1).await;
        assert_eq!(status, 200, "{sale}");
        let user = format!("user-{round}");
        assert_eq!(two.try_order(&product, &user).await, "accepted");
        // The copy that has just said no knows the order at once, too.
        assert_eq!(one.try_order(&product, &user).await, "replayed");
    }
}

#[tokio::test]
async fn racing_buyers_and_restocks_never_lose_an_order_over_four_copies() {
    let world = World::new().await;
    let copies = join_all((0..4).map(|_| world.app(&[]))).await;
    let product = copies[0].sale(1).await;
    let end = Instant::now() + Duration::from_secs(6);
    let restocks = async {
        let mut round = 0;
        while Instant::now() < end {
            let copy = &copies[round % copies.len()];
            let (status, sale) = copy.restock(&product, &format!("r{round}"), 1).await;
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
            let here = copies[number % copies.len()]
                .try_order(&product, &user)
                .await;
            if here == "sold_out" {
                continue;
            }
            assert_eq!(here, "accepted");
            bought += 1;
            // At once, on every copy: each may have a sign, and none may be of before this order.
            for copy in &copies {
                assert_eq!(copy.try_order(&product, &user).await, "replayed");
            }
        }
        bought
    });
    let (restocked, bought) = tokio::join!(restocks, join_all(buyers));
    let bought: usize = bought.into_iter().sum();
    let (_, sale) = copies[0].get(&format!("/products/{product}")).await;
    let left = usize::try_from(sale["remaining"].as_u64().unwrap()).unwrap();
    assert_eq!(bought + left, 1 + restocked);
    assert!(left <= 1, "{left} units that nobody could buy");
    assert!(bought > 5, "only {bought} were bought");
    let mut told = 0.0;
    for copy in &copies {
        told += copy.refused_from_memory().await;
    }
    assert!(told > 0.0);
}

#[tokio::test]
async fn a_sale_that_is_not_open_yet_says_so_from_memory_and_opens_in_time() {
    let app = App::start(&[]).await;
    let product = unique("p");
    let opens_at = jiff::Timestamp::now() + Duration::from_secs(2);
    let terms = json!({"quantity": 5, "opensAt": opens_at});
    app.open(&product, &terms).await;
    app.refuses_from_memory(&product, "sale_not_open").await;
    until("it opens", async || {
        app.try_order(&product, "ada").await == "accepted"
    })
    .await;
    assert!(jiff::Timestamp::now() >= opens_at);
}

#[tokio::test]
async fn a_closed_sale_says_so_from_memory_and_keeps_its_orders() {
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
async fn without_room_for_the_orders_every_refusal_is_redis_s() {
    let app = App::start(&["--sold-out-orders-max=1"]).await;
    let product = app.sale(2).await;
    assert_eq!(app.try_order(&product, "ada").await, "accepted");
    assert_eq!(app.try_order(&product, "bob").await, "accepted");
    until("the limit is hit", async || {
        assert_eq!(app.try_order(&product, &unique("late")).await, "sold_out");
        app.metric("sold_out_orders_limit_hits_total").await > 0.0
    })
    .await;
    assert_eq!(app.refused_from_memory().await, 0.0);
}

#[tokio::test]
async fn a_sale_is_looked_up_once_for_all_who_look_and_shown_anew_when_it_changed() {
    let app = App::start(&[]).await;
    let product = app.sale(3).await;
    let path = format!("/products/{product}");
    let views = async || {
        let redis = "sale_snapshot_reads_total{source=\"redis\"}";
        app.metric(redis).await
    };
    let looks = join_all((0..50).map(|_| app.get(&path))).await;
    assert!(looks.iter().all(|(_, sale)| sale["remaining"] == 3));
    assert!(views().await < 10.0, "{} looks of Redis", views().await);

    let get = |tag: String| app.request(Method::GET, &path).header(IF_NONE_MATCH, tag);
    let first = app.request(Method::GET, &path).send().await.unwrap();
    let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
    let same = get(tag.clone()).send().await.unwrap();
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(app.try_order(&product, "ada").await, "accepted");
    until("the change is seen", async || {
        let other = get(tag.clone()).send().await.unwrap();
        other.status() == StatusCode::OK && read(other).await.1["remaining"] == 2
    })
    .await;
}
