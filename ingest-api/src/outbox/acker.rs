mod partial_entries;

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use fluxgate_domain::ids::Tag;
use fluxgate_gate::{
    ACKS_PER_CALL_MAX, Ack, Acked, AckedEvent, EFFECTS_PER_CALL_MAX, GateError, ReservationStore,
    SaleAcks,
};
use fluxgate_service::crash_points::crash_point;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use partial_entries::PartialEntries;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::metrics::Metrics;
use crate::sales::{PublishedEntry, Sale};

/// Events taken from the queue at once, and calls that are made at the same time: while one master of a Redis Cluster does
/// not reply, each batch takes as long as a call may, and the queue must not fill up meanwhile.
const BATCH_MAX: usize = 8_192;
const CALLS_MAX: usize = 512;
/// Time between two batches, in which events gather: fewer, larger calls. Nobody waits for the removal of an order's entry,
/// and stock that is given back may come this much later.
const PAUSE: Duration = Duration::from_millis(5);
/// An order that Kafka acknowledges later is acknowledged by its number and its id: meanwhile Redis may have failed over to a
/// replica that had not got it, and another order may have its number. An automatic failover takes longer than this.
const LATE: Duration = Duration::from_secs(1);

/// Acknowledges events in the outboxes, in batches, off the request path.
///
/// Orders that share an entry are acknowledged together: usually Kafka acknowledges them together, and the entry is removed.
/// If some are missing after a further batch, the others are acknowledged alone.
///
/// An event that could not be acknowledged is left to the relay, which publishes it again. The duplicate on the topic is
/// harmless; an entry that stayed forever would not be.
pub struct OutboxAcker {
    store: ReservationStore,
    acknowledged: mpsc::Receiver<Option<PublishedEntry>>,
    partial: PartialEntries,
    metrics: Metrics,
}

impl OutboxAcker {
    /// Acknowledged events that may wait for the acker.
    pub const QUEUE_MAX: usize = 65_536;

    /// An acker for the events that arrive on `acknowledged`.
    pub fn new(
        store: ReservationStore,
        acknowledged: mpsc::Receiver<Option<PublishedEntry>>,
        metrics: Metrics,
    ) -> Self {
        Self {
            store,
            acknowledged,
            partial: PartialEntries::default(),
            metrics,
        }
    }

    /// Runs until every publisher is dropped and every event has been handled.
    pub async fn run(mut self) {
        let mut batch = Vec::new();
        while self.receive(&mut batch).await {
            crash_point("before_ack");
            let sales = self.by_sale(batch.drain(..).flatten());
            self.ack(&sales).await;
            sleep(PAUSE).await;
        }
    }

    /// Waits for the next batch; true at once, with an empty batch, while some orders of an entry are missing. False: there
    /// is nothing left.
    async fn receive(&mut self, batch: &mut Vec<Option<PublishedEntry>>) -> bool {
        let is_partial = !self.partial.is_empty();
        tokio::select! {
            biased;
            received = self.acknowledged.recv_many(batch, BATCH_MAX) => received > 0 || is_partial,
            () = ready(()), if is_partial => true,
        }
    }

    fn by_sale(&mut self, batch: impl Iterator<Item = PublishedEntry>) -> Vec<SaleEvents> {
        let mut sales = HashMap::new();
        for published in batch {
            let PublishedEntry { sale, event, .. } = published;
            let is_late = published.since.elapsed() > LATE;
            match published.entry.filter(|_| !is_late) {
                _ if published.makes_room => of(&mut sales, &sale).making_room.push(event),
                None => of(&mut sales, &sale).acks.push(Ack::Event(event)),
                Some(entry) if entry.is_shared() => {
                    if self.partial.add(&sale, entry, event) {
                        of(&mut sales, &sale).acks.push(Ack::Entry(entry));
                    }
                }
                Some(entry) => of(&mut sales, &sale).acks.push(Ack::Entry(entry)),
            }
        }
        for (sale, order) in self.partial.end_round() {
            of(&mut sales, &sale).acks.push(Ack::Event(order));
        }
        sales.into_values().collect()
    }

    async fn ack(&self, sales: &[SaleEvents]) {
        let calls = calls(sales, self.store.is_cluster());
        let calls = calls.into_iter().map(|call| self.ack_all(call).boxed());
        let effects = sales
            .iter()
            .map(|events| self.ack_and_apply(events).boxed());
        let work: Vec<BoxFuture<()>> = calls.chain(effects).collect();
        stream::iter(work)
            .buffer_unordered(CALLS_MAX)
            .collect::<()>()
            .await;
    }

    async fn ack_all(&self, call: Vec<SaleAcks<'_>>) {
        match self.store.ack_all(&call).await {
            Ok(of_sales) => of_sales.into_iter().for_each(|removed| self.count(removed)),
            Err(error) => self.count(Err(error)),
        }
    }

    async fn ack_and_apply(&self, events: &SaleEvents) {
        for entries in events.making_room.chunks(EFFECTS_PER_CALL_MAX) {
            let acked = self.store.ack_and_apply_all(&events.sale.keys, entries);
            let acked = acked.await;
            let is_failed = acked.is_err();
            let applied =
                |acked: Vec<Acked>| acked.iter().filter(|it| **it == Acked::Applied).count();
            self.count(acked.map(|acked| applied(acked) as u64));
            if is_failed {
                return;
            }
        }
    }

    fn count(&self, removed: Result<u64, GateError>) {
        match removed {
            Ok(removed) => self.metrics.outbox_acked_total.inc_by(removed),
            Err(error) => {
                tracing::debug!(%error, "failed to acknowledge events in an outbox; leaving them to the relay");
            }
        }
    }
}

/// Acknowledged events of one sale.
struct SaleEvents {
    sale: Arc<Sale>,
    /// Of the events that take room.
    acks: Vec<Ack>,
    /// The others.
    making_room: Vec<AckedEvent>,
}

fn of<'a>(sales: &'a mut HashMap<*const Sale, SaleEvents>, sale: &Arc<Sale>) -> &'a mut SaleEvents {
    let new = || SaleEvents {
        sale: Arc::clone(sale),
        acks: Vec::new(),
        making_room: Vec::new(),
    };
    sales.entry(Arc::as_ptr(sale)).or_insert_with(new)
}

/// Calls that sales share; in a Cluster only those with the same tag, whose keys are on one node.
fn calls(sales: &[SaleEvents], is_cluster: bool) -> Vec<Vec<SaleAcks<'_>>> {
    let mut full = Vec::new();
    let mut open: HashMap<Option<Tag>, (Vec<SaleAcks>, usize)> = HashMap::new();
    for SaleEvents { sale, acks, .. } in sales {
        let keys = &sale.keys;
        let tag = is_cluster.then_some(sale.facts.tag);
        let (call, room) = open.entry(tag).or_insert((Vec::new(), ACKS_PER_CALL_MAX));
        let mut acks = &acks[..];
        while !acks.is_empty() {
            let (fitting, rest) = acks.split_at(acks.len().min(*room));
            call.push(SaleAcks {
                keys,
                acks: fitting,
            });
            (*room, acks) = (*room - fitting.len(), rest);
            if *room == 0 {
                full.push(std::mem::take(call));
                *room = ACKS_PER_CALL_MAX;
            }
        }
    }
    full.extend(open.into_values().map(|(call, _)| call));
    full.retain(|call| !call.is_empty());
    full
}
