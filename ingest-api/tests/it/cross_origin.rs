//! Pages of other origins (CORS).

use reqwest::header::{HeaderMap, ORIGIN};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::fixture::App;

const SHOP: &str = "https://shop.example";
const LISTED: &str = "--cors-origins=https://shop.example,https://www.shop.example";

async fn headers(request: RequestBuilder) -> HeaderMap {
    request.send().await.unwrap().headers().clone()
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |it| it.to_str().unwrap())
}

fn words(headers: &HeaderMap, name: &str) -> Vec<String> {
    let words = value(headers, name).split(',');
    let mut words: Vec<_> = words.map(|it| it.trim().to_lowercase()).collect();
    words.sort();
    words
}

fn preflight(app: &App, origin: &str) -> RequestBuilder {
    let options = app
        .request(Method::OPTIONS, "/orders")
        .header(ORIGIN, origin);
    options
        .header("Access-Control-Request-Method", "POST")
        .header(
            "Access-Control-Request-Headers",
            "authorization,content-type,idempotency-key,fluxgate-ticket,last-event-id",
        )
}

#[tokio::test]
async fn without_cors_origins_no_answer_has_their_headers() {
    let app = App::start(&[]).await;
    let refused = preflight(&app, SHOP).send().await.unwrap();
    assert_eq!(refused.status(), 405);
    let product = app.sale(1).await;
    let read = app.request(Method::GET, &format!("/products/{product}"));
    for headers in [
        refused.headers().clone(),
        headers(read.header(ORIGIN, SHOP)).await,
    ] {
        let is_cors = |name: &str| name.starts_with("access-control-") || name == "vary";
        let found = headers.keys().find(|name| is_cors(name.as_str()));
        assert_eq!(found, None);
    }
}

#[tokio::test]
async fn pages_of_listed_origins_may_send_and_read_what_they_need() {
    let app = App::start(&[LISTED]).await;
    let answer = preflight(&app, SHOP).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let headers = answer.headers();
    assert_eq!(value(headers, "access-control-allow-origin"), SHOP);
    assert_eq!(value(headers, "access-control-allow-credentials"), "");
    assert_eq!(value(headers, "access-control-max-age"), "3600");
    let methods = words(headers, "access-control-allow-methods");
    assert_eq!(methods, ["get", "head", "patch", "post", "put"]);
    let allowed = words(headers, "access-control-allow-headers");
    let expected = [
        "authorization",
        "content-type",
        "fluxgate-ticket",
        "idempotency-key",
        "if-none-match",
        "last-event-id",
    ];
    assert_eq!(allowed, expected);

    let product = app.sale(1).await;
    let place = |key: &'static str| {
        let post = app.request(Method::POST, "/orders").header(ORIGIN, SHOP);
        post.header("Idempotency-Key", key)
            .json(&json!({"productId": product, "userId": "ada"}))
    };
    // Refusals and requests that no handler sees are readable, too.
    let (placed, refused) = (place("a"), place("b"));
    let large = place("c").body("x".repeat(20_000));
    let unknown = app
        .request(Method::GET, "/orders/x")
        .header(ORIGIN, "https://www.shop.example");
    for (request, status) in [(placed, 202), (refused, 409), (large, 413), (unknown, 404)] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status);
        let headers = answer.headers();
        assert!(value(headers, "access-control-allow-origin").ends_with("shop.example"));
        assert!(words(headers, "vary").contains(&"origin".to_owned()));
        let exposed = words(headers, "access-control-expose-headers");
        let expected = [
            "etag",
            "idempotency-replayed",
            "location",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
            "x-request-id",
        ];
        assert_eq!(exposed, expected);
    }
}

#[tokio::test]
async fn pages_of_other_origins_may_not() {
    let app = App::start(&[LISTED]).await;
    let product = app.sale(1).await;
    for origin in [
        "https://evil.example",
        "http://shop.example",
        "https://shop.example.evil.example",
        "null",
    ] {
        let refused = preflight(&app, origin).send().await.unwrap();
        assert_eq!(refused.status(), 400, "{origin}");
        let read = app.request(Method::GET, &format!("/products/{product}"));
        let headers = headers(read.header(ORIGIN, origin)).await;
        assert_eq!(
            value(&headers, "access-control-allow-origin"),
            "",
            "{origin}"
        );
    }
}

#[tokio::test]
async fn cookies_are_allowed_only_where_they_are_used() {
    let secret = "--auth-hs256-secret=0123456789abcdef0123456789abcdef";
    let identity = [
        "--auth-issuer=i",
        "--auth-audience=a",
        secret,
        "--auth-cookie=token",
        LISTED,
    ];
    let app = App::start(&identity).await;
    let headers = headers(preflight(&app, SHOP)).await;
    assert_eq!(value(&headers, "access-control-allow-credentials"), "true");
}
