//! Event streams of sales.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::timeout;

use crate::fixture::{App, EventStream, SlowProxy, Stores, TOKEN, read, unique, until};

async fn change(app: &App, path: &str, key: &str) {
    let post = app.request(Method::POST, path).bearer_auth(TOKEN);
    let post = post
        .header("Idempotency-Key", key)
        .json(&json!({"quantity": 3}));
    let (status, body) = read(post.send().await.unwrap()).await;
    assert_eq!(status, 200, "{body}");
}

async fn stream_status(app: &App, product: &str) -> u16 {
    let get = app.request(Method::GET, &format!("/products/{product}/events"));
    get.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_stream_shows_the_sale_at_once_and_after_every_change() {
    let stores = Stores::new().await;
    let (app, other) = (stores.app(&[]).await, stores.app(&[]).await);
    let product = app.sale(2).await;
    let mut stream = EventStream::open(&app, &product).await;
    assert_eq!(stream.header("content-type"), "text/event-stream");
    assert_eq!(stream.header("cache-control"), "no-store");
    assert_eq!(stream.header("x-accel-buffering"), "no");
    let first = stream.block().await.unwrap();
    let retry_ms: u32 = first.strip_prefix("retry: ").unwrap().parse().unwrap();
    assert!((1_000..=5_000).contains(&retry_ms), "{retry_ms}");

    let path = format!("/products/{product}");
    let answer = app.request(Method::GET, &path).send().await.unwrap();
    let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
    let (_, sale) = read(answer).await;
    assert_eq!(stream.event().await, (tag, sale));

    // The instance of the stream does not see these calls.
    let answer = other.order(&product, "ada", 2, "a").await;
    let (_, order) = read(answer).await;
    stream.shows("sold_out", 0).await;
    let order = order["orderId"].as_str().unwrap();
    change(&other, &format!("/orders/{order}/cancel"), "c").await;
    stream.shows("open", 2).await;
    change(&other, &format!("{path}/restock"), "r").await;
    stream.shows("open", 5).await;
    change(&other, &format!("{path}/close"), "x").await;
    stream.shows("closed", 5).await;
    assert_eq!(app.metric("sale_events_total").await, 5.0);
}

#[tokio::test]
async fn a_sale_that_opens_or_closes_by_its_clock_is_shown() {
    let app = App::start(&[]).await;
    let product = unique("p");
    let at = |ms| jiff::Timestamp::now() + Duration::from_millis(ms);
    let terms = json!({"quantity": 2, "opensAt": at(3_000), "closesAt": at(6_000)});
    assert_eq!(app.open(&product, &terms).await.0, 201);
    let mut stream = EventStream::open(&app, &product).await;
    stream.shows("scheduled", 2).await;
    stream.shows("open", 2).await;
    stream.shows("closed", 2).await;
}

#[tokio::test]
async fn a_client_that_comes_back_is_sent_only_what_it_has_not_seen() {
    let app = App::start(&[]).await;
    let product = app.sale(5).await;
    let (id, _) = EventStream::open(&app, &product).await.event().await;
    let mut stream = EventStream::open_after(&app, &product, Some(&id)).await;
    app.order(&product, "ada", 1, "a").await;
    stream.shows("open", 4).await;
    let mut stream = EventStream::open_after(&app, &product, Some(&id)).await;
    stream.shows("open", 4).await;
}

fn heartbeat_of(is_current: bool) -> String {
    format!("event: heartbeat\ndata: {{\"isCurrent\":{is_current}}}")
}

/// The stream of a sale that does not change, on a connection that may hardly be idle.
#[tokio::test]
async fn a_stream_without_changes_is_kept_open_by_heartbeats() {
    let app = App::start(&["--keep-alive-seconds=1"]).await;
    for is_closed in [false, true] {
        let product = app.sale(5).await;
        let mut stream = EventStream::open(&app, &product).await;
        if is_closed {
            change(&app, &format!("/products/{product}/close"), "x").await;
            stream.shows("open", 5).await;
            stream.shows("closed", 5).await;
        } else {
            stream.shows("open", 5).await;
        }
        for _ in 0..2 {
            let heartbeat = timeout(Duration::from_secs(15), stream.block()).await;
            assert_eq!(heartbeat.unwrap().unwrap(), heartbeat_of(true));
        }
    }
}

#[tokio::test]
async fn nothing_but_heartbeats_is_sent_while_redis_does_not_answer() {
    let stores = Stores::new().await;
    let (server, database) = stores.redis_address();
    let proxy = SlowProxy::new(server, Duration::ZERO).await;
    let redis_url = format!("redis://{}/{database}", proxy.address());
    let app = stores.app(&["--redis-url", &redis_url]).await;
    let other = stores.app(&[]).await;
    let product = other.sale(5).await;
    let mut stream = EventStream::open(&app, &product).await;
    stream.shows("open", 5).await;

    proxy.cut(true);
    until("the sale cannot be read", async || {
        stream_status(&app, &product).await == 503
    })
    .await;
    other.order(&product, "ada", 1, "a").await;
    assert_eq!(stream.block().await.unwrap(), heartbeat_of(false));
    proxy.cut(false);
    let (_, sale) = stream.event().await;
    assert_eq!(sale["remaining"], 4);
}

#[tokio::test]
async fn streams_are_limited_and_are_not_in_flight() {
    let app = App::start(&["--streams-max=2", "--in-flight-max=1"]).await;
    let product = app.sale(1_000).await;
    let first = EventStream::open(&app, &product).await;
    let mut second = EventStream::open(&app, &product).await;
    second.shows("open", 1_000).await;
    let get = app.request(Method::GET, &format!("/products/{product}/events"));
    let refused = get.send().await.unwrap();
    assert_eq!(refused.headers()["retry-after"], "1");
    let (status, problem) = read(refused).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(problem["code"], "overloaded");
    assert_eq!(app.metric("event_streams").await, 2.0);
    assert_eq!(app.metric("event_streams_limit_hits_total").await, 1.0);
    assert_eq!(app.metric("in_flight_requests").await, 0.0);

    // That a client has gone is noticed when something is sent to it.
    drop(first);
    let mut orders = 0;
    until("the stream is closed", async || {
        orders += 1;
        let placed = app.order(&product, "ada", 1, &format!("k{orders}")).await;
        placed.status() == 202 && app.metric("event_streams").await == 1.0
    })
    .await;
    EventStream::open(&app, &product).await.event().await;
}

#[tokio::test]
async fn streams_end_at_different_times_of_a_shutdown_and_do_not_delay_it() {
    let app = App::start(&["--shutdown-timeout-seconds=9"]).await;
    let product = app.sale(5).await;
    let opening = (0..60).map(|_| EventStream::open(&app, &product));
    let streams = join_all(opening).await;
    let stopped_at = Instant::now();
    app.stop();
    let ends = streams.into_iter().map(async |mut stream| {
        // The server would cut what lasts longer than two thirds of the time, which is an error.
        while stream.block().await.is_some() {}
        stopped_at.elapsed()
    });
    let mut ends = join_all(ends).await;
    ends.sort();
    let spread = ends[59] - ends[0];
    assert!(spread > Duration::from_secs(1), "{ends:?}");
    assert!(ends[59] < Duration::from_secs(6), "{ends:?}");
    until("the instance has stopped", async || {
        tokio::net::TcpStream::connect(app.address()).await.is_err()
    })
    .await;
    assert!(stopped_at.elapsed() < Duration::from_secs(9));
}

#[tokio::test]
async fn a_stream_needs_a_sale_and_a_head_opens_none() {
    let app = App::start(&["--streams-max=1"]).await;
    let path = |product: &str| format!("/products/{product}/events");
    let (status, problem) = app.get(&path("no-such-product")).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (404, &json!("unknown_product"))
    );
    let product = app.sale(1).await;
    for _ in 0..2 {
        let head = app
            .request(Method::HEAD, &path(&product))
            .send()
            .await
            .unwrap();
        assert_eq!(head.status(), 200);
        assert_eq!(head.headers()["content-type"], "text/event-stream");
    }
    assert_eq!(app.metric("event_streams").await, 0.0);
    let post = app
        .request(Method::POST, &path(&product))
        .send()
        .await
        .unwrap();
    assert_eq!(post.status(), 405);
    assert_eq!(post.headers()["allow"], "GET");
    assert_eq!(stream_status(&app, &product).await, 200);
}
