//! Limits and timeouts of client connections.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fixture::{App, Stores, read, until};

/// Within this time an answer arrives, if there is one.
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(10);

async fn send_request(app: &App) -> TcpStream {
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let request = b"GET /readyz HTTP/1.1\r\nHost: here\r\n\r\n";
    stream.write_all(request).await.unwrap();
    stream
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
