//! Background loops that keep true what is answered: `/readyz`, how far each sale is, how many buy.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_core::ops::Check;
use tokio_util::sync::CancellationToken;

use crate::clock::Moment;
use crate::orders::Buyers;
use crate::publisher::Publisher;
use crate::sales::Catalog;
use crate::stock::Stock;

const INTERVAL: Duration = Duration::from_millis(500);
/// How long Redis may be gone before load balancers are told.
const REDIS_GRACE: Duration = Duration::from_secs(2);

/// How often the ledger is asked how far it is.
const WITNESS_INTERVAL: Duration = Duration::from_secs(2);

/// Loads the scripts once Redis is there, then watches it.
pub async fn watch_redis(stock: Stock, check: Check, shutdown: CancellationToken) {
    let mut loaded = false;
    let mut last_answer: Option<Instant> = None;
    loop {
        let answer = if loaded {
            stock.now().await.map(drop)
        } else {
            stock.load_scripts().await
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

/// Keeps every sale's witness at least as high as the ledger, and no orders in memory that nobody
/// asks for.
pub async fn tend_sales(catalog: Arc<Catalog>, shutdown: CancellationToken) {
    let mut before = Moment::now();
    loop {
        catalog.learn_witnesses().await;
        let now = Moment::now();
        catalog.clear_idle_doors(before);
        before = now;
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(WITNESS_INTERVAL) => {}
        }
    }
}

/// Turns the minutes by which buyers are counted.
pub async fn count_buyers(buyers: Buyers, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(60)) => buyers.begin_minute(),
        }
    }
}
