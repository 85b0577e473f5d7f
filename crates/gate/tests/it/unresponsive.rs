//! A server that accepts connections and never replies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::fixture::connect_to;

const TIMEOUT_MS: u64 = 200;
/// Longer than two attempts to connect and the longest pause between them.
const QUIET: Duration = Duration::from_secs(3);
const QUIET_WITHIN: Duration = Duration::from_secs(30);

/// The server: its port, and how many connections it has accepted.
async fn unresponsive_server() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            open.push(stream);
        }
    });
    (port, accepted)
}

async fn stops_connecting_once_closed(scheme: &str) {
    let (port, accepted) = unresponsive_server().await;
    let store = connect_to(format!("{scheme}://127.0.0.1:{port}"), TIMEOUT_MS);
    while accepted.load(Ordering::SeqCst) < 5 {
        sleep(Duration::from_millis(10)).await;
    }
    store.close().await;
    drop(store);
    let begin = Instant::now();
    loop {
        let before = accepted.load(Ordering::SeqCst);
        sleep(QUIET).await;
        if accepted.load(Ordering::SeqCst) == before {
            return;
        }
        let connects = begin.elapsed() > QUIET_WITHIN;
        assert!(!connects, "{scheme}: a closed client connects for ever");
    }
}

#[tokio::test]
async fn a_closed_client_does_not_connect_again() {
    tokio::join!(
        stops_connecting_once_closed("redis"),
        stops_connecting_once_closed("redis-cluster"),
    );
}

#[tokio::test]
async fn calls_to_a_server_that_is_down_fail_at_once() {
    let (port, _) = unresponsive_server().await;
    let store = connect_to(format!("redis://127.0.0.1:{port}"), TIMEOUT_MS);
    // While it may yet connect, a call waits.
    assert_eq!(store.now().await.unwrap_err().kind(), "timeout");
    assert_eq!(store.now().await.unwrap_err().kind(), "connection");
}
