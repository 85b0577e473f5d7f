//! Accepted orders that did not get to Kafka at once.

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, Quantity, Tag, Total, UserId};
use fluxgate_gate::{
    Claim, OutboxPage, Reservation, ReservationContext, ReservationRequest, ReservationStore,
    SaleKeys, Terms,
};
use jiff::{Timestamp, ToSpan};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::fixture::{World, read, unique, until};

/// No broker is there.
const NO_KAFKA: [&str; 4] = ["--kafka-brokers", "127.0.0.1:1", "--publish-wait-ms", "20"];
const QUICK_SWEEPS: [&str; 2] = ["--outbox-relay-interval-ms", "50"];

async fn waiting(world: &World) -> u64 {
    let outboxes = world.keys("fg:*:outbox:*").await;
    world.redis("XLEN", &[&outboxes[0]]).await
}

/// Claims a sale as a copy does that dies before it publishes.
async fn claim_five(stock: &ReservationStore, product: &ProductId) {
    let terms = Terms {
        total: Total::try_from(5).unwrap(),
        opens_at: None,
        closes_at: None,
        per_user_limit: None,
    };
    let claimed = stock.claim(product, &terms, 0).await.unwrap();
    assert_eq!(claimed, Claim::Claimed);
}

/// What a first sweep asks for: nothing but how much waits, and for how long.
async fn first_page(stock: &ReservationStore, product: &str) -> OutboxPage {
    let product = ProductId::parse(product).unwrap();
    let facts = stock.sale(&product).await.unwrap().unwrap().facts;
    let keys = SaleKeys::new(&product, facts.tag, facts.opens_at.as_millisecond());
    let page = stock
        .read_outbox(&keys, None, SequenceNumber::default(), 10)
        .await;
    page.unwrap()
}

#[tokio::test]
async fn what_a_dead_copy_left_is_published_by_another() {
    let world = World::new().await;
    let (stock, product) = (world.stock(), ProductId::parse(&unique("p")).unwrap());
    claim_five(&stock, &product).await;

    // The opening itself: the sale takes no orders before it is on Kafka.
    let app = world.app(&QUICK_SWEEPS).await;
    until("the opening is published", async || {
        app.get(&format!("/products/{product}")).await.1["status"] == "open"
    })
    .await;

    let facts = stock.sale(&product).await.unwrap().unwrap().facts;
    let opened_ms = facts.opens_at.as_millisecond();
    let user = UserId::parse("ada").unwrap();
    let key = IdempotencyKey::parse("k").unwrap();
    let order_id = OrderId::derive(&product, facts.tag, opened_ms, &user, &key);
    let keys = SaleKeys::new(&product, Tag::of(&product), opened_ms);
    let ask = ReservationRequest {
        order_id,
        user,
        quantity: Quantity::try_from(1).unwrap(),
    };
    let sale = ReservationContext {
        keys: &keys,
        opened_at: facts.opens_at,
        high_water_mark: SequenceNumber::default(),
        outbox_max: 10,
    };
    let reserved = stock.reserve(&sale, vec![ask]).await.unwrap();
    assert!(
        matches!(reserved[..], [Ok(Reservation::Reserved(_))]),
        "{reserved:?}"
    );
    until("the order is published", async || {
        waiting(&world).await == 0
    })
    .await;
    assert_eq!(
        world.ids_on_kafka(2).await[1],
        order_id.to_string(),
        "after the opening"
    );
    assert!(app.metric("outbox_republished_total").await >= 2.0);
}

#[tokio::test]
async fn without_kafka_orders_wait_up_to_a_bound_and_a_sale_does_not_open() {
    let world = World::new().await;
    let product = {
        let app = world.app(&[]).await;
        let product = app.sale(10).await;
        until("the outbox is empty", async || waiting(&world).await == 0).await;
        product
    };
    let settings = [&NO_KAFKA[..], &["--outbox-max", "2"]].concat();
    let app = world.app(&settings).await;
    for key in ["a", "b"] {
        let (status, order) = read(app.order(&product, "ada", 1, key).await).await;
        assert_eq!(
            (status.as_u16(), &order["status"]),
            (202, &json!("reserved"))
        );
    }
    let (status, problem) = read(app.order(&product, "ada", 1, "c").await).await;
    assert_eq!(
        (status.as_u16(), &problem["code"]),
        (503, &json!("overloaded"))
    );
    assert_eq!(app.metric("outbox_full_total").await, 1.0);
    let page = first_page(&world.stock(), &product).await;
    assert!(page.entries.is_empty());
    assert_eq!(page.oldest.unwrap().number.sequence, 1);

    let replay = app.order(&product, "ada", 1, "a").await;
    assert_eq!(replay.headers()["Idempotency-Replayed"], "true");
    assert_eq!(read(replay).await.1["status"], "reserved");

    let (status, _) = app.open(&unique("p"), &json!({"quantity": 1})).await;
    assert_eq!(status, 503, "nobody says how many partitions there are");
    let (status, ready) = app.get("/readyz").await;
    assert_eq!(
        (status.as_u16(), &ready["status"]),
        (200, &json!("degraded"))
    );

    // With Kafka back, another copy publishes both.
    let _whole = world.app(&QUICK_SWEEPS).await;
    drop(app);
    until("the outbox is empty", async || waiting(&world).await == 0).await;
    assert_eq!(world.ids_on_kafka(3).await.len(), 3);
}

#[tokio::test]
async fn a_copy_that_sweeps_keeps_the_lease_while_kafka_is_away() {
    let world = World::new().await;
    let stock = world.stock();
    for _ in 0..4 {
        claim_five(&stock, &ProductId::parse(&unique("p")).unwrap()).await;
    }
    let app = world.app(&[&NO_KAFKA[..], &QUICK_SWEEPS].concat()).await;
    until("it sweeps", async || {
        app.metric("outbox_entries").await == 4.0
    })
    .await;
    let holder: String = world.redis("GET", &["fg:outbox-relay"]).await;
    until("three pages were waited for", async || {
        app.metric("publish_wait_timeouts_total").await >= 3.0
    })
    .await;
    // One page for each sweep: after each, all four are seen, and it is still this copy that looks.
    assert_eq!(app.metric("outbox_entries").await, 4.0);
    assert_eq!(
        world.redis::<String>("GET", &["fg:outbox-relay"]).await,
        holder
    );
}

#[tokio::test]
async fn a_sale_that_cannot_be_swept_is_counted_and_harms_no_other() {
    let world = World::new().await;
    let stock = world.stock();
    let [damaged, whole] = ["a", "b"].map(|it| ProductId::parse(&unique(it)).unwrap());
    claim_five(&stock, &damaged).await;
    claim_five(&stock, &whole).await;
    let outboxes = world.keys(&format!("fg:*:outbox:{damaged}")).await;
    world.redis::<()>("SET", &[&outboxes[0], "no stream"]).await;
    let app = world.app(&QUICK_SWEEPS).await;
    until("both were swept", async || {
        app.metric("outbox_relay_failures_total").await >= 1.0
            && app.get(&format!("/products/{whole}")).await.1["status"] == "open"
    })
    .await;
}

/// Brokers that are away until they are let through.
struct Gate {
    door: TcpListener,
    brokers: String,
}

impl Gate {
    async fn shut(brokers: &str) -> Self {
        Self {
            door: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            brokers: brokers.to_owned(),
        }
    }

    fn address(&self) -> String {
        self.door.local_addr().unwrap().to_string()
    }

    /// Whoever has knocked meanwhile is let through as well.
    fn open(self) {
        tokio::spawn(async move {
            while let Ok((mut client, _)) = self.door.accept().await {
                let mut broker = TcpStream::connect(&self.brokers).await.unwrap();
                tokio::spawn(async move { copy_bidirectional(&mut client, &mut broker).await });
            }
        });
    }
}

#[tokio::test]
async fn a_copy_without_orders_finds_out_that_kafka_is_back() {
    let world = World::new().await;
    let product = {
        let app = world.app(&[]).await;
        app.sale(10).await
    };
    let gate = Gate::shut(&world.kafka).await;
    // It sweeps once, at its start: nothing of its own tells it.
    let app = world
        .app(&[
            "--kafka-brokers",
            &gate.address(),
            "--kafka-message-timeout-ms=1000",
            "--publish-wait-ms=20",
            "--outbox-relay-interval-ms=60000",
        ])
        .await;
    for key in ["a", "b", "c"] {
        let (_, order) = read(app.order(&product, "ada", 1, key).await).await;
        assert_eq!(order["status"], "reserved");
    }
    assert_eq!(app.metric("publisher_circuit_open").await, 1.0);
    until("nothing is under way", async || {
        app.metric(r#"publishes_total{outcome="failed"}"#).await == 3.0
    })
    .await;

    gate.open();
    until("the circuit is closed", async || {
        app.metric("publisher_circuit_open").await == 0.0
            && app.get("/readyz").await.1["status"] == "ok"
    })
    .await;
    assert_eq!(
        app.metric(r#"publishes_total{outcome="acknowledged"}"#)
            .await,
        0.0
    );
}

#[tokio::test]
async fn a_closed_sale_is_retired_and_an_open_one_is_not() {
    let world = World::new().await;
    let app = world
        .app(&[&QUICK_SWEEPS[..], &["--order-record-ttl-seconds", "3600"]].concat())
        .await;
    let open = app.sale(1).await;
    let closed = unique("p");
    let now = Timestamp::now();
    let times = json!({"quantity": 1, "opensAt": now - 2.minutes(), "closesAt": now - 1.minutes()});
    assert_eq!(app.open(&closed, &times).await.0, 201);
    until("its keys expire", async || {
        let keys = world.keys(&format!("fg:*:sale:{closed}")).await;
        world.redis::<i64>("PTTL", &[&keys[0]]).await > 0
    })
    .await;
    until("the sweepers forget it", async || {
        world.redis::<Vec<String>>("SMEMBERS", &["fg:sales"]).await == [open.clone()]
    })
    .await;
    let keys = world.keys(&format!("fg:*:*:{open}")).await;
    assert_eq!(keys.len(), 3);
    for key in keys {
        assert_eq!(world.redis::<i64>("PTTL", &[&key]).await, -1, "{key}");
    }
}
