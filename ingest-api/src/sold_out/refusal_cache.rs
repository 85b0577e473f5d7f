use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use fluxgate_domain::ids::OrderId;
use fluxgate_gate::{GateError, OrdersVersion, RefusalLease, ReservationStore};
use tokio::time::timeout;

use super::{CachedRefusal, KnownOrders, MemoryShare, RefusalReason, SaleRefusals};
use crate::boot_instant::BootInstant;
use crate::config::SoldOutSettings;
use crate::metrics::Metrics;

/// Calls per renewal: one to learn that the orders must be read, one to get the lease.
const ATTEMPTS: usize = 2;
/// The longest that reading the orders may take, beside [`READ_PAUSE_PER_ORDER`].
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Reading the orders takes Redis's time, so they are not read again for this long per order. Several instances may read
/// the same orders at once, so a read may take as long.
const READ_PAUSE_PER_ORDER: Duration = Duration::from_micros(20);
/// How long no lease is requested after one that could not be used.
const BACK_OFF: Duration = Duration::from_millis(500);

/// Refuses orders from memory while it holds a lease. Clones share what they keep.
#[derive(Clone)]
pub struct RefusalCache {
    store: ReservationStore,
    /// How long a lease lasts, by Redis's clock; zero: no lease is requested.
    lease: Duration,
    /// Orders that all caches of this instance keep in memory, and the most they may keep.
    orders_used: Arc<AtomicUsize>,
    orders_max: usize,
    metrics: Metrics,
}

impl RefusalCache {
    /// A cache that requests leases from `store` and counts the orders it keeps in `orders_used`.
    pub fn new(
        store: ReservationStore,
        settings: &SoldOutSettings,
        orders_used: Arc<AtomicUsize>,
        metrics: Metrics,
    ) -> Self {
        Self {
            store,
            lease: settings.lease(),
            orders_used,
            orders_max: settings.sold_out_orders_max as usize,
            metrics,
        }
    }

    /// Why an order is refused, if that can be answered from memory.
    pub fn refuse(&self, sale: &Arc<SaleRefusals>, order: OrderId) -> Option<RefusalReason> {
        let now = BootInstant::now();
        let current = sale.current(now)?;
        let cached = current.as_ref()?;
        if cached.orders.is_some() && cached.until.since(now) < self.lease_here() / 2 {
            self.renew(sale, now);
        }
        if !cached.refuses(order) {
            return None;
        }
        self.metrics.refused_from_memory_total.inc();
        Some(cached.reason)
    }

    /// Takes note of a refusal by Redis. The order was sent to Redis at `sent_at`.
    pub fn observe(&self, sale: &Arc<SaleRefusals>, reason: RefusalReason, sent_at: BootInstant) {
        match reason {
            RefusalReason::SoldOut | RefusalReason::Closed => {
                self.renew(sale, BootInstant::now());
            }
            // There are no orders before a sale opens, so no lease is needed.
            RefusalReason::NotOpen { opens_at } => sale.set(CachedRefusal {
                reason,
                until: opens_at.min(sent_at + self.lease_here()),
                orders: None,
            }),
        }
    }

    /// A lease ends here a fifth earlier than in Redis: a clock that is being adjusted runs slower or faster for a while.
    fn lease_here(&self) -> Duration {
        self.lease * 4 / 5
    }

    fn renew(&self, sale: &Arc<SaleRefusals>, now: BootInstant) {
        if !self.lease.is_zero() && sale.begin_renewal(now) {
            let renewal = Renewal(Arc::clone(sale));
            let cache = self.clone();
            tokio::spawn(async move {
                // The current lease expires by itself.
                if let Err(error) = cache.request(&renewal.0).await {
                    tracing::debug!(%error, sale.key = %renewal.0.keys.sale.as_str_lossy(), "failed to obtain a refusal lease");
                }
            });
        }
    }

    async fn request(&self, sale: &SaleRefusals) -> Result<(), GateError> {
        let mut orders = sale.last().and_then(|last| last.orders.clone());
        for _ in 0..ATTEMPTS {
            // Taken before the call, so the lease ends here before it ends in Redis.
            let until = BootInstant::now() + self.lease_here();
            let context = sale.context();
            let read = orders.as_ref().map(|orders| orders.version);
            let lease = self.store.grant_refusal_lease(&context, self.lease, read);
            let reason = match lease.await? {
                RefusalLease::SoldOut => RefusalReason::SoldOut,
                RefusalLease::Closed => RefusalReason::Closed,
                RefusalLease::Denied => {
                    sale.clear();
                    return Ok(());
                }
                RefusalLease::OrdersNeeded { number, version } => {
                    // The orders read before are out of date.
                    drop(orders.take());
                    sale.clear();
                    sale.high_water_mark.observe(number);
                    orders = self.read_orders(sale, version).await?;
                    if orders.is_none() {
                        return Ok(());
                    }
                    continue;
                }
            };
            sale.set(CachedRefusal {
                reason,
                until,
                orders,
            });
            return Ok(());
        }
        Ok(())
    }

    /// Reads the orders of a sale; `None` if they may not be read now, or if not as many came as this version has.
    async fn read_orders(
        &self,
        sale: &SaleRefusals,
        version: OrdersVersion,
    ) -> Result<Option<Arc<KnownOrders>>, GateError> {
        let fields = version.fields;
        let now = BootInstant::now();
        let next = now + READ_PAUSE_PER_ORDER * fields;
        if !sale.may_read_orders(now, next) {
            return Ok(None);
        }
        // One field is the placeholder.
        let orders = (fields as usize).saturating_sub(1);
        let share = MemoryShare::take(&self.orders_used, orders, self.orders_max);
        let Some(share) = share else {
            self.metrics.sold_out_orders_limit_hits_total.inc();
            sale.back_off_until(now + BACK_OFF);
            return Ok(None);
        };
        let limit = READ_TIMEOUT + READ_PAUSE_PER_ORDER * fields;
        let read = timeout(limit, self.store.order_hashes(&sale.keys, fields)).await;
        match read {
            Ok(read) => {
                let read = read?;
                if read.fields == fields as usize {
                    let known = KnownOrders::new(read.hashes, version, share);
                    return Ok(Some(Arc::new(known)));
                }
            }
            Err(_) => {
                tracing::debug!(sale.key = %sale.keys.sale.as_str_lossy(), "failed to read the orders of a sale in time")
            }
        }
        sale.back_off_until(now + BACK_OFF);
        Ok(None)
    }
}

/// A running renewal; ends when it is dropped.
struct Renewal(Arc<SaleRefusals>);

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.end_renewal();
    }
}
