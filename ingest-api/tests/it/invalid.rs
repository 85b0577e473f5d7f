//! Invalid requests: what an answer says about the field that is wrong, and what malformed HTTP is answered.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::{App, TOKEN, read};

impl App {
    /// The `detail` of the 400 that an invalid body is answered with.
    async fn refused(&self, method: Method, path: &str, body: &str) -> String {
        let request = self.request(method, path).bearer_auth(TOKEN);
        let request = request.header("Idempotency-Key", "k");
        let request = request.header("Content-Type", "application/json");
        let response = request.body(body.to_owned()).send().await.unwrap();
        let (status, problem) = read(response).await;
        assert_eq!(
            (status.as_u16(), problem["code"].as_str()),
            (400, Some("invalid_request")),
            "{body}: {problem}"
        );
        problem["detail"].as_str().unwrap().to_owned()
    }

    /// Sends bytes; returns what comes back until the connection is closed.
    async fn exchange(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }
}

const USER: &str = "userId must be 1-128 bytes of UTF-8 without control characters";
const PRODUCT: &str = "productId must be 1-128 characters of A-Z a-z 0-9 . _ : -";
const QUANTITY: &str = "quantity must be a whole number from 1 to 1000";
const UNITS: &str = "quantity must be a whole number from 1 to 1000000000";
const NOT_AN_OBJECT: &str = "the body must be a JSON object";

#[tokio::test]
async fn an_invalid_order_is_answered_with_the_field_and_what_it_may_hold() {
    let app = App::start(&[]).await;
    let long = format!(
        r#"{{"productId":"p","userId":"u","quantity":"{}"}}"#,
        "x".repeat(9_000)
    );
    for (body, detail) in [
        (
            r#"{"productId":"p","userId":"u","quantitty":2}"#,
            "unknown field `quantitty`, expected one of `productId`, `userId`, `quantity`",
        ),
        (r#"{"productId":"p"}"#, "missing field `userId`"),
        (r#"{"productId":"p","userId":7}"#, USER),
        (r#"{"productId":"p","userId":null}"#, USER),
        (r#"{"productId":"p","userId":"a\n"}"#, USER),
        (r#"{"productId":["p"],"userId":"u"}"#, PRODUCT),
        (r#"{"productId":"a/b","userId":"u"}"#, PRODUCT),
        (r#"{"productId":"p","userId":"u","quantity":0}"#, QUANTITY),
        (r#"{"productId":"p","userId":"u","quantity":1.5}"#, QUANTITY),
        (r#"{"productId":"p","userId":"u","quantity":"2"}"#, QUANTITY),
        (
            r#"{"productId":"p","userId":"u","quantity":null}"#,
            QUANTITY,
        ),
        (
            r#"{"productId":"p","userId":"u","quantity":18446744073709551615}"#,
            QUANTITY,
        ),
        (&long, QUANTITY),
        (r#"["p","u",1]"#, NOT_AN_OBJECT),
        ("null", NOT_AN_OBJECT),
        ("", NOT_AN_OBJECT),
        (" \n", NOT_AN_OBJECT),
        (
            r#"{"productId":"p","userId":"u""#,
            "EOF while parsing an object at line 1 column 29",
        ),
    ] {
        assert_eq!(
            app.refused(Method::POST, "/orders", body).await,
            detail,
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_invalid_admin_call_is_answered_with_the_field_and_what_it_may_hold() {
    let app = App::start(&[]).await;
    let product = app.sale(1).await;
    let sale = format!("/products/{product}");
    let time = |field: &str| format!("{field} must be a time such as 2026-11-26T15:16:40.915Z");
    for (body, detail) in [
        (r#"{"quantity":1,"perUserLimit":0}"#, "perUserLimit must be a whole number from 1 to 1000000000".into()),
        (r#"{"quantity":1,"perUserLimit":"2"}"#, "perUserLimit must be a whole number from 1 to 1000000000".into()),
        (r#"{"quantity":0}"#, UNITS.to_owned()),
        (r#"{"quantity":1,"opensAt":"tomorrow"}"#, time("opensAt")),
        (r#"{"quantity":1,"closesAt":1795219200}"#, time("closesAt")),
        (
            r#"{"quantity":1,"perUserLimits":1}"#,
            "unknown field `perUserLimits`, expected one of `quantity`, `opensAt`, `closesAt`, `perUserLimit`, `ordersPerSecond`, `ordersPerUser`, `holdSeconds`, `holdGraceSeconds`, `unpaidPerUser`, `buyerCancel`, `queue`".into(),
        ),
        (
            r#"{"quantity":1,"holdSeconds":null}"#,
            "holdSeconds must be a whole number from 1 to 86400".into(),
        ),
        ("[1,null,null,null]", NOT_AN_OBJECT.into()),
    ] {
        assert_eq!(app.refused(Method::PUT, &sale, body).await, detail, "{body}");
    }
    for (body, detail) in [("[1]", NOT_AN_OBJECT), (r#"{"quantity":-1}"#, UNITS)] {
        let restock = format!("{sale}/restock");
        assert_eq!(
            app.refused(Method::POST, &restock, body).await,
            detail,
            "{body}"
        );
    }
    assert_eq!(app.get(&sale).await.1["total"], 1);
}

/// A sale called `.` or `..` could be opened, but not read: clients remove such segments from a path.
#[tokio::test]
async fn a_sale_that_no_path_can_name_is_not_opened() {
    let app = App::start(&["--compat-routes=on"]).await;
    for product in [".", ".."] {
        let put = format!(
            "PUT /products/{product} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: 14\r\n\r\n{{\"quantity\":1}}"
        );
        let answer = app.exchange(&put).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(
            answer.contains("productId must not be `.` or `..`"),
            "{answer}"
        );
        let init = app.request(Method::POST, "/init");
        let init = init.json(&json!({"productId": product, "quantity": 1}));
        let (status, body) = read(init.send().await.unwrap()).await;
        assert_eq!(status, 400, "{body}");
    }
    let dots = app.open("...", &json!({"quantity": 1})).await;
    assert_eq!(dots.0, 201, "{}", dots.1);
}

#[tokio::test]
async fn malformed_http_is_answered_without_a_body_and_the_connection_is_closed() {
    let app = App::start(&[]).await;
    let post = |more: &str| format!("POST /orders HTTP/1.1\r\nHost: here\r\n{more}\r\n");
    let many: String = (0..100).map(|n| format!("X-{n}: 1\r\n")).collect();
    // As much as the server reads of a head: if bytes were left, closing would reset the connection.
    let mut long = "GET /livez HTTP/1.1\r\nX-Long: ".to_owned();
    long.push_str(&"x".repeat(128 * 1024 - long.len()));
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        (post("no colon\r\n"), 400),
        (post("Content-Length: 2\r\nContent-Length: 3\r\n"), 400),
        (post("Content-Length: -1\r\n"), 400),
        (
            post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
            400,
        ),
        (post("Transfer-Encoding: gzip\r\n"), 400),
        (
            "POST /orders HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
            400,
        ),
        (post("Host: there\r\n"), 400),
        (
            "POST /orders HTTP/1.0\r\nHost: here\r\n\r\n".to_owned(),
            400,
        ),
        (post(&many), 431),
        (long, 431),
    ] {
        let answer = app.exchange(&request).await;
        let shown = &request[..request.len().min(120)];
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{shown:?}: {answer:?}"
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "", "{shown:?}");
        assert!(!head.contains("x-request-id"), "{shown:?}: {head}");
    }
    let chunk = format!("{}zz\r\n", post("Transfer-Encoding: chunked\r\n"));
    let answer = app.exchange(&chunk).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("invalid_request"), "{answer}");
}

#[tokio::test]
async fn a_path_that_is_not_utf8_is_a_problem() {
    let app = App::start(&[]).await;
    for (path, status) in [("/orders/%FF", 404), ("/products/%FF", 400), ("/%FF", 404)] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
        let answer = app.exchange(&request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {answer}"
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains("application/problem+json"),
            "{path}: {answer}"
        );
        let problem: Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], status, "{path}");
    }
}
