//! How many clients may be connected, and for how long.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fixture::{App, read, until};

/// Long enough for an answer that comes.
const MOMENT: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(10);

async fn ask(app: &App) -> TcpStream {
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let request = b"GET /readyz HTTP/1.1\r\nHost: here\r\n\r\n";
    stream.write_all(request).await.unwrap();
    stream
}

/// Whether something came, or the end; within this time.
async fn read_within(stream: &mut TcpStream, limit: Duration) -> Option<usize> {
    let mut buffer = [0; 4_096];
    let read = timeout(limit, stream.read(&mut buffer)).await.ok()?;
    Some(read.unwrap())
}

#[tokio::test]
async fn connections_above_the_limit_wait_and_the_metric_tells() {
    // The client that asks for metrics holds one of them.
    let app = App::start(&["--connections-max=2"]).await;
    assert_eq!(app.metric("connections_limit_hits_total").await, 0.0);
    let mut second = ask(&app).await;
    assert!(read_within(&mut second, PATIENCE).await > Some(0));
    assert_eq!(app.metric("connections").await, 2.0);
    assert_eq!(app.metric("connections_limit_hits_total").await, 1.0);

    let mut third = ask(&app).await;
    assert_eq!(read_within(&mut third, MOMENT).await, None);
    drop(second);
    assert!(read_within(&mut third, PATIENCE).await > Some(0));
    drop(third);
    until("the connections are gone", async || {
        app.metric("connections").await == 1.0
    })
    .await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_keep_alive_seconds() {
    let app = App::start(&["--keep-alive-seconds=1"]).await;
    let mut idle = ask(&app).await;
    assert!(read_within(&mut idle, PATIENCE).await > Some(0));
    assert_eq!(read_within(&mut idle, MOMENT).await, None);
    assert_eq!(read_within(&mut idle, PATIENCE).await, Some(0));
}

#[tokio::test]
async fn with_ops_addr_probes_and_metrics_answer_whatever_the_crowd_holds() {
    let app = App::start(&["--connections-max=2", "--ops-addr=127.0.0.1:0"]).await;
    // The fixture's own client holds the first.
    let (status, problem) = app.get("/metrics").await;
    assert_eq!(
        (status.as_u16(), problem["code"].as_str()),
        (404, Some("not_found"))
    );
    let mut second = ask(&app).await;
    assert!(read_within(&mut second, PATIENCE).await > Some(0));
    let mut third = ask(&app).await;
    assert_eq!(read_within(&mut third, MOMENT).await, None, "all are held");

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
async fn the_ops_listener_tells_of_the_drain_until_it_has_ended() {
    // Idle connections would keep the drain from ending, too.
    let app = App::start(&["--ops-addr=127.0.0.1:0", "--keep-alive-seconds=1"]).await;
    // A request under way: it keeps the drain from ending.
    let mut order = TcpStream::connect(app.address()).await.unwrap();
    let head = b"POST /orders HTTP/1.1\r\nHost: here\r\nIdempotency-Key: k\r\n\
        Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{";
    order.write_all(head).await.unwrap();
    let under_way = async || {
        let metrics = app.ops("/metrics").send().await.unwrap();
        let metrics = metrics.text().await.unwrap();
        metrics.contains("\ningest_api_in_flight_requests 1\n")
    };
    until("the request is under way", under_way).await;
    app.stop();
    until("the drain is told", async || {
        let (status, report) = read(app.ops("/readyz").send().await.unwrap()).await;
        status == 503 && report["checks"]["shutdown"] == "draining"
    })
    .await;
    order.write_all(b"}").await.unwrap();
    assert!(read_within(&mut order, PATIENCE).await > Some(0));
    until("it listens no more", async || {
        app.ops("/readyz").send().await.is_err()
    })
    .await;
}
