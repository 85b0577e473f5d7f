//! The limits of the listener for probes and metrics. They are fixed.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::line::Line;

const PROBE: &[u8] = b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n";
/// Within this time an answer arrives, if there is one.
const SHORT: Duration = Duration::from_millis(300);
/// Above every limit of the listener but that of an idle connection.
const LONG: Duration = Duration::from_secs(60);

async fn connect(address: SocketAddr, request: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    stream
}

/// The beginning of the next answer; empty: the connection was closed.
async fn answer(stream: &mut TcpStream, limit: Duration) -> Option<String> {
    let mut buffer = [0; 4_096];
    let read = timeout(limit, stream.read(&mut buffer)).await.ok()?;
    Some(String::from_utf8_lossy(&buffer[..read.unwrap()]).into_owned())
}

/// Sends something again and again until the connection is closed; never reads.
async fn refused(mut stream: TcpStream, more: &[u8], pause: Duration) {
    let sending = async {
        while stream.write_all(more).await.is_ok() {
            tokio::time::sleep(pause).await;
        }
    };
    timeout(LONG, sending).await.expect("it is closed");
}

#[tokio::test]
async fn connections_above_the_limit_wait() {
    let line = Line::new().await;
    let worker = line.start_worker(&[]);
    let (mut first, mut further) = (Vec::new(), Vec::new());
    for n in 0..70 {
        let streams = if n < 64 { &mut first } else { &mut further };
        streams.push(connect(worker.address(), PROBE).await);
    }
    for stream in &mut first {
        let answer = answer(stream, LONG).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    for stream in &mut further {
        assert_eq!(answer(stream, SHORT).await, None);
    }
    drop(first);
    for stream in &mut further {
        let answer = answer(stream, LONG).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn large_heads_are_refused() {
    let line = Line::new().await;
    let worker = line.start_worker(&[]);
    let head = |headers: &str| format!("GET /livez HTTP/1.1\r\nHost: here\r\n{headers}\r\n");
    for (headers, status) in [
        ("X: y\r\n".repeat(95), "200"),
        ("X: y\r\n".repeat(96), "431"),
        (format!("X: {}\r\n", "y".repeat(120_000)), "200"),
        (format!("X: {}\r\n", "y".repeat(131_072)), "431"),
    ] {
        let mut stream = connect(worker.address(), head(&headers).as_bytes()).await;
        let answer = answer(&mut stream, LONG).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }
    worker.stop().await;
}

#[tokio::test]
async fn nothing_that_a_client_leaves_undone_lasts() {
    let line = Line::new().await;
    let worker = line.start_worker(&[]);
    let address = worker.address();
    let silent = async {
        let mut stream = connect(address, b"").await;
        assert_eq!(answer(&mut stream, LONG).await.as_deref(), Some(""));
    };
    let half_head = async {
        let mut stream = connect(address, PROBE).await;
        assert_ne!(answer(&mut stream, LONG).await.as_deref(), Some(""));
        stream.write_all(b"GET /li").await.unwrap();
        assert_eq!(answer(&mut stream, LONG).await.as_deref(), Some(""));
    };
    let endless_body = async {
        let head = b"GET /livez HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n";
        let stream = connect(address, head).await;
        refused(stream, b"1\r\nx\r\n", Duration::from_millis(50)).await;
    };
    let unread = async {
        let request = b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n";
        let stream = connect(address, request).await;
        refused(stream, request, Duration::ZERO).await;
    };
    tokio::join!(silent, half_head, endless_body, unread);
    worker.stop().await;
}
