//! A Redis whose connections break and are established again soon.

use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::fixture::connect_to;

const TIMEOUT_MS: u64 = 500;
/// Until after the second probe of the connections, which sees that there is one, by more than a call may take; the third
/// probe has not come yet.
const CONNECTED: Duration = Duration::from_millis(1_750);
/// How long Redis does not answer a new connection; shorter than a call may take.
const HANDSHAKE: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_call_waits_while_a_broken_connection_is_established_again() {
    let redis = std::env::var("REDIS_URL").expect("REDIS_URL is set: run `make test`");
    let redis = redis.strip_prefix("redis://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let store = connect_to(format!("redis://127.0.0.1:{port}"), TIMEOUT_MS);
    let (accepted, mut accepts) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            accepted.send(client).unwrap();
        }
    });
    let forward = |mut client: TcpStream| {
        let redis = redis.clone();
        tokio::spawn(async move {
            let mut server = TcpStream::connect(redis).await.unwrap();
            copy_bidirectional(&mut client, &mut server).await
        })
    };
    let first = forward(accepts.recv().await.unwrap());
    store.now().await.unwrap();
    sleep(CONNECTED).await;
    first.abort();
    let second = accepts.recv().await.unwrap();
    let answered = async {
        sleep(HANDSHAKE).await;
        forward(second);
    };
    let (reply, ()) = tokio::join!(store.now(), answered);
    // Where it has waited as long as it may, it is a timeout.
    let failed = reply.err().map(|error| error.kind());
    assert_ne!(failed, Some("connection"));
}
