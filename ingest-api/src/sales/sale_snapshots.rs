use std::convert::Infallible;
use std::time::Duration;

use fluxgate_domain::ids::ProductId;
use fluxgate_gate::{GateError, ReservationStore, SaleView};
use quick_cache::sync::Cache;

use super::{SaleCache, SaleLookupError};
use crate::boot_instant::BootInstant;
use crate::metrics::Metrics;

/// Snapshots that an instance remembers.
const SNAPSHOTS_MAX: usize = 65_536;
/// How long a snapshot is reused. With the time of one read, no answer is older than 250 ms.
const SNAPSHOT_TTL: Duration = Duration::from_millis(200);

/// Snapshots of sales for `GET /products/{id}` and for event streams: Redis is read at most five times a second per sale,
/// however many clients read it.
pub struct SaleSnapshots {
    store: ReservationStore,
    snapshots: Cache<ProductId, Snapshot>,
    metrics: Metrics,
}

#[derive(Clone)]
struct Snapshot {
    read_at: BootInstant,
    view: Result<Option<SaleView>, GateError>,
}

impl SaleSnapshots {
    /// An empty cache in front of `store`.
    pub fn new(store: ReservationStore, metrics: Metrics) -> Self {
        Self {
            store,
            snapshots: Cache::new(SNAPSHOTS_MAX),
            metrics,
        }
    }

    /// A recent view of a sale; `None` if Redis does not have it. Concurrent callers for one product share one read and
    /// its result, also an error.
    ///
    /// # Errors
    /// If Redis gave no usable answer.
    pub async fn find(&self, product: &ProductId) -> Result<Option<SaleView>, GateError> {
        let (view, source) = self.read(product).await;
        self.count(source);
        view
    }

    fn count(&self, source: &str) {
        let reads = &self.metrics.sale_snapshot_reads_total;
        reads.with_label_values(&[source]).inc();
    }

    /// The view, and where it came from.
    async fn read(
        &self,
        product: &ProductId,
    ) -> (Result<Option<SaleView>, GateError>, &'static str) {
        let now = BootInstant::now();
        self.snapshots.remove_if(product, |snapshot| {
            now.since(snapshot.read_at) >= SNAPSHOT_TTL
        });
        let mut source = "memory";
        let snapshot = self.snapshots.get_or_insert_async(product, async {
            source = "redis";
            let read_at = BootInstant::now();
            let view = self.store.sale(product).await;
            Ok::<_, Infallible>(Snapshot { read_at, view })
        });
        let snapshot = match snapshot.await {
            Ok(snapshot) => snapshot,
            Err(never) => match never {},
        };
        if matches!(snapshot.view, Ok(None)) {
            // The sale may be opened at any moment, and must then be visible at once.
            self.snapshots.remove(product);
        }
        (snapshot.view, source)
    }

    /// A recent view of a sale; of one that is over, from the ledger.
    ///
    /// # Errors
    /// If there is no such sale, or a store gave no usable answer.
    pub async fn find_also_over(
        &self,
        product: &ProductId,
        sales: &SaleCache,
    ) -> Result<SaleView, SaleLookupError> {
        // Not through `find`, whose future would be part of this one: it is that of a frequent call.
        let (view, source) = self.read(product).await;
        self.count(source);
        match view? {
            Some(view) => Ok(view),
            None => over(product, sales).await,
        }
    }

    /// The same for the watcher of event streams. It is not counted, because no client asks.
    ///
    /// # Errors
    /// As [`Self::find_also_over`].
    pub async fn watch(
        &self,
        product: &ProductId,
        sales: &SaleCache,
    ) -> Result<SaleView, SaleLookupError> {
        match self.read(product).await.0? {
            Some(view) => Ok(view),
            None => over(product, sales).await,
        }
    }

    /// Drops the snapshot of a sale that has changed.
    pub fn forget(&self, product: &ProductId) {
        self.snapshots.remove(product);
    }
}

/// The view of a sale that is over.
async fn over(product: &ProductId, sales: &SaleCache) -> Result<SaleView, SaleLookupError> {
    match sales.lookup_error(product).await {
        SaleLookupError::Over(view) => Ok(*view),
        error => Err(error),
    }
}
