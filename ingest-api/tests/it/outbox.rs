//! Outbox entries that were not published at once.

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{IdempotencyKey, OrderId, ProductId, Quantity, Tag, UserId};
use fluxgate_gate::{
    Answer, OptionalKeys, OutboxPage, Reservation, ReservationContext, ReservationRequest,
    ReservationStore, SaleKeys,
};
use futures_util::future::join_all;
use serde_json::json;

use crate::fixture::{BlockedProxy, Stores, claim_five, read, unique, until};

/// Settings without a broker.
const NO_KAFKA: [&str; 4] = ["--kafka-brokers", "127.0.0.1:1", "--publish-wait-ms", "20"];
const FAST_RELAY: [&str; 2] = ["--outbox-relay-interval-ms", "50"];

/// Entries in the outbox of the only sale.
async fn outbox_length(stores: &Stores) -> u64 {
    let outboxes = stores.keys("fg:*:outbox:*").await;
    stores.redis("XLEN", &[&outboxes[0]]).await
}

/// The page that a relay reads first: the length of the outbox and the age of its oldest entry, no entries.
async fn first_page(gate: &ReservationStore, product: &str) -> OutboxPage {
    let product = ProductId::parse(product).unwrap();
    let facts = gate.sale(&product).await.unwrap().unwrap().facts;
    let keys = SaleKeys::new(
        &product,
        facts.tag,
        facts.opens_at.as_millisecond(),
        OptionalKeys::default(),
    );
    let page = gate
        .read_outbox(&keys, None, SequenceNumber::default(), 10)
        .await;
    page.unwrap()
}

#[tokio::test]
async fn entries_of_a_dead_instance_are_published_by_another() {
    let stores = Stores::new().await;
    let (gate, product) = (stores.gate(), ProductId::parse(&unique("p")).unwrap());
    claim_five(&gate, &product, 0).await;

    // First the opening: the sale takes no orders before it is on Kafka.
    let app = stores.app(&FAST_RELAY).await;
    until("the opening is published", async || {
        app.get(&format!("/products/{product}")).await.1["status"] == "open"
    })
    .await;

    let facts = gate.sale(&product).await.unwrap().unwrap().facts;
    let opened_ms = facts.opens_at.as_millisecond();
    let keys = SaleKeys::new(
        &product,
        Tag::of(&product),
        opened_ms,
        OptionalKeys::default(),
    );
    let mut ids = Vec::new();
    for (key, shares_entries) in [("a", false), ("b", true)] {
        let key = IdempotencyKey::parse(key).unwrap();
        let requests = ["ada", "bob"].map(|user| {
            let user = UserId::parse(user).unwrap();
            ReservationRequest {
                order_id: OrderId::derive(&product, facts.tag, opened_ms, &user, &key),
                user,
                quantity: Quantity::try_from(1).unwrap(),
            }
        });
        let context = ReservationContext {
            keys: &keys,
            opened_at: facts.opens_at,
            is_limited: false,
            high_water_mark: SequenceNumber::default(),
            outbox_max: 10,
            shares_entries,
        };
        ids.extend(requests.iter().map(|it| it.order_id.to_string()));
        let reserved = gate.reserve(&context, requests.to_vec()).await.unwrap();
        let is_reserved = |it: &Result<Answer, _>| {
            let reservation = it.as_ref().map(|answer| &answer.reservation);
            matches!(reservation, Ok(Reservation::Reserved { .. }))
        };
        assert!(reserved.iter().all(is_reserved), "{reserved:?}");
    }
    until("the orders are published", async || {
        outbox_length(&stores).await == 0
    })
    .await;
    assert_eq!(stores.ids_on_kafka(5).await[1..], ids, "after the opening");
    assert!(app.metric("outbox_republished_total").await >= 5.0);
}

#[tokio::test]
async fn without_kafka_orders_wait_up_to_outbox_max_and_no_sale_opens() {
    let stores = Stores::new().await;
    let product = {
        let app = stores.app(&[]).await;
        let product = app.sale(10).await;
        until("the outbox is empty", async || {
            outbox_length(&stores).await == 0
        })
        .await;
        product
    };
    let settings = [&NO_KAFKA[..], &["--outbox-max", "2"]].concat();
    let app = stores.app(&settings).await;
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
    let page = first_page(&stores.gate(), &product).await;
    assert!(page.events.is_empty());
    assert_eq!(page.oldest.unwrap().number.sequence, 1);

    let replay = app.order(&product, "ada", 1, "a").await;
    assert_eq!(replay.headers()["Idempotency-Replayed"], "true");
    assert_eq!(read(replay).await.1["status"], "reserved");

    let (status, _) = app.open(&unique("p"), &json!({"quantity": 1})).await;
    assert_eq!(status, 503, "the number of partitions is not known");
    let (status, ready) = app.get("/readyz").await;
    assert_eq!(
        (status.as_u16(), &ready["status"]),
        (200, &json!("degraded"))
    );

    // With Kafka back, another instance publishes both.
    let _healthy = stores.app(&FAST_RELAY).await;
    drop(app);
    until("the outbox is empty", async || {
        outbox_length(&stores).await == 0
    })
    .await;
    assert_eq!(stores.ids_on_kafka(3).await.len(), 3);
}

#[tokio::test]
async fn the_relay_leader_keeps_its_lease_while_kafka_is_unavailable() {
    let stores = Stores::new().await;
    let gate = stores.gate();
    for partition in 0..4 {
        claim_five(&gate, &ProductId::parse(&unique("p")).unwrap(), partition).await;
    }
    let app = stores.app(&[&NO_KAFKA[..], &FAST_RELAY].concat()).await;
    until("the relay has made a pass", async || {
        app.metric("outbox_entries").await == 4.0
    })
    .await;
    let holder: String = stores.redis("GET", &["fg:outbox-relay"]).await;
    until("three pages were not acknowledged", async || {
        app.metric("publish_wait_timeouts_total").await >= 3.0
    })
    .await;
    // One page per pass: each pass still counts all four outboxes, and the leader has not changed.
    assert_eq!(app.metric("outbox_entries").await, 4.0);
    assert_eq!(
        stores.redis::<String>("GET", &["fg:outbox-relay"]).await,
        holder
    );
}

#[tokio::test]
async fn a_damaged_outbox_is_counted_and_does_not_affect_other_sales() {
    let stores = Stores::new().await;
    let gate = stores.gate();
    let [damaged, healthy] = ["a", "b"].map(|it| ProductId::parse(&unique(it)).unwrap());
    claim_five(&gate, &damaged, 0).await;
    claim_five(&gate, &healthy, 0).await;
    let outboxes = stores.keys(&format!("fg:*:outbox:{damaged}")).await;
    stores
        .redis::<()>("SET", &[&outboxes[0], "not a stream"])
        .await;
    let app = stores.app(&FAST_RELAY).await;
    until("a pass handled both sales", async || {
        app.metric("outbox_relay_failures_total").await >= 1.0
            && app.get(&format!("/products/{healthy}")).await.1["status"] == "open"
    })
    .await;
}

#[tokio::test]
async fn an_idle_instance_detects_that_kafka_is_back() {
    let stores = Stores::new().await;
    let product = {
        let app = stores.app(&[]).await;
        app.sale(10).await
    };
    let proxy = BlockedProxy::new(&stores.kafka).await;
    // The relay makes one pass, at start, so it publishes nothing that could close the circuit.
    let app = stores
        .app(&[
            "--kafka-brokers",
            &proxy.address(),
            "--kafka-message-timeout-ms=1000",
            "--publish-wait-ms=20",
            "--outbox-relay-interval-ms=60000",
        ])
        .await;
    for key in ["a", "b", "c"] {
        let (_, order) = read(app.order(&product, "ada", 1, key).await).await;
        assert_eq!(order["status"], "reserved");
    }
    until("the circuit is open", async || {
        app.metric("publisher_circuit_open").await == 1.0
    })
    .await;
    until("all three messages have failed", async || {
        app.metric(r#"publishes_total{outcome="failed"}"#).await == 3.0
    })
    .await;

    proxy.open();
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
async fn an_instance_that_does_not_wait_for_kafka_publishes_every_order_itself() {
    const ORDERS: usize = 100;
    let stores = Stores::new().await;
    // The relay makes one pass, at start.
    let settings = [
        "--publish-wait-ms=0",
        "--outbox-relay-interval-ms=60000",
        "--kafka-linger-ms=100",
    ];
    let app = stores.app(&settings).await;
    let product = app.sale(1_000).await;
    let users: Vec<_> = (0..ORDERS).map(|n| format!("user-{n}")).collect();
    let orders = users.iter().map(|user| app.order(&product, user, 1, "a"));
    for order in join_all(orders).await {
        let (status, order) = read(order).await;
        assert_eq!(
            (status.as_u16(), &order["status"]),
            (202, &json!("reserved"))
        );
    }
    until("the outbox is empty", async || {
        outbox_length(&stores).await == 0
    })
    .await;
    assert_eq!(
        app.metric("publishes_not_awaited_total").await,
        ORDERS as f64
    );
    assert_eq!(app.metric("publisher_circuit_open").await, 0.0);
}

#[tokio::test]
async fn orders_of_a_call_share_an_entry_if_the_setting_says_so() {
    const ORDERS: usize = 100;
    let stores = Stores::new().await;
    let product = stores.app(&[]).await.sale(1_000).await;
    let settings = [
        &NO_KAFKA[..],
        &["--outbox-shared-entries=on", "--outbox-max=90"],
    ]
    .concat();
    let app = stores.app(&settings).await;
    let users: Vec<_> = (0..ORDERS).map(|n| format!("user-{n}")).collect();
    let orders = users.iter().map(|user| app.order(&product, user, 1, "a"));
    for order in join_all(orders).await {
        assert_eq!(order.status(), 202);
    }
    assert!(outbox_length(&stores).await < 90);
    drop(app);
    let _healthy = stores.app(&FAST_RELAY).await;
    until("the outbox is empty", async || {
        outbox_length(&stores).await == 0
    })
    .await;
    assert_eq!(stores.ids_on_kafka(1 + ORDERS).await.len(), 1 + ORDERS);
}
