use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fluxgate_domain::ids::Tag;
use fluxgate_gate::{
    GateError, LossContinuation, ORDERS_PER_CALL_MAX, Reservation, ReservationContext,
    ReservationRequest, ReservationStore,
};
use fluxgate_service::traces::{SpanKind, child_span};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Metrics;
use crate::sales::Sale;

/// How long an idle queue is kept.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// Combines concurrent orders of one sale into one Redis call.
///
/// Each sale has a queue. While a call is in flight, further orders of the sale wait in the queue and go into the next
/// call; an order that finds no call in flight is sent at once. Under load Redis and its driver do a fraction of the work.
/// Each HTTP thread has its own batcher. IN_FLIGHT_MAX bounds the length of the queues.
///
/// Clones share the queues.
#[derive(Clone)]
pub struct ReservationBatcher {
    store: ReservationStore,
    outbox_max: u32,
    queues: Arc<Mutex<HashMap<QueueId, mpsc::UnboundedSender<PendingRequest>>>>,
    metrics: Metrics,
}

/// Unique: no two sales share both tag and opening time.
type QueueId = (Tag, Timestamp);

struct PendingRequest {
    request: ReservationRequest,
    answer: oneshot::Sender<Result<Reservation, GateError>>,
}

impl ReservationBatcher {
    /// A batcher without queues.
    pub fn new(store: ReservationStore, outbox_max: u32, metrics: Metrics) -> Self {
        Self {
            store,
            outbox_max,
            queues: Arc::default(),
            metrics,
        }
    }

    /// Takes units for one order, once.
    ///
    /// # Errors
    /// If Redis gave no usable answer; the units may have been taken.
    pub async fn reserve(
        &self,
        sale: &Arc<Sale>,
        request: ReservationRequest,
    ) -> Result<Reservation, GateError> {
        let _span = child_span("reserve", SpanKind::Client);
        let (answer, answered) = oneshot::channel();
        self.enqueue(sale, PendingRequest { request, answer });
        answered.await.unwrap_or(Err(GateError::Abandoned))
    }

    /// Lets the sale continue in a Redis that has lost acknowledged writes.
    ///
    /// # Errors
    /// If Redis gave no usable answer.
    pub async fn continue_after_loss(&self, sale: &Sale) -> Result<LossContinuation, GateError> {
        self.store
            .continue_after_loss(&sale.keys, sale.high_water_mark())
            .await
    }

    fn enqueue(&self, sale: &Arc<Sale>, pending: PendingRequest) {
        let mut queues = self.queues.lock().expect("no code panics with this lock");
        let id = (sale.facts.tag, sale.facts.opens_at);
        let not_queued = match queues.get(&id) {
            Some(queue) => queue.send(pending).err().map(|closed| closed.0),
            None => Some(pending),
        };
        if let Some(pending) = not_queued {
            queues.retain(|_, queue| !queue.is_closed());
            let (queue, receiver) = mpsc::unbounded_channel();
            // A task of its own: the first client may disconnect while others wait.
            tokio::spawn(self.clone().serve(Arc::clone(sale), receiver));
            queue.send(pending).ok();
            queues.insert(id, queue);
        }
    }

    /// Sends the requests of one queue until the queue has been idle for [`IDLE_MAX`].
    async fn serve(self, sale: Arc<Sale>, mut queue: mpsc::UnboundedReceiver<PendingRequest>) {
        let mut batch = Vec::new();
        loop {
            let received = queue.recv_many(&mut batch, ORDERS_PER_CALL_MAX);
            match tokio::time::timeout(IDLE_MAX, received).await {
                Ok(0) => return,
                Ok(_) => self.send(&sale, &mut batch, &mut queue).await,
                // Later requests open a new queue; those that are already in this one are still served.
                Err(_) => queue.close(),
            }
        }
    }

    async fn send(
        &self,
        sale: &Sale,
        batch: &mut Vec<PendingRequest>,
        queue: &mut mpsc::UnboundedReceiver<PendingRequest>,
    ) {
        let (requests, answers): (Vec<_>, Vec<_>) = batch
            .drain(..)
            .map(|pending| (pending.request, pending.answer))
            .unzip();
        self.metrics.orders_per_call.observe(requests.len() as f64);
        let context = ReservationContext {
            keys: &sale.keys,
            opened_at: sale.facts.opens_at,
            high_water_mark: sale.high_water_mark(),
            outbox_max: self.outbox_max,
        };
        // Sending an answer fails if the client has disconnected: its retry finds the order.
        match self.store.reserve(&context, requests).await {
            Ok(reservations) => {
                for (answer, reservation) in answers.into_iter().zip(reservations) {
                    answer.send(reservation).ok();
                }
            }
            Err(error) => {
                // The queued requests fail too: otherwise they would wait for one timeout after the other.
                let queued = std::iter::from_fn(|| queue.try_recv().ok());
                let queued = queued.map(|pending| pending.answer);
                for answer in answers.into_iter().chain(queued) {
                    answer.send(Err(error.clone())).ok();
                }
            }
        }
    }
}
