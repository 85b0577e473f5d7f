//! A way to Kafka that can be cut.

use std::env;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Where Kafka sends the clients that take this way: only a proxy listens there.
pub fn kafka_behind_proxy() -> String {
    env::var("KAFKA_CUT_BROKERS").expect("KAFKA_CUT_BROKERS is not set: run `make test`")
}

/// Leads to Kafka. Dropping it breaks all connections; new ones are refused.
pub struct Proxy(JoinHandle<()>);

impl Proxy {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(kafka_behind_proxy()).await.unwrap();
        let kafka = env::var("KAFKA_CUT_TARGET").unwrap();
        Self(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let kafka = kafka.clone();
                connections.spawn(async move {
                    let mut broker = TcpStream::connect(kafka).await.unwrap();
                    // Ends when either side closes the connection.
                    let _ = copy_bidirectional(&mut client, &mut broker).await;
                });
            }
        }))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.0.abort();
    }
}
