use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fluxgate_domain::ids::ProductId;
use fluxgate_gate::{DueHolds, GateError, HoldsWatch, Lease, ReservationStore};
use futures_util::{FutureExt, StreamExt, stream};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::ExpiryPages;
use super::expiry_summary::{Blocked, ExpirySummary};
use crate::instance_lease::InstanceLease;
use crate::metrics::Metrics;
use crate::sales::{Sale, SaleCache};

/// Time between two passes.
const INTERVAL: Duration = Duration::from_secs(1);
/// Sales that are watched, or whose orders expire, at the same time.
const SALES_AT_ONCE: usize = 16;
/// How long a pass begins new pages. All sales are watched again afterwards: `watch_holds.lua` takes ten seconds without a
/// watch for an interruption, and a page takes up to six.
const PAGES_BEGIN: Duration = Duration::from_secs(2);
/// A sale that was blocked for so long blocks the other sales of its partition in the same pass.
const BLOCKED_WAIT_MIN: Duration = Duration::from_secs(1);

/// Lets orders expire that are not paid in time, of all sales, on one instance at a time.
pub struct HoldExpirer {
    store: ReservationStore,
    sales: Arc<SaleCache>,
    pages: ExpiryPages,
    metrics: Metrics,
    lease: Arc<InstanceLease>,
    /// What this instance's previous pass saw.
    summary: ExpirySummary,
    /// The last sale that the previous pass had time for. The next pass begins after it.
    last: Option<ProductId>,
}

/// A sale with holds that have no grace left.
struct DueSale {
    sale: Arc<Sale>,
    holds: DueHolds,
}

/// What the sales of one pass share.
struct Pass {
    /// No page begins later.
    until: Instant,
    /// Partitions of which a sale has waited for PostgreSQL or Kafka without success: their other sales would, too.
    blocked: Mutex<HashMap<i32, Blocked>>,
}

impl Pass {
    fn new() -> Self {
        Self {
            until: Instant::now() + PAGES_BEGIN,
            blocked: Mutex::default(),
        }
    }

    fn blocks(&self, partition: i32) -> Option<Blocked> {
        self.partitions().get(&partition).copied()
    }

    fn add_blocked(&self, partition: i32, blocked: Blocked) {
        if matches!(blocked, Blocked::Ledger | Blocked::Kafka) {
            self.partitions().insert(partition, blocked);
        }
    }

    fn partitions(&self) -> MutexGuard<'_, HashMap<i32, Blocked>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HoldExpirer {
    /// An expirer for the sales in the index of `store`.
    pub fn new(
        store: ReservationStore,
        sales: Arc<SaleCache>,
        pages: ExpiryPages,
        metrics: Metrics,
    ) -> Self {
        Self {
            lease: Arc::new(InstanceLease::new(store.clone(), Lease::HoldExpiry)),
            store,
            sales,
            pages,
            metrics,
            summary: ExpirySummary::default(),
            last: None,
        }
    }

    /// Makes passes until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(INTERVAL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(tick.tick()).await.is_some() {
            // A pass may be dropped at any point: all its steps are safe to repeat, and the relay publishes what was not.
            let Some(passed) = shutdown.run_until_cancelled(self.pass()).await else {
                return;
            };
            let summary = match passed {
                Ok(summary) => summary,
                Err(error) => {
                    self.metrics.hold_expiry_failures_total.inc();
                    tracing::debug!(%error, "expiry pass failed; the next pass retries");
                    None
                }
            };
            ExpirySummary::show(summary.as_ref(), &self.metrics);
            if let Some(summary) = summary {
                summary.log_changes(&self.summary);
                self.summary = summary;
            }
        }
    }

    /// `None` if another instance has the lease.
    async fn pass(&mut self) -> Result<Option<ExpirySummary>, GateError> {
        let lease = Arc::clone(&self.lease);
        lease.during(self.expire_all()).await?.transpose()
    }

    async fn expire_all(&mut self) -> Result<ExpirySummary, GateError> {
        let mut summary = ExpirySummary::default();
        let mut due = self.watch_all(&mut summary).await?;
        begin_after(&mut due, self.last.take().as_ref());
        let pass = Pass::new();
        let expiring = due.iter().map(|due| self.expire(due, &pass).boxed());
        let expiring: Vec<_> = expiring.collect();
        // Not in the order of the sales: one that waits holds up no others.
        let expiring = stream::iter(expiring).buffer_unordered(SALES_AT_ONCE);
        let outcomes: Vec<_> = expiring.collect().await;
        let mut attempted = 0;
        for outcome in outcomes.into_iter().flatten() {
            attempted += 1;
            if let Err(blocked) = outcome {
                summary.add_blocked(blocked);
            }
        }
        // They are attempted in order.
        let last = due[..attempted].last();
        self.last = last.map(|due| due.sale.facts.product.clone());
        Ok(summary)
    }

    /// Lets the orders of a sale expire; `None` if there is no time left for it.
    async fn expire(&self, due: &DueSale, pass: &Pass) -> Option<Result<(), Blocked>> {
        if Instant::now() >= pass.until {
            return None;
        }
        let sale = &due.sale;
        let partition = sale.facts.partition;
        if let Some(blocked) = pass.blocks(partition) {
            return Some(Err(blocked));
        }
        let began = Instant::now();
        let outcome = self.pages.expire(sale, due.holds.clone(), pass.until).await;
        if let Err(blocked) = outcome
            && began.elapsed() >= BLOCKED_WAIT_MIN
        {
            pass.add_blocked(partition, blocked);
        }
        Some(outcome)
    }

    /// Asks which holds of each sale have ended. Also tells Redis that somebody looks.
    async fn watch_all(&self, summary: &mut ExpirySummary) -> Result<Vec<DueSale>, GateError> {
        let indexed = self.store.indexed().await?;
        let watching = indexed
            .iter()
            .map(|indexed| self.watch(&indexed.product).boxed());
        let watching: Vec<_> = watching.collect();
        let watching = stream::iter(watching).buffered(SALES_AT_ONCE);
        let watched: Vec<_> = watching.collect().await;
        let mut all_due = Vec::new();
        for watched in watched {
            match watched {
                Ok(None) => {}
                Ok(Some(due)) => {
                    summary.add_lateness(due.holds.lateness());
                    all_due.push(due);
                }
                Err(blocked) => summary.add_blocked(blocked),
            }
        }
        Ok(all_due)
    }

    /// `None` if no hold of the sale has ended, or the sale has no holds.
    async fn watch(&self, product: &ProductId) -> Result<Option<DueSale>, Blocked> {
        let watch = async {
            let Some(sale) = self.sales.find_in_redis(product).await? else {
                return Ok(None);
            };
            let now = Timestamp::now();
            let watch = self.store.watch_holds(&sale.keys, now, 0).await?;
            Ok::<_, GateError>(Some((sale, watch)))
        };
        match watch.await {
            Ok(Some((sale, HoldsWatch::Due(holds)))) => {
                Ok((!holds.orders.is_empty()).then_some(DueSale { sale, holds }))
            }
            Ok(Some((_, HoldsWatch::Paused(_)))) => Err(Blocked::Paused),
            Ok(Some((_, HoldsWatch::ClockDiffers(_)))) => Err(Blocked::Clock),
            Ok(Some((_, HoldsWatch::Lost))) => Err(Blocked::Redis),
            Ok(Some((_, HoldsWatch::Gone)) | None) => Ok(None),
            Err(error) => {
                self.metrics.hold_expiry_failures_total.inc();
                tracing::debug!(sale.product = %product, %error, "cannot watch the holds of a sale; the next pass retries");
                Err(Blocked::Redis)
            }
        }
    }
}

/// Rotates the sales so that those after `last` come first and `last` comes last.
fn begin_after(due: &mut [DueSale], last: Option<&ProductId>) {
    let products = due.iter().map(|due| &due.sale.facts.product);
    // Sorted by product, as the index is.
    let before = last.map_or(0, |last| products.take_while(|it| *it <= last).count());
    due.rotate_left(before);
}
