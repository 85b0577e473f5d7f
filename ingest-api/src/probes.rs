//! Background loops that keep true what is answered: `/readyz`, how far each sale is, how many buy.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_service::ops::Check;
use tokio_util::sync::CancellationToken;

use crate::boot_instant::BootInstant;
use crate::orders::ActiveBuyers;
use crate::publisher::Publisher;
use crate::sales::SaleCache;
use fluxgate_gate::ReservationStore;

const INTERVAL: Duration = Duration::from_millis(500);
/// How long Redis may be gone before load balancers are told.
const REDIS_GRACE: Duration = Duration::from_secs(2);

/// How often the ledger is asked how far it is.
const HIGH_WATER_MARK_INTERVAL: Duration = Duration::from_secs(2);

/// Loads the scripts once Redis is there, then watches it.
pub async fn watch_redis(store: ReservationStore, check: Check, shutdown: CancellationToken) {
    let mut loaded = false;
    let mut last_answer: Option<Instant> = None;
    loop {
        let answer = if loaded {
            store.now().await.map(drop)
        } else {
            store.load_scripts().await
        };
        match answer {
            Ok(()) => {
                if !loaded {
                    tracing::info!("redis is there, scripts are loaded");
                }
                loaded = true;
                last_answer = Some(Instant::now());
                check.pass();
            }
            Err(error) if last_answer.is_none_or(|at| at.elapsed() >= REDIS_GRACE) => {
                check.fail(error.to_string());
            }
            Err(_) => {}
        }
        if pause(&shutdown).await.is_none() {
            return;
        }
    }
}

/// Watches whether Kafka acknowledges, and whether the topic is there.
pub async fn watch_kafka(publisher: Publisher, check: Check, shutdown: CancellationToken) {
    loop {
        match publisher.partitions().await {
            _ if !publisher.is_flowing() => {
                check.fail("Kafka does not acknowledge; orders wait in the outbox");
            }
            None => check.fail("the topic or its brokers cannot be seen"),
            Some(_) => check.pass(),
        }
        for _ in 0..4 {
            if pause(&shutdown).await.is_none() {
                return;
            }
        }
    }
}

/// `None` when it is time to stop.
async fn pause(shutdown: &CancellationToken) -> Option<()> {
    tokio::select! {
        () = shutdown.cancelled() => None,
        () = tokio::time::sleep(INTERVAL) => Some(()),
    }
}

/// Keeps every sale's high-water mark at least as high as the ledger, and no orders in memory that nobody
/// asks for.
pub async fn refresh_sales(sales: Arc<SaleCache>, shutdown: CancellationToken) {
    let mut before = BootInstant::now();
    loop {
        sales.refresh_high_water_marks().await;
        let now = BootInstant::now();
        sales.clear_expired_refusals(before);
        before = now;
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(HIGH_WATER_MARK_INTERVAL) => {}
        }
    }
}

/// Turns the minutes by which buyers are counted.
pub async fn count_buyers(buyers: ActiveBuyers, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(60)) => buyers.begin_minute(),
        }
    }
}
