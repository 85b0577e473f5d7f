use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fluxgate_domain::SequenceNumber;
use fluxgate_gate::{ACK_BATCH_MAX, Acked, GateError, ReservationStore};
use fluxgate_service::crash_points::crash_point;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::metrics::Metrics;
use crate::sales::{PublishedEntry, Sale};

/// Entries taken from the queue at once, and sales whose entries are removed at the same time: while one master of a Redis
/// Cluster does not reply, each batch takes as long as a call may, and the queue must not fill up meanwhile.
const BATCH_MAX: usize = 8_192;
const SALES_MAX: usize = 512;
/// Time between two removals, in which entries gather: fewer, larger calls. Nobody waits for the removal of an order's entry,
/// and stock that is given back may come this much later.
const PAUSE: Duration = Duration::from_millis(5);

/// Removes acknowledged entries from the outbox, in batches, off the request path.
///
/// An entry that could not be removed is left to the relay, which publishes it again. The duplicate on the topic is
/// harmless; an entry that stayed forever would not be.
pub struct OutboxAcker {
    store: ReservationStore,
    acknowledged: mpsc::Receiver<Option<PublishedEntry>>,
    metrics: Metrics,
}

impl OutboxAcker {
    /// Acknowledged entries that may wait to be removed.
    pub const QUEUE_MAX: usize = 65_536;

    /// An acker for the entries that arrive on `acknowledged`.
    pub fn new(
        store: ReservationStore,
        acknowledged: mpsc::Receiver<Option<PublishedEntry>>,
        metrics: Metrics,
    ) -> Self {
        Self {
            store,
            acknowledged,
            metrics,
        }
    }

    /// Runs until every publisher is dropped and every entry has been handled.
    pub async fn run(mut self) {
        let mut batch = Vec::new();
        while self.acknowledged.recv_many(&mut batch, BATCH_MAX).await > 0 {
            crash_point("before_ack");
            let sales = stream::iter(by_sale(batch.drain(..).flatten()));
            let remove =
                async |(sale, entries): (Arc<Sale>, Entries)| self.remove(&sale, &entries).await;
            sales.for_each_concurrent(SALES_MAX, remove).await;
            sleep(PAUSE).await;
        }
    }

    async fn remove(&self, sale: &Sale, entries: &Entries) {
        match self.ack(sale, entries).await {
            Ok(acked) => self.metrics.outbox_acked_total.inc_by(acked),
            Err(error) => {
                tracing::debug!(%error, "failed to remove outbox entries; leaving them to the relay");
            }
        }
    }

    async fn ack(&self, sale: &Sale, entries: &Entries) -> Result<u64, GateError> {
        let mut acked = 0;
        for others in entries.others.chunks(ACK_BATCH_MAX) {
            let others = others.iter().map(ToString::to_string).collect();
            acked += self.store.ack_all(&sale.keys, others).await?;
        }
        for entry in &entries.making_room {
            let applied = self.store.ack_and_apply(&sale.keys, *entry).await?;
            acked += u64::from(applied == Acked::Applied);
        }
        Ok(acked)
    }
}

/// Entries of one sale.
#[derive(Default)]
struct Entries {
    making_room: Vec<SequenceNumber>,
    others: Vec<SequenceNumber>,
}

fn by_sale(acknowledged: impl Iterator<Item = PublishedEntry>) -> Vec<(Arc<Sale>, Entries)> {
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
