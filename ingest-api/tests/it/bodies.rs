//! Bodies that come late, in parts, too large or not at all.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fixture::{App, until};

const LONG: Duration = Duration::from_secs(10);
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// The head of an order.
fn head(more: &str) -> String {
    format!(
        "POST /orders HTTP/1.1\r\nHost: here\r\nIdempotency-Key: k\r\nContent-Type: application/json\r\n{more}\r\n"
    )
}

fn order(product: &str) -> String {
    json!({"productId": product, "userId": "ada"}).to_string()
}

fn length(bytes: usize) -> String {
    format!("Content-Length: {bytes}\r\n")
}

async fn send(app: &App, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The status and the code of the last answer on a connection, which the server closes after it.
async fn last_answer(mut stream: TcpStream) -> (String, String) {
    let mut text = String::new();
    let read = timeout(LONG, stream.read_to_string(&mut text)).await;
    read.expect("the connection is closed").unwrap();
    let (head, body) = text[text.rfind("HTTP/1.1").expect("an answer")..]
        .split_once("\r\n\r\n")
        .unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let code = body["code"].as_str().unwrap_or_default();
    (head[9..12].to_owned(), code.to_owned())
}

fn refused(status: &str, code: &str) -> (String, String) {
    (status.to_owned(), code.to_owned())
}

#[tokio::test]
async fn slow_bodies_hold_no_slot_and_are_answered_408() {
    let app = App::start(&["--in-flight-max=4", "--body-timeout-ms=1000"]).await;
    let product = app.sale(10).await;
    let body = order(&product);
    let mut slow = Vec::new();
    for n in 0..8 {
        let half = match n % 2 {
            0 => format!("{}{}", head(&length(body.len())), &body[..20]),
            _ => format!("{}14\r\n{}\r\n", head(CHUNKED), &body[..20]),
        };
        slow.push(send(&app, &half).await);
    }
    until("the halves have arrived", async || {
        app.metric("incomplete_body_bytes").await == 160.0
    })
    .await;
    assert_eq!(app.metric("in_flight_requests").await, 0.0);
    assert_eq!(app.order(&product, "bob", 1, "b").await.status(), 202);
    for stream in slow {
        assert_eq!(last_answer(stream).await, refused("408", "request_timeout"));
    }
    assert_eq!(app.metric("incomplete_body_bytes").await, 0.0);
    assert_eq!(
        app.metric(r#"body_limit_hits_total{limit="time"}"#).await,
        8.0
    );
    assert_eq!(app.metric("in_flight_limit_hits_total").await, 0.0);
}

#[tokio::test]
async fn a_body_may_come_in_parts() {
    let app = App::start(&[]).await;
    let product = app.sale(10).await;
    let body = order(&product);
    for chunked in [false, true] {
        let framing = if chunked {
            CHUNKED.to_owned()
        } else {
            length(body.len())
        };
        let mut stream = send(&app, &head(&format!("Connection: close\r\n{framing}"))).await;
        let mut sent = 0;
        for part in body.as_bytes().chunks(9) {
            until("the parts before have arrived", async || {
                app.metric("incomplete_body_bytes").await == f64::from(sent)
            })
            .await;
            let part = std::str::from_utf8(part).unwrap();
            sent += part.len() as u32;
            let part = match chunked {
                true => format!("{:x}\r\n{part}\r\n", part.len()),
                false => part.to_owned(),
            };
            stream.write_all(part.as_bytes()).await.unwrap();
        }
        if chunked {
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        }
        assert_eq!(last_answer(stream).await, refused("202", ""));
    }
}

#[tokio::test]
async fn a_late_body_behind_another_request_is_answered_408() {
    let app = App::start(&["--body-timeout-ms=300"]).await;
    let pipelined = format!(
        "GET /livez HTTP/1.1\r\nHost: here\r\n\r\n{}{{",
        head(&length(2))
    );
    assert_eq!(
        last_answer(send(&app, &pipelined).await).await,
        refused("408", "request_timeout")
    );
}

#[tokio::test]
async fn a_body_above_the_limit_is_answered_413_before_it_is_there() {
    let app = App::start(&[]).await;
    let announced = head(&length(16_385));
    let huge = head(&length(usize::MAX));
    let chunk = format!("{}4001\r\n{}", head(CHUNKED), "x".repeat(16_385));
    for request in [announced, huge, chunk] {
        assert_eq!(
            last_answer(send(&app, &request).await).await,
            refused("413", "body_too_large")
        );
    }
    assert_eq!(
        app.metric(r#"body_limit_hits_total{limit="bytes"}"#).await,
        3.0
    );
}

/// With `Upgrade: websocket`, the server library takes everything that follows for the body.
#[tokio::test]
async fn an_upgrade_is_ignored() {
    let app = App::start(&[]).await;
    let product = app.sale(10).await;
    let body = order(&product);
    let upgrade = |more: &str| {
        head(&format!(
            "Connection: upgrade\r\nUpgrade: websocket\r\n{more}"
        ))
    };
    let order = format!("{}{body}", upgrade(&length(body.len())));
    assert_eq!(
        last_answer(send(&app, &order).await).await,
        refused("202", "")
    );
    let no_body = send(&app, &upgrade("")).await;
    assert_eq!(
        last_answer(no_body).await,
        refused("400", "invalid_request")
    );
}

#[tokio::test]
async fn incomplete_bodies_are_bounded_in_memory() {
    let app = App::start(&["--body-limit-bytes=4194304"]).await;
    let mut held = Vec::new();
    for _ in 0..16 {
        let most = format!("{}{}", head(&length(4_194_304)), "x".repeat(4_194_300));
        held.push(send(&app, &most).await);
    }
    until("16 bodies of 4 MiB are held", async || {
        app.metric("incomplete_body_bytes").await == 16.0 * 4_194_300.0
    })
    .await;
    let one_more = format!("{}{}", head(&length(4_194_304)), "x".repeat(4_000));
    assert_eq!(
        last_answer(send(&app, &one_more).await).await,
        refused("503", "overloaded")
    );
    // A body that comes at once is not held.
    let product = app.sale(10).await;
    assert_eq!(app.order(&product, "bob", 1, "b").await.status(), 202);
    assert_eq!(
        app.metric(r#"body_limit_hits_total{limit="memory"}"#).await,
        1.0
    );
}

#[tokio::test]
async fn a_slow_body_does_not_delay_the_stop() {
    let app = App::start(&["--ops-addr=127.0.0.1:0", "--body-timeout-ms=20000"]).await;
    let slow = send(&app, &format!("{}{{", head(&length(2)))).await;
    until("the first byte has arrived", async || {
        let metrics = app.ops("/metrics").send().await.unwrap();
        metrics
            .text()
            .await
            .unwrap()
            .contains("\ningest_api_incomplete_body_bytes 1\n")
    })
    .await;
    app.stop();
    assert_eq!(last_answer(slow).await, refused("408", "request_timeout"));
    until("the instance has stopped", async || {
        app.ops("/readyz").send().await.is_err()
    })
    .await;
}
