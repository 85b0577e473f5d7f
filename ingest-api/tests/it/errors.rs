//! Requests that are refused, and the problems that say why.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::fixture::{App, Stores, TOKEN, read};

/// Sends a request and checks that the answer is this problem.
async fn assert_refused(request: RequestBuilder, status: u16, code: &str) {
    let response = request.send().await.unwrap();
    let content_type = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let (seen, problem) = read(response).await;
    assert_eq!(
        (seen.as_u16(), problem["code"].as_str()),
        (status, Some(code)),
        "{problem}"
    );
    assert_eq!(content_type, "application/problem+json");
    assert_eq!(problem["status"], status);
    for field in ["type", "title", "detail"] {
        assert!(problem[field].is_string(), "{problem}");
    }
}

fn post(app: &App, body: impl Into<String>) -> RequestBuilder {
    app.request(Method::POST, "/orders")
        .header("Content-Type", "application/json")
        .header("Idempotency-Key", "k")
        .body(body.into())
}

async fn remaining(app: &App, product: &str) -> Value {
    app.get(&format!("/products/{product}")).await.1["remaining"].clone()
}

#[tokio::test]
async fn invalid_orders_are_refused_and_take_no_units() {
    let app = App::start(&[]).await;
    let product = app.sale(1_000).await;
    let order = |user: &str, quantity: &str| {
        format!(r#"{{"productId":"{product}","userId":{user},"quantity":{quantity}}}"#)
    };
    let long = format!("\"{}\"", "x".repeat(10_000));
    let mut bad = vec![
        String::new(),
        "{".into(),
        "[]".into(),
        "null".into(),
        "{}".into(),
        "\u{1}".into(),
        format!(r#"{{"productId":"{product}"}}"#),
        r#"{"productId":"","userId":"u"}"#.into(),
        r#"{"productId":"a{b}","userId":"u"}"#.into(),
        format!(r#"{{"productId":{long},"userId":"u"}}"#),
        r#"{"productId":7,"userId":"u"}"#.into(),
    ];
    bad.extend(
        ["\"\"", "7", "null", &long, r#""a\u0000""#, r#""a\n""#].map(|user| order(user, "1")),
    );
    bad.extend(
        [
            "0",
            "-1",
            "1001",
            "1.5",
            "1e3",
            "\"1\"",
            "null",
            "true",
            "99999999999999999999",
        ]
        .map(|quantity| order("\"u\"", quantity)),
    );
    for body in bad {
        assert_refused(post(&app, body), 400, "invalid_request").await;
    }
    assert_refused(
        post(
            &app,
            format!("{}{}", order("\"u\"", "1"), " ".repeat(20_000)),
        ),
        413,
        "body_too_large",
    )
    .await;
    assert_refused(post(&app, "x".repeat(3_000_000)), 413, "body_too_large").await;
    let unknown = r#"{"productId":"no-such-product","userId":"u"}"#;
    assert_refused(post(&app, unknown), 404, "unknown_product").await;
    assert_eq!(remaining(&app, &product).await, 1_000);
}

#[tokio::test]
async fn the_key_and_the_media_type_are_required() {
    let app = App::start(&[]).await;
    let product = app.sale(10).await;
    let body = format!(r#"{{"productId":"{product}","userId":"u"}}"#);
    let plain = || app.request(Method::POST, "/orders").body(body.clone());
    let json = || plain().header("Content-Type", "application/json");
    assert_refused(json(), 400, "missing_idempotency_key").await;
    for key in ["", "\"\"", "a b", "\"", "\"a", "a\"", &"k".repeat(256)] {
        assert_refused(
            json().header("Idempotency-Key", key),
            400,
            "invalid_request",
        )
        .await;
    }
    let two = json()
        .header("Idempotency-Key", "a")
        .header("X-Idempotency-Key", "b");
    assert_refused(two, 400, "invalid_request").await;
    assert_refused(
        plain().header("Idempotency-Key", "k"),
        415,
        "unsupported_media_type",
    )
    .await;
    let text = plain()
        .header("Idempotency-Key", "k")
        .header("Content-Type", "text/plain");
    assert_refused(text, 415, "unsupported_media_type").await;
    assert_eq!(remaining(&app, &product).await, 10);

    let alias = json()
        .header("Idempotency-Key", "\"a\"")
        .header("X-Idempotency-Key", "a");
    assert_eq!(alias.send().await.unwrap().status(), 202);
}

#[tokio::test]
async fn admin_calls_need_the_token() {
    let app = App::start(&[]).await;
    let put = |body: &str| {
        let put = app.request(Method::PUT, "/products/admin-test");
        put.header("Content-Type", "application/json")
            .body(body.to_owned())
    };
    let good = r#"{"quantity":1}"#;
    assert_refused(put(good), 401, "unauthorized").await;
    assert_refused(put(good).bearer_auth("wrong"), 401, "unauthorized").await;
    for bad in [
        "{}",
        r#"{"quantity":0}"#,
        r#"{"quantity":1,"perUserLimits":1}"#,
        r#"{"quantity":1,"opensAt":"tomorrow"}"#,
        r#"{"quantity":1,"perUserLimit":0}"#,
        r#"{"quantity":1,"closesAt":"2020-01-01T00:00:00Z"}"#,
    ] {
        assert_refused(put(bad).bearer_auth(TOKEN), 400, "invalid_request").await;
    }
    let odd = app
        .request(Method::PUT, "/products/a%7Bb%7D")
        .bearer_auth(TOKEN);
    let odd = odd.header("Content-Type", "application/json").body(good);
    assert_refused(odd, 400, "invalid_request").await;
}

#[tokio::test]
async fn without_admin_token_admin_calls_are_disabled() {
    let mut config = Stores::new().await.settings(&[]);
    config.admin.admin_token = None;
    let app = App::run(config).await;
    let put = app.request(Method::PUT, "/products/p").bearer_auth("");
    let put = put.header("Content-Type", "application/json");
    assert_refused(put.body(r#"{"quantity":1}"#), 403, "admin_disabled").await;
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let app = App::start(&[]).await;
    let id_of = async |request: RequestBuilder| {
        let answer = request.send().await.unwrap();
        answer.headers()["X-Request-Id"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    let plain = || app.request(Method::GET, "/products/no-such-product");
    assert_eq!(
        id_of(plain().header("X-Request-Id", "mine-1")).await,
        "mine-1"
    );
    let (first, second) = (id_of(plain()).await, id_of(plain()).await);
    assert_ne!(first, second);
    let long = "x".repeat(200);
    assert_ne!(id_of(plain().header("X-Request-Id", &long)).await, long);
}

#[tokio::test]
async fn unknown_paths_methods_and_orders_are_problems() {
    let app = App::start(&[]).await;
    let product = app.sale(1).await;
    for path in [
        "/livez",
        "/readyz",
        "/metrics",
        &format!("/products/{product}"),
    ] {
        let head = app.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!(head.status(), 200, "{path}");
    }
    assert_refused(app.request(Method::GET, "/nowhere"), 404, "not_found").await;
    assert_refused(app.request(Method::POST, "/order"), 404, "not_found").await;
    assert_refused(
        app.request(Method::DELETE, "/orders"),
        405,
        "method_not_allowed",
    )
    .await;
    assert_refused(
        app.request(Method::GET, "/products/no-such-product"),
        404,
        "unknown_product",
    )
    .await;
    for id in [
        "x",
        "01a1fb67-1800-897f-98f2-381895f55db8",
        "0190163d-8694-739b-aea5-966c26f8ad91",
    ] {
        assert_refused(
            app.request(Method::GET, &format!("/orders/{id}")),
            404,
            "unknown_order",
        )
        .await;
    }
}

#[tokio::test]
async fn requests_above_in_flight_max_are_refused() {
    let app = App::start(&["--in-flight-max", "1"]).await;
    let product = app.sale(100).await;
    let orders = (0..64).map(|n| {
        let (app, product) = (&app, &product);
        async move {
            app.order(product, "u", 1, &format!("k{n}"))
                .await
                .status()
                .as_u16()
        }
    });
    let statuses = futures_util::future::join_all(orders).await;
    assert!(
        statuses.contains(&202) && statuses.contains(&503),
        "{statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| [202, 503].contains(status)),
        "{statuses:?}"
    );
    let refused = statuses.iter().filter(|status| **status == 503).count();
    let counted = app.metric(r#"orders_total{outcome="overloaded"}"#).await;
    assert_eq!(counted, refused as f64);
}
