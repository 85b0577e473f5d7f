use std::collections::HashMap;
use std::sync::Arc;

use fluxgate_service::crash_points::crash_point;
use tokio::sync::mpsc;

use crate::metrics::Metrics;
use crate::publisher::Acknowledged;
use crate::sales::Sale;
use fluxgate_domain::SequenceNumber;
use fluxgate_gate::{GateError, ReservationStore};

/// Entries cleared in one go.
const BATCH_MAX: usize = 512;

/// Clears acknowledged entries from the outbox, in batches, off the request path.
///
/// An entry that could not be cleared is left to the relay, which publishes it once more: a
/// duplicate on the topic is harmless, a stranded entry would not be.
pub struct OutboxAcker {
    store: ReservationStore,
    acknowledged: mpsc::Receiver<Acknowledged>,
    metrics: Metrics,
}

impl OutboxAcker {
    /// Acknowledged entries that may wait to be cleared.
    pub const QUEUE_MAX: usize = 65_536;

    /// Clears what arrives on `acknowledged`.
    pub fn new(
        store: ReservationStore,
        acknowledged: mpsc::Receiver<Acknowledged>,
        metrics: Metrics,
    ) -> Self {
        Self {
            store,
            acknowledged,
            metrics,
        }
    }

    /// Runs until every publisher is gone and everything has been cleared.
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while self.acknowledged.recv_many(&mut batch, BATCH_MAX).await > 0 {
            crash_point("before_clear");
            for (sale, entries) in by_sale(batch.drain(..)) {
                match self.clear(&sale, &entries).await {
                    Ok(cleared) => self.metrics.outbox_acked_total.inc_by(cleared),
                    Err(error) => tracing::debug!(%error, "entries are left to the relay"),
                }
            }
        }
    }

    async fn clear(&self, sale: &Sale, entries: &Entries) -> Result<u64, GateError> {
        let mut cleared = 0;
        if !entries.others.is_empty() {
            let others = entries.others.iter().map(ToString::to_string).collect();
            cleared += self.store.ack_all(&sale.keys, others).await?;
        }
        for entry in &entries.making_room {
            let made = self.store.ack_and_apply(&sale.keys, *entry).await?;
            cleared += u64::from(made);
        }
        Ok(cleared)
    }
}

/// Entries of one sale.
#[derive(Default)]
struct Entries {
    making_room: Vec<SequenceNumber>,
    others: Vec<SequenceNumber>,
}

fn by_sale(acknowledged: impl Iterator<Item = Acknowledged>) -> Vec<(Arc<Sale>, Entries)> {
    let mut sales: HashMap<*const Sale, (Arc<Sale>, Entries)> = HashMap::new();
    for acknowledged in acknowledged {
        let sale = acknowledged.sale;
        let (_, entries) = sales
            .entry(Arc::as_ptr(&sale))
            .or_insert_with(|| (sale, Entries::default()));
        if acknowledged.makes_room {
            entries.making_room.push(acknowledged.entry);
        } else {
            entries.others.push(acknowledged.entry);
        }
    }
    sales.into_values().collect()
}
