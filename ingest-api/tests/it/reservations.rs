//! The queues between orders and Redis.

use std::sync::Arc;

use fluxgate_domain::SequenceNumber;
use fluxgate_domain::ids::{IdempotencyKey, ProductId, Quantity, UserId};
use fluxgate_gate::{Answer, Reservation, ReservationRequest, ReservationStore};
use fluxgate_service::settings::Switch;
use futures_util::FutureExt;
use ingest_api::config::OutboxSettings;
use ingest_api::metrics::Metrics;
use ingest_api::orders::{ReservationBatcher, ReserveError};
use ingest_api::sales::Sale;
use prometheus::Registry;

use crate::fixture::{BlockedProxy, Stores, unique, until};

const QUEUED_MAX: usize = 8;

fn batcher(store: ReservationStore) -> (ReservationBatcher, Metrics) {
    let metrics = Metrics::register(&Registry::new(), "ingest_api");
    let outbox = OutboxSettings {
        outbox_max: 1_000,
        outbox_shared_entries: Switch::Off,
        outbox_relay_interval_ms: 1_000,
        order_record_ttl_seconds: 60,
    };
    let batcher = ReservationBatcher::new(store, outbox, QUEUED_MAX, metrics.clone());
    (batcher, metrics)
}

/// A sale of ten units, as an instance remembers it that has seen numbers up to `high_water_mark`.
async fn remembered(stores: &Stores, product: &str, high_water_mark: SequenceNumber) -> Arc<Sale> {
    let product = ProductId::parse(product).unwrap();
    let view = stores.gate().sale(&product).await.unwrap().unwrap();
    Arc::new(Sale::new(view.facts, high_water_mark))
}

fn request(sale: &Sale) -> ReservationRequest {
    let user = UserId::parse(&unique("user")).unwrap();
    let key = IdempotencyKey::parse("a").unwrap();
    ReservationRequest {
        order_id: sale.order_id(&user, &key),
        user,
        quantity: Quantity::try_from(1).unwrap(),
    }
}

#[tokio::test]
async fn a_queue_is_bounded_and_callers_who_are_gone_take_no_units() {
    let stores = Stores::new().await;
    let product = stores.app(&[]).await.sale(10).await;
    let sale = remembered(&stores, &product, SequenceNumber::default()).await;
    let proxy = BlockedProxy::new(stores.redis_url.split('/').nth(2).unwrap()).await;
    let redis_url = format!(
        "redis://{}/{}",
        proxy.address(),
        stores.redis_url.rsplit('/').next().unwrap()
    );
    let patient = ["--redis-url", &redis_url, "--redis-timeout-ms=30000"];
    let (batcher, metrics) = batcher(stores.gate_with(&patient));

    let first = tokio::spawn({
        let (batcher, sale) = (batcher.clone(), Arc::clone(&sale));
        async move { batcher.reserve(&sale, request(&sale)).await }
    });
    until("a call is in flight", async || {
        metrics.orders_per_call.get_sample_count() == 1
    })
    .await;
    for _ in 0..QUEUED_MAX {
        // Polled once, so that it is queued, and dropped.
        let answer = batcher.reserve(&sale, request(&sale)).now_or_never();
        assert!(answer.is_none());
    }
    let refused = batcher.reserve(&sale, request(&sale)).await;
    assert!(matches!(refused, Err(ReserveError::QueueFull)));
    assert_eq!(metrics.reservation_queue_full_total.get(), 1);

    proxy.open();
    assert!(matches!(
        first.await.unwrap(),
        Ok(Answer {
            reservation: Reservation::Reserved { .. },
            ..
        })
    ));
    until("those who are gone are dropped", async || {
        metrics.reservations_dropped_total.get() == QUEUED_MAX as u64
    })
    .await;
    let last = batcher.reserve(&sale, request(&sale)).await;
    assert!(matches!(
        last,
        Ok(Answer {
            reservation: Reservation::Reserved { .. },
            ..
        })
    ));
    let view = stores.gate().sale(&sale.facts.product).await;
    assert_eq!(view.unwrap().unwrap().remaining, 8);
}

#[tokio::test]
async fn a_sale_that_was_found_again_is_asked_for_with_its_own_high_water_mark() {
    let stores = Stores::new().await;
    let product = stores.app(&[]).await.sale(10).await;
    let forgotten = remembered(&stores, &product, SequenceNumber::default()).await;
    let lost = SequenceNumber::new(1, 1_000);
    let found = remembered(&stores, &product, lost).await;
    let (batcher, _) = batcher(stores.gate());

    let reserved = batcher.reserve(&forgotten, request(&forgotten)).await;
    assert!(matches!(
        reserved,
        Ok(Answer {
            reservation: Reservation::Reserved { .. },
            ..
        })
    ));
    let behind = batcher.reserve(&found, request(&found)).await;
    assert!(
        matches!(
            behind,
            Ok(Answer {
                reservation: Reservation::Behind,
                ..
            })
        ),
        "{behind:?}"
    );
}
