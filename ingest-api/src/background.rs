//! Background loops: readiness checks, high-water marks, the count of active buyers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_gate::ReservationStore;
use fluxgate_service::metrics::QueriedGauge;
use fluxgate_service::ops::Check;
use tokio_util::sync::CancellationToken;

use crate::boot_instant::BootInstant;
use crate::metrics::Metrics;
use crate::orders::ActiveBuyers;
use crate::sales::{Publisher, SaleCache};

const REDIS_CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// How long Redis may take no writes before the check fails.
const REDIS_GRACE: Duration = Duration::from_secs(2);
const EVICTION_CHECK_INTERVAL: Duration = Duration::from_secs(60);
const KAFKA_CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Partitions that the check of Kafka names.
const PARTITIONS_NAMED_MAX: usize = 10;
const SALE_REFRESH_INTERVAL: Duration = Duration::from_secs(2);

/// Loads the scripts into Redis, then checks every half second that Redis takes writes.
pub async fn check_redis(store: ReservationStore, check: Check, shutdown: CancellationToken) {
    let mut is_loaded = false;
    let mut last_write: Option<Instant> = None;
    loop {
        let write = async {
            if !is_loaded {
                store.load_scripts().await?;
                tracing::info!("connected to Redis; scripts loaded");
                is_loaded = true;
            }
            store.probe_write().await
        };
        match write.await {
            Ok(()) => {
                last_write = Some(Instant::now());
                check.pass();
            }
            Err(error) if last_write.is_none_or(|at| at.elapsed() >= REDIS_GRACE) => {
                check.fail(error.to_string());
            }
            Err(_) => {}
        }
        if is_stopped_within(REDIS_CHECK_INTERVAL, &shutdown).await {
            return;
        }
    }
}

/// Warns of Redis nodes that evict keys: an evicted key stops its sale.
pub async fn check_eviction(
    store: ReservationStore,
    metrics: Metrics,
    shutdown: CancellationToken,
) {
    let mut warned = Vec::new();
    let mut is_refused = false;
    loop {
        let mut interval = EVICTION_CHECK_INTERVAL;
        let evicting = store.evicting_nodes().await;
        let count = evicting.as_ref().ok().map(Vec::len);
        let count = count.map(|it| i64::try_from(it).unwrap_or(i64::MAX));
        metrics.redis_nodes_evicting.show(count);
        match evicting {
            Ok(nodes) => {
                for node in nodes.iter().filter(|node| !warned.contains(*node)) {
                    tracing::warn!(redis.node = %node.address, redis.policy = %node.policy,
                        "Redis evicts keys when it is out of memory, which stops sales; set maxmemory-policy to noeviction");
                }
                warned = nodes;
            }
            Err(error) if error.kind() == "other" && !is_refused => {
                is_refused = true;
                tracing::warn!(%error, "cannot tell whether Redis evicts keys; allow its user to call INFO");
            }
            // Redis is unavailable.
            Err(_) => interval = REDIS_GRACE,
        }
        if is_stopped_within(interval, &shutdown).await {
            return;
        }
    }
}

/// Checks that the topic exists and that Kafka acknowledges messages.
pub async fn check_kafka(publisher: Publisher, check: Check, shutdown: CancellationToken) {
    loop {
        let partitions = publisher.partitions().await;
        let open = publisher.open_partitions();
        match partitions {
            _ if !open.is_empty() => check.fail(not_acknowledging(&open)),
            None => check.fail("no metadata of the topic from any broker"),
            Some(_) => check.pass(),
        }
        if is_stopped_within(KAFKA_CHECK_INTERVAL, &shutdown).await {
            return;
        }
    }
}

fn not_acknowledging(partitions: &[i32]) -> String {
    let count = partitions.len();
    let mut named: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    if count > PARTITIONS_NAMED_MAX {
        named.truncate(PARTITIONS_NAMED_MAX);
        named.push("…".to_owned());
    }
    format!(
        "Kafka does not acknowledge messages of {count} partitions ({}); their orders stay in the outbox",
        named.join(", ")
    )
}

/// Raises the high-water marks of all remembered sales to the ledger's numbers, and drops refusals that expired before the
/// previous round.
pub async fn refresh_sales(sales: Arc<SaleCache>, shutdown: CancellationToken) {
    let mut previous_round = BootInstant::now();
    loop {
        sales.refresh_high_water_marks().await;
        let now = BootInstant::now();
        sales.clear_expired_refusals(previous_round);
        previous_round = now;
        if is_stopped_within(SALE_REFRESH_INTERVAL, &shutdown).await {
            return;
        }
    }
}

/// Publishes the count of active buyers once a minute and starts a new one.
pub async fn count_buyers(buyers: ActiveBuyers, shutdown: CancellationToken) {
    while !is_stopped_within(Duration::from_secs(60), &shutdown).await {
        buyers.begin_minute();
    }
}

/// Waits for `interval`; true at once if the service shuts down.
async fn is_stopped_within(interval: Duration, shutdown: &CancellationToken) -> bool {
    tokio::select! {
        () = shutdown.cancelled() => true,
        () = tokio::time::sleep(interval) => false,
    }
}
