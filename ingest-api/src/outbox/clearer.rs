use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::metrics::Metrics;
use crate::publisher::Acknowledged;
use crate::sales::Sale;
use crate::stock::{Number, Stock, StockError};

/// Entries cleared in one go.
const BATCH_MAX: usize = 512;

/// Clears acknowledged entries from the outbox, in batches, off the request path.
///
/// An entry that could not be cleared is left to the sweeper, which publishes it once more: a
/// duplicate on the topic is harmless, a stranded entry would not be.
pub struct Clearer {
    stock: Stock,
    acknowledged: mpsc::Receiver<Acknowledged>,
    metrics: Metrics,
}

impl Clearer {
    /// Acknowledged entries that may wait to be cleared.
    pub const QUEUE_MAX: usize = 65_536;

    /// Clears what arrives on `acknowledged`.
    pub fn new(stock: Stock, acknowledged: mpsc::Receiver<Acknowledged>, metrics: Metrics) -> Self {
        Self {
            stock,
            acknowledged,
            metrics,
        }
    }

    /// Runs until every publisher is gone and everything has been cleared.
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while self.acknowledged.recv_many(&mut batch, BATCH_MAX).await > 0 {
            for (sale, entries) in by_sale(batch.drain(..)) {
                match self.clear(&sale, &entries).await {
                    Ok(cleared) => self.metrics.outbox_cleared_total.inc_by(cleared),
                    Err(error) => tracing::debug!(%error, "entries are left to the sweeper"),
                }
            }
        }
    }

    async fn clear(&self, sale: &Sale, entries: &[Number]) -> Result<u64, StockError> {
        let (openings, orders): (Vec<&Number>, Vec<&Number>) =
            entries.iter().partition(|entry| entry.is_opening());
        let mut cleared = 0;
        for opening in openings {
            cleared += u64::from(self.stock.clear_opening(&sale.keys, *opening).await?);
        }
        if !orders.is_empty() {
            let orders = orders.iter().map(ToString::to_string).collect();
            cleared += self.stock.clear_orders(&sale.keys, orders).await?;
        }
        Ok(cleared)
    }
}

fn by_sale(acknowledged: impl Iterator<Item = Acknowledged>) -> Vec<(Arc<Sale>, Vec<Number>)> {
    let mut sales: HashMap<*const Sale, (Arc<Sale>, Vec<Number>)> = HashMap::new();
    for Acknowledged { sale, entry } in acknowledged {
        let group = sales
            .entry(Arc::as_ptr(&sale))
            .or_insert_with(|| (sale, Vec::new()));
        group.1.push(entry);
    }
    sales.into_values().collect()
}
