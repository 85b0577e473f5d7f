//! How often a client may try to order.

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::json;

use super::{order, with_identity};
use crate::fixture::{App, Stores, TOKEN, read};

const FORWARDED_FOR: &str = "X-Forwarded-For";
/// Three tries at once, and none more while a test runs.
const PER_ADDRESS: &str = "--rate-limit-per-address=3/3600s";
const PER_USER: &str = "--rate-limit-per-user=3/3600s";

/// The statuses of a client's tries until it is limited: all that it has, or none.
const ALL: [u16; 3] = [202; 3];
const NONE: [u16; 0] = [];

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

/// Sends the same request until it is limited: the statuses before.
async fn until_limited(request: impl Fn() -> RequestBuilder) -> Vec<u16> {
    let mut before = Vec::new();
    loop {
        match status(request()).await {
            429 => return before,
            status => before.push(status),
        }
        assert!(before.len() < 10, "not limited: {before:?}");
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers[name].to_str().unwrap()
}

/// Checks that an answer refuses a try by the limit of this user or address.
async fn assert_limited(response: Response, whose: &str) {
    let headers = response.headers().clone();
    let (status, problem) = read(response).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (429, &json!("rate_limited"))
    );
    let retry_after = text(&headers, RETRY_AFTER.as_str());
    let seconds: u64 = retry_after.parse().unwrap();
    assert!((1_100..=1_200).contains(&seconds), "{seconds}");
    let quota = format!("\"{whose}-tries\";q=3;w=3600");
    assert_eq!(text(&headers, "ratelimit-policy"), quota);
    let left = format!("\"{whose}-tries\";r=0;t={retry_after}");
    assert_eq!(text(&headers, "ratelimit"), left);
    let detail = format!("more than 3 tries in 3600 s for this {whose}");
    assert_eq!(problem["detail"], detail);
}

#[tokio::test]
async fn a_user_beyond_the_rate_is_answered_429_with_the_fields_of_the_limit() {
    let stores = Stores::new().await;
    let app = stores.app(&[PER_USER]).await;
    let product = app.sale(1).await;
    let ada = || order(&app, &product, "k1", Some("ada"));
    // A retry and a refusal are tries, too.
    assert_eq!(status(ada()).await, 202);
    assert_eq!(status(ada()).await, 202);
    assert_eq!(status(order(&app, &product, "k2", Some("ada"))).await, 409);
    // Also the retry of an order that is known.
    assert_limited(ada().send().await.unwrap(), "user").await;
    assert_eq!(
        app.metric(r#"rate_limit_hits_total{limit="user"}"#).await,
        1.0
    );

    assert_eq!(status(order(&app, &product, "k1", Some("bob"))).await, 409);
    // Each instance counts by itself.
    let other = stores.app(&[PER_USER]).await;
    assert_eq!(
        status(order(&other, &product, "k1", Some("ada"))).await,
        202
    );
}

#[tokio::test]
async fn an_address_beyond_the_rate_is_answered_429_whatever_it_sends() {
    let app = App::start(&[PER_ADDRESS]).await;
    let product = app.sale(10).await;
    assert_eq!(status(order(&app, &product, "k1", Some("ada"))).await, 202);
    assert_eq!(status(order(&app, &product, "k1", Some("bob"))).await, 202);
    assert_eq!(
        status(app.request(Method::POST, "/orders").body("x")).await,
        415
    );
    let forged = order(&app, &product, "k1", Some("eve")).header(FORWARDED_FOR, "192.0.2.7");
    assert_limited(forged.send().await.unwrap(), "address").await;
    assert_eq!(
        app.metric(r#"rate_limit_hits_total{limit="address"}"#)
            .await,
        1.0
    );
    // Only tries to order are limited.
    for _ in 0..5 {
        assert_eq!(app.get(&format!("/products/{product}")).await.0, 200);
    }
    app.sale(1).await;
}

#[tokio::test]
async fn an_admin_token_is_not_limited_without_an_identity_provider() {
    let app = App::start(&[PER_ADDRESS, PER_USER]).await;
    let product = app.sale(10).await;
    let ada = || order(&app, &product, "k", Some("ada"));
    for _ in 0..5 {
        assert_eq!(status(ada().bearer_auth(TOKEN)).await, 202);
    }
    let wrong = || ada().bearer_auth("not-the-admin-token");
    assert_eq!(until_limited(wrong).await, [202; 3]);
    assert_eq!(status(ada().bearer_auth(TOKEN)).await, 202);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own_limit() {
    let app = App::start(&[PER_ADDRESS, "--trusted-proxies=127.0.0.1,10.0.0.0/8"]).await;
    let product = app.sale(100).await;
    let from = |clients: &'static [&str]| {
        let request = order(&app, &product, "k", Some("ada"));
        let add = |it: RequestBuilder, value: &&str| it.header(FORWARDED_FOR, *value);
        move || clients.iter().fold(request.try_clone().unwrap(), add)
    };
    assert_eq!(until_limited(from(&["192.0.2.7"])).await, ALL);
    // The same client, whatever it sends itself and through whichever proxy it comes.
    assert_eq!(
        until_limited(from(&["198.51.100.1, 192.0.2.7"])).await,
        NONE
    );
    assert_eq!(
        until_limited(from(&["x", "192.0.2.7:443, 10.0.0.5"])).await,
        NONE
    );
    assert_eq!(until_limited(from(&["::ffff:192.0.2.7"])).await, NONE);
    assert_eq!(until_limited(from(&["192.0.2.8"])).await, ALL);
    // Hosts of one network.
    assert_eq!(until_limited(from(&["2001:db8:0:1::a"])).await, ALL);
    assert_eq!(until_limited(from(&["2001:db8:0:1::b"])).await, NONE);
    assert_eq!(until_limited(from(&["2001:db8:0:2::a"])).await, ALL);

    assert_eq!(app.metric("forwarded_for_unreadable_total").await, 0.0);
    assert_eq!(until_limited(from(&["192.0.2.9, unknown"])).await, ALL);
    assert_eq!(app.metric("forwarded_for_unreadable_total").await, 4.0);
    // It was counted for the proxy.
    assert_eq!(until_limited(from(&[])).await, NONE);
}

#[tokio::test]
async fn with_an_identity_provider_buyers_and_refused_tokens_are_limited_and_the_shop_is_not() {
    let (app, provider) = with_identity(&["--rate-limit-per-address=8/3600s", PER_USER]).await;
    let product = app.sale(100).await;
    let call = |token: &str| order(&app, &product, "k", None).bearer_auth(token);
    let (ada, bob) = (provider.buyer("ada"), provider.buyer("bob"));
    assert_eq!(until_limited(|| call(&ada)).await, [202; 3]);
    // Without the four tries of ada, the address has four.
    assert_eq!(status(call(&bob)).await, 202);
    assert_eq!(until_limited(|| call("no token")).await, [401; 3]);
    assert_eq!(status(call(&bob)).await, 429);
    for token in [provider.shop("backend"), TOKEN.to_owned()] {
        for _ in 0..5 {
            let placed = order(&app, &product, "k", Some("ada")).bearer_auth(&token);
            assert_eq!(status(placed).await, 202);
        }
    }
}

#[tokio::test]
async fn the_route_of_the_original_is_limited_by_the_same_count() {
    let app = App::start(&[PER_USER, "--compat-routes=on"]).await;
    let product = app.sale(10).await;
    let original = || {
        let body = json!({"productId": product, "userId": "ada"});
        let post = app.request(Method::POST, "/order");
        post.header("x-idempotency-key", "k").json(&body)
    };
    assert_eq!(status(order(&app, &product, "k", Some("ada"))).await, 202);
    assert_eq!(until_limited(original).await, [200; 2]);
    assert_limited(original().send().await.unwrap(), "user").await;
}

#[tokio::test]
async fn invented_users_beyond_the_bound_are_counted_and_limit_nobody() {
    let app = App::start(&[PER_USER, "--rate-limit-keys-max=16"]).await;
    let product = app.sale(1_000).await;
    let bot = || order(&app, &product, "k", Some("bot"));
    assert_eq!(until_limited(bot).await, [202; 3]);
    for user in 0..100 {
        let invented = order(&app, &product, "k", Some(&format!("invented-{user}")));
        assert_eq!(status(invented).await, 202);
    }
    let evictions = app.metric(r#"rate_limit_evictions_total{limit="user"}"#);
    assert_eq!(evictions.await, 85.0, "16 of 101 users have a place");
    assert_eq!(status(bot()).await, 429);
}
