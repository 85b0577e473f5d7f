use std::convert::Infallible;
use std::time::Duration;

use fluxgate_domain::ids::ProductId;
use quick_cache::sync::Cache;

use crate::boot_instant::BootInstant;
use crate::metrics::Metrics;
use fluxgate_gate::{GateError, ReservationStore, SaleView};

/// Sales whose last look is remembered.
const VIEWS_MAX: usize = 10_000;
/// How long a look is shown again. With the time it takes to get here, no view is older than 250 ms.
const KEPT: Duration = Duration::from_millis(200);

/// Sales as they were a moment ago: however many ask, Redis is asked five times a second.
pub struct SaleSnapshots {
    store: ReservationStore,
    views: Cache<ProductId, Look>,
    metrics: Metrics,
}

#[derive(Clone)]
struct Look {
    at: BootInstant,
    view: Result<Option<SaleView>, GateError>,
}

impl SaleSnapshots {
    /// Remembers nothing yet.
    pub fn new(store: ReservationStore, metrics: Metrics) -> Self {
        Self {
            store,
            views: Cache::new(VIEWS_MAX),
            metrics,
        }
    }

    /// A sale as it stands, or stood a moment ago; `None` where Redis does not know it. One caller at a
    /// time asks for a product, and what it is told, a failure too, is told to all.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn find(&self, product: &ProductId) -> Result<Option<SaleView>, GateError> {
        let now = BootInstant::now();
        self.views
            .remove_if(product, |look| now.since(look.at) >= KEPT);
        let mut source = "memory";
        let look = self.views.get_or_insert_async(product, async {
            source = "redis";
            let at = BootInstant::now();
            let view = self.store.sale(product).await;
            Ok::<_, Infallible>(Look { at, view })
        });
        let look = match look.await {
            Ok(look) => look,
            Err(never) => match never {},
        };
        if matches!(look.view, Ok(None)) {
            // It may be opened at any moment, and then it is there for all.
            self.views.remove(product);
        }
        let views = &self.metrics.sale_snapshot_reads_total;
        views.with_label_values(&[source]).inc();
        look.view
    }

    /// Forgets what a sale looked like: it has changed.
    pub fn forget(&self, product: &ProductId) {
        self.views.remove(product);
    }
}
