//! How many clients may be connected, and for how long.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fixture::{App, until};

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
