//! Acknowledged events of many sales leave their outboxes at the same time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{IdempotencyKey, ProductId, Quantity, UserId};
use fluxgate_gate::{
    AckedEvent, Answer, EventName, GateError, GateMetrics, OutboxEntry, Reservation,
    ReservationContext, ReservationRequest, ReservationStore,
};
use fluxgate_service::essential_tasks::EssentialTasks;
use ingest_api::metrics::Metrics;
use ingest_api::outbox::OutboxAcker;
use ingest_api::sales::{PublishedEntry, Sale};
use prometheus::Registry;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::fixture::{Stores, claim_five, read, unique, until};

const CALL: &[u8] = b"EVALSHA";

/// A proxy to Redis that holds the first call of a script, and what follows it, until the second has come.
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
                    let calls = held.windows(CALL.len()).filter(|it| *it == CALL);
                    if calls.count() != 1 {
                        commands.write_all(&held).await.unwrap();
                        held.clear();
                    }
                }
            });
        }
    });
    address
}

struct Acker {
    gate: ReservationStore,
    queue: mpsc::Sender<Option<PublishedEntry>>,
    acknowledged: mpsc::Receiver<Option<PublishedEntry>>,
}

impl Acker {
    fn new(gate: ReservationStore) -> Self {
        let (queue, acknowledged) = mpsc::channel(8);
        Self {
            gate,
            queue,
            acknowledged,
        }
    }

    async fn add(&self, published: PublishedEntry) {
        self.queue.send(Some(published)).await.unwrap();
    }

    /// Acknowledges what was added; returns how many entries were removed.
    async fn run(self) -> u64 {
        drop(self.queue);
        let metrics = Metrics::register(&Registry::new(), "ingest_api");
        let acked_total = metrics.outbox_acked_total.clone();
        OutboxAcker::new(self.gate, self.acknowledged, metrics)
            .run()
            .await;
        acked_total.get()
    }
}

async fn sale_of(gate: &ReservationStore, product: &ProductId) -> Arc<Sale> {
    let facts = gate.sale(product).await.unwrap().unwrap().facts;
    Arc::new(Sale::new(facts, SequenceNumber::default()))
}

async fn claimed(gate: &ReservationStore) -> PublishedEntry {
    let product = ProductId::parse(&unique("p")).unwrap();
    claim_five(gate, &product, 0).await;
    let number = SequenceNumber::new(1, 0);
    PublishedEntry {
        sale: sale_of(gate, &product).await,
        event: number.into(),
        entry: Some(OutboxEntry::of_one(number)),
        makes_room: true,
        since: Instant::now(),
    }
}

#[tokio::test]
async fn a_sale_whose_effect_is_delayed_does_not_delay_another() {
    let stores = Stores::new().await;
    let (server, database) = stores.redis_address();
    let redis_url = format!("redis://{}/{database}", pairing_proxy(server).await);
    let slow = stores.gate_with(&["--redis-url", &redis_url, "--redis-connections=1"]);
    let (gate, acker) = (stores.gate(), Acker::new(slow));
    gate.load_scripts().await.unwrap();
    for _ in 0..2 {
        acker.add(claimed(&gate).await).await;
    }
    // One after the other, the first call would have failed: its reply would have come only after the second.
    assert_eq!(acker.run().await, 2);
}

#[tokio::test]
async fn the_entries_of_many_sales_are_removed_by_one_call() {
    let stores = Stores::new().await;
    let registry = Registry::new();
    let metrics = GateMetrics::register(&registry, "ingest_api");
    let (redis, tasks) = (stores.settings(&[]).redis, EssentialTasks::default());
    let gate = ReservationStore::connect(&redis, metrics.clone(), &tasks).unwrap();
    let acker = Acker::new(gate.clone());
    for _ in 0..8 {
        let claimed = claimed(&gate).await;
        let makes_room = false;
        acker
            .add(PublishedEntry {
                makes_room,
                ..claimed
            })
            .await;
    }
    assert_eq!(acker.run().await, 8);
    let calls = metrics.redis_call_seconds.with_label_values(&["ack_all"]);
    assert_eq!(calls.get_sample_count(), 1);
}

/// A request of this user for one unit.
fn request(sale: &Sale, user: &str) -> ReservationRequest {
    let user = UserId::parse(user).unwrap();
    let key = IdempotencyKey::parse("a").unwrap();
    ReservationRequest {
        order_id: sale.order_id(&user, &key),
        user,
        quantity: Quantity::try_from(1).unwrap(),
    }
}

/// Reserves these in one call; returns the number and the outbox entry of each.
async fn reserve(
    gate: &ReservationStore,
    sale: &Sale,
    requests: Vec<ReservationRequest>,
) -> Vec<(SequenceNumber, OutboxEntry)> {
    let context = ReservationContext {
        keys: &sale.keys,
        opened_at: sale.facts.opens_at,
        is_limited: false,
        high_water_mark: SequenceNumber::default(),
        outbox_max: 1,
        shares_entries: true,
    };
    let reserved = gate.reserve(&context, requests).await.unwrap();
    let entry = |answer: Result<Answer, GateError>| match answer.map(|it| it.reservation) {
        Ok(Reservation::Reserved { record, entry }) => (record.number, entry),
        _ => panic!("the order was not reserved"),
    };
    reserved.into_iter().map(entry).collect()
}

/// Redis lost an order in a failover and gave its number to another one, before Kafka acknowledged the lost one.
#[tokio::test]
async fn a_late_acknowledgement_removes_the_entry_of_no_other_order() {
    let stores = Stores::new().await;
    let app = stores.app(&["--outbox-relay-interval-ms=60000"]).await;
    let product = app.sale(10).await;
    let gate = stores.gate();
    let sale = sale_of(&gate, &ProductId::parse(&product).unwrap()).await;
    let [request, lost] = ["ada", "bob"].map(|user| request(&sale, user));
    let order_ids = [lost.order_id, request.order_id];
    let (number, entry) = reserve(&gate, &sale, vec![request]).await.remove(0);
    for (order_id, removed) in order_ids.into_iter().zip([0, 1]) {
        let acker = Acker::new(stores.gate());
        let name = Some(EventName::Order(order_id));
        acker
            .add(PublishedEntry {
                sale: Arc::clone(&sale),
                event: AckedEvent { number, name },
                entry: Some(entry),
                makes_room: false,
                since: Instant::now() - Duration::from_secs(2),
            })
            .await;
        assert_eq!(acker.run().await, removed);
    }
}

/// Kafka has acknowledged two of the three orders of a call when their instance dies.
#[tokio::test]
async fn orders_of_a_call_that_are_on_kafka_are_accepted_and_the_other_is_relayed() {
    let stores = Stores::new().await;
    // The relay makes one pass, at start.
    let app = stores.app(&["--outbox-relay-interval-ms=60000"]).await;
    let product = app.sale(10).await;
    let (gate, acker) = (stores.gate(), Acker::new(stores.gate()));
    let sale = sale_of(&gate, &ProductId::parse(&product).unwrap()).await;
    let requests = ["ada", "bob", "eve"].map(|user| request(&sale, user));
    let eves = requests[2].order_id.to_string();
    let reserved = reserve(&gate, &sale, requests.to_vec()).await;
    for (number, entry) in reserved.into_iter().take(2) {
        acker
            .add(PublishedEntry {
                sale: Arc::clone(&sale),
                event: number.into(),
                entry: Some(entry),
                makes_room: false,
                since: Instant::now(),
            })
            .await;
    }
    assert_eq!(acker.run().await, 0);

    for user in ["ada", "bob"] {
        let (status, order) = read(app.order(&product, user, 1, "a").await).await;
        assert_eq!(
            (status.as_u16(), &order["status"]),
            (202, &json!("accepted"))
        );
    }
    let (_, order) = app.get(&format!("/orders/{eves}")).await;
    assert_eq!(order["status"], "reserved");
    drop(app);
    let app = stores.app(&["--outbox-relay-interval-ms=50"]).await;
    until("the order is accepted", async || {
        app.get(&format!("/orders/{eves}")).await.1["status"] == "accepted"
    })
    .await;
    assert_eq!(app.metric("outbox_republished_total").await, 1.0);
    assert_eq!(stores.ids_on_kafka(2).await[1], eves);
    until("the outbox is empty", async || {
        app.metric_if_known("outbox_entries").await == Some(0.0)
    })
    .await;
}
