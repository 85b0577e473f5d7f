//! Limits and timeouts of client connections.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fixture::{App, Stores, read, until};

/// Within this time an answer arrives, if there is one.
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(10);

/// An instance whose requests may take a second, which is less than the setting allows.
async fn with_short_requests(more: &[&str]) -> App {
    let settings = [&["--body-timeout-ms=500"], more].concat();
    let mut config = Stores::new().await.settings(&settings);
    config.connections.request_timeout_seconds = 1;
    App::run(config).await
}

async fn send_request(app: &App) -> TcpStream {
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let request = b"GET /readyz HTTP/1.1\r\nHost: here\r\n\r\n";
    stream.write_all(request).await.unwrap();
    stream
}

async fn connect(address: SocketAddr, request: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    stream
}

/// Waits until the server has closed a connection, whatever it answers before.
async fn closed(mut stream: TcpStream) {
    let mut buffer = vec![0; 65_536];
    let end = async { while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    timeout(LONG, end).await.expect("the connection is closed");
}

/// Sends something again and again until the server has closed the connection; never reads.
async fn refused(mut stream: TcpStream, more: &[u8]) {
    let sending = async { while stream.write_all(more).await.is_ok() {} };
    timeout(LONG, sending)
        .await
        .expect("the connection is closed");
}

async fn closed_at(app: &App, limit: &str) -> f64 {
    let metric = format!(r#"connections_closed_total{{limit="{limit}"}}"#);
    app.metric(&metric).await
}

/// Bytes read within `limit`; 0: the connection was closed.
async fn read_within(stream: &mut TcpStream, limit: Duration) -> Option<usize> {
    let mut buffer = [0; 4_096];
    let read = timeout(limit, stream.read(&mut buffer)).await.ok()?;
    Some(read.unwrap())
}

#[tokio::test]
async fn connections_above_the_limit_wait_and_are_counted() {
    // The fixture's client holds one of the two.
    let app = App::start(&["--connections-max=2"]).await;
    assert_eq!(app.metric("connections_limit_hits_total").await, 0.0);
    let mut second = send_request(&app).await;
    assert!(read_within(&mut second, LONG).await > Some(0));
    assert_eq!(app.metric("connections").await, 2.0);
    assert_eq!(app.metric("connections_limit_hits_total").await, 1.0);

    let mut third = send_request(&app).await;
    assert_eq!(read_within(&mut third, SHORT).await, None);
    drop(second);
    assert!(read_within(&mut third, LONG).await > Some(0));
    drop(third);
    until("the connections are closed", async || {
        app.metric("connections").await == 1.0
    })
    .await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_keep_alive_seconds() {
    let app = App::start(&["--keep-alive-seconds=1"]).await;
    let mut idle = send_request(&app).await;
    assert!(read_within(&mut idle, LONG).await > Some(0));
    assert_eq!(read_within(&mut idle, SHORT).await, None);
    assert_eq!(read_within(&mut idle, LONG).await, Some(0));
}

#[tokio::test]
async fn an_idle_connection_that_may_live_longer_than_a_request_reaches_no_limit() {
    let app = with_short_requests(&["--keep-alive-seconds=2"]).await;
    closed(send_request(&app).await).await;
    // Meanwhile the fixture's client learns that its connection was closed as well.
    tokio::time::sleep(SHORT).await;
    assert_eq!(closed_at(&app, "time").await, 0.0);
}

#[tokio::test]
async fn with_ops_addr_probes_and_metrics_answer_while_clients_hold_all_connections() {
    let app = App::start(&["--connections-max=2", "--ops-addr=127.0.0.1:0"]).await;
    // The fixture's client holds the first connection.
    let (status, problem) = app.get("/metrics").await;
    assert_eq!(
        (status.as_u16(), problem["code"].as_str()),
        (404, Some("not_found"))
    );
    let mut second = send_request(&app).await;
    assert!(read_within(&mut second, LONG).await > Some(0));
    let mut third = send_request(&app).await;
    assert_eq!(
        read_within(&mut third, SHORT).await,
        None,
        "all connections are in use"
    );

    for path in ["/livez", "/readyz", "/health"] {
        let (status, report) = read(app.ops(path).send().await.unwrap()).await;
        assert_eq!(status, 200, "{path}: {report}");
    }
    let metrics = app.ops("/metrics").send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(
        metrics.contains("\ningest_api_connections 2\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn the_ops_listener_shows_the_drain_until_it_has_ended() {
    let stores = Stores::new().await;
    let product = stores.app(&[]).await.sale(1).await;
    // An order waits for a Kafka that is not there, which delays the end of the drain. So would idle connections.
    let app = stores
        .app(&[
            "--kafka-brokers=127.0.0.1:1",
            "--publish-wait-ms=2000",
            "--ops-addr=127.0.0.1:0",
            "--keep-alive-seconds=1",
        ])
        .await;
    let stop = async {
        until("the order is in flight", async || {
            let metrics = app.ops("/metrics").send().await.unwrap();
            let metrics = metrics.text().await.unwrap();
            metrics.contains("\ningest_api_in_flight_requests 1\n")
        })
        .await;
        app.stop();
        until("the drain is shown", async || {
            let (status, report) = read(app.ops("/readyz").send().await.unwrap()).await;
            status == 503 && report["checks"]["shutdown"] == "draining"
        })
        .await;
    };
    let (order, ()) = tokio::join!(app.order(&product, "ada", 1, "k"), stop);
    assert_eq!(order.status(), 202);
    until("the ops listener is closed", async || {
        app.ops("/readyz").send().await.is_err()
    })
    .await;
}

/// An answer to nothing would be taken for that to a request that is sent at the same moment.
#[tokio::test]
async fn a_new_connection_on_which_nothing_comes_is_closed_without_an_answer() {
    let app = with_short_requests(&[]).await;
    let mut stream = connect(app.address(), b"").await;
    assert_eq!(read_within(&mut stream, 2 * LONG).await, Some(0));
    assert_eq!(closed_at(&app, "time").await, 0.0);
    closed(connect(app.address(), b"GET /li").await).await;
    assert_eq!(closed_at(&app, "time").await, 1.0);
}

#[tokio::test]
async fn the_head_of_a_later_request_has_a_time_limit_on_both_listeners() {
    let app = with_short_requests(&["--ops-addr=127.0.0.1:0"]).await;
    for address in [app.address(), app.ops_address()] {
        let mut stream = connect(address, b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n").await;
        assert!(read_within(&mut stream, LONG).await > Some(0));
        stream.write_all(b"GET /li").await.unwrap();
        closed(stream).await;
    }
    let metrics = app.ops("/metrics").send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for name in ["ingest_api", "ingest_api_ops"] {
        let closed = format!("\n{name}_connections_closed_total{{limit=\"time\"}} 1\n");
        assert!(metrics.contains(&closed), "no {closed} in\n{metrics}");
    }
}

#[tokio::test]
async fn a_client_that_reads_no_answers_is_closed() {
    let app = with_short_requests(&[]).await;
    let request = b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n";
    let stream = connect(app.address(), request).await;
    refused(stream, request).await;
    assert_eq!(closed_at(&app, "time").await, 1.0);
    assert_eq!(app.metric("connection_buffered_bytes").await, 0.0);
}

/// The server library throws the rest of a chunked body away for as long as it comes.
#[tokio::test]
async fn an_endless_body_that_nobody_reads_has_a_time_limit() {
    let app = with_short_requests(&[]).await;
    let request = b"GET /livez HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n";
    let stream = connect(app.address(), request).await;
    refused(stream, b"1\r\nx\r\n").await;
    assert_eq!(closed_at(&app, "time").await, 1.0);
}

/// As many large heads as would fit into 72 MiB.
#[tokio::test]
async fn heads_that_are_not_complete_are_bounded_in_memory() {
    let app = App::start(&[]).await;
    let product = app.sale(10).await;
    let head = format!("GET /livez HTTP/1.1\r\nX: {}", "x".repeat(120_000));
    let mut held = Vec::new();
    for _ in 0..640 {
        let mut stream = TcpStream::connect(app.address()).await.unwrap();
        // Beyond the limit, the connection may be closed already.
        let _ = stream.write_all(head.as_bytes()).await;
        held.push(stream);
    }
    until("a connection is closed for its memory", async || {
        closed_at(&app, "memory").await > 0.0
    })
    .await;
    let limit = 64.0 * 1_024.0 * 1_024.0;
    assert!(app.metric("connection_buffered_bytes").await <= limit);
    assert_eq!(app.order(&product, "bob", 1, "b").await.status(), 202);
    drop(held);
    until("nothing is held", async || {
        app.metric("connection_buffered_bytes").await == 0.0
    })
    .await;
}
