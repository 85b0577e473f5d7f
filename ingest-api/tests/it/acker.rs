//! Acknowledged entries are removed from the outboxes of many sales at the same time.

use std::sync::Arc;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::ProductId;
use ingest_api::metrics::Metrics;
use ingest_api::outbox::OutboxAcker;
use ingest_api::sales::{PublishedEntry, Sale};
use prometheus::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::fixture::{Stores, claim_five, unique};

const REMOVAL: &[u8] = b"XDEL";

/// A proxy to Redis that holds the first removal, and what follows it, until the second has come.
async fn pairing_proxy(store: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (mut from, mut to) = client.into_split();
            let (mut replies, mut commands) =
                TcpStream::connect(&store).await.unwrap().into_split();
            tokio::spawn(async move { copy(&mut replies, &mut to).await });
            tokio::spawn(async move {
                let mut held = Vec::new();
                while let Ok(1..) = from.read_buf(&mut held).await {
                    let removals = held.windows(REMOVAL.len()).filter(|it| *it == REMOVAL);
                    if removals.count() != 1 {
                        commands.write_all(&held).await.unwrap();
                        held.clear();
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_sale_whose_entry_cannot_be_removed_does_not_delay_another() {
    let stores = Stores::new().await;
    let (server, database) = stores.redis_address();
    let redis_url = format!("redis://{}/{database}", pairing_proxy(server).await);
    let gate = stores.gate_with(&["--redis-url", &redis_url, "--redis-connections=1"]);
    let (queue, acknowledged) = mpsc::channel(2);
    for _ in 0..2 {
        let product = ProductId::parse(&unique("p")).unwrap();
        claim_five(&gate, &product, 0).await;
        let facts = gate.sale(&product).await.unwrap().unwrap().facts;
        let entry = PublishedEntry {
            sale: Arc::new(Sale::new(facts, SequenceNumber::default())),
            entry: SequenceNumber {
                epoch: 1,
                sequence: 0,
            },
            makes_room: false,
        };
        queue.send(Some(entry)).await.unwrap();
    }
    drop(queue);
    let metrics = Metrics::register(&Registry::new(), "ingest_api");
    let acked_total = metrics.outbox_acked_total.clone();
    OutboxAcker::new(gate, acknowledged, metrics).run().await;
    // One after the other, the first removal would have failed: its reply would have come only after the second.
    assert_eq!(acked_total.get(), 2);
}
