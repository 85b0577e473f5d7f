use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use fluxgate_domain::ids::ProductId;
use fluxgate_gate::{Expiry, GateError, ReservationStore};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::sales::{Sale, SaleCache, SaleLookupError};

const INTERVAL: Duration = Duration::from_secs(10);

/// Puts sales back into the index that Redis has lost from it: the relay looks only at the outboxes of the sales in the
/// index. Every instance looks for those that it remembers, because nobody else knows what is missing.
pub struct IndexRepair {
    store: ReservationStore,
    sales: Arc<SaleCache>,
    metrics: Metrics,
    /// Sales that were not in the index, and need not be. They are back in it before they change again.
    over: HashSet<ProductId>,
}

impl IndexRepair {
    /// A repair that has looked for no sale yet.
    pub fn new(store: ReservationStore, sales: Arc<SaleCache>, metrics: Metrics) -> Self {
        Self {
            store,
            sales,
            metrics,
            over: HashSet::new(),
        }
    }

    /// Repairs every ten seconds until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let repairs = async {
            loop {
                tokio::time::sleep(INTERVAL).await;
                self.repair().await;
            }
        };
        // A repair may be dropped at any point: the next one goes on.
        shutdown.run_until_cancelled(repairs).await;
    }

    async fn repair(&mut self) {
        let indexed = match self.store.indexed().await {
            Ok(indexed) => indexed.into_iter().map(|it| it.product),
            Err(error) => return not_repaired(&error),
        };
        let indexed: HashSet<ProductId> = indexed.collect();
        let mut missing = self.sales.remembered();
        missing.retain(|sale| !indexed.contains(&sale.facts.product));
        let over = std::mem::take(&mut self.over);
        for sale in missing {
            let product = &sale.facts.product;
            if over.contains(product) {
                self.over.insert(product.clone());
            } else if let Err(error) = self.repair_one(&sale).await {
                // A master of a Cluster that is down must not keep the sales of the others out.
                not_repaired(&error);
            }
        }
    }

    async fn repair_one(&mut self, sale: &Sale) -> Result<(), GateError> {
        let product = &sale.facts.product;
        let is_over = match self.store.expiry(&sale.keys).await? {
            Expiry::Retired => true,
            Expiry::Never => false,
            // The relay counts it, if it is lost.
            Expiry::Gone => match self.sales.lookup_error(product).await {
                SaleLookupError::Lost => false,
                SaleLookupError::Over(_) => true,
                _ => return Ok(()),
            },
        };
        if is_over {
            self.over.insert(product.clone());
        } else if self.store.index(product).await? {
            self.metrics.sales_reindexed_total.inc();
            tracing::error!(sale.product = %product,
                "Redis had lost this sale from the index fg:sales; it is in the index again");
        }
        Ok(())
    }
}

fn not_repaired(error: &GateError) {
    tracing::debug!(%error, "failed to look for sales in the index; trying again");
}
