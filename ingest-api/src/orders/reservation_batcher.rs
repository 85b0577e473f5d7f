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
/// Each HTTP thread has its own batcher. IN_FLIGHT_MAX bounds the length of each queue too: an order
/// whose client has disconnected is no longer in flight, but stays in the queue.
///
/// Clones share the queues.
#[derive(Clone)]
pub struct ReservationBatcher {
    store: ReservationStore,
    outbox_max: u32,
    /// Orders that one queue holds.
    queued_max: usize,
    queues: Arc<Mutex<HashMap<QueueId, Queue>>>,
    metrics: Metrics,
}

/// Unique: no two sales share both tag and opening time.
type QueueId = (Tag, Timestamp);

/// The queue of a sale, and the sale as the requests in it know it. A sale that was forgotten and found again has a queue
/// of its own, because its high-water mark is another one.
struct Queue {
    sale: Arc<Sale>,
    requests: mpsc::Sender<PendingRequest>,
}

/// Why there is no reservation.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// The queue of the sale is full; no units were taken.
    #[error("too many orders of this sale are waiting for Redis")]
    QueueFull,
    /// Redis gave no usable answer; the units may have been taken.
    #[error(transparent)]
    Gate(#[from] GateError),
}

struct PendingRequest {
    request: ReservationRequest,
    answer: oneshot::Sender<Result<Reservation, GateError>>,
}

impl ReservationBatcher {
    /// A batcher without queues.
    pub fn new(
        store: ReservationStore,
        outbox_max: u32,
        queued_max: usize,
        metrics: Metrics,
    ) -> Self {
        Self {
            store,
            outbox_max,
            queued_max,
            queues: Arc::default(),
            metrics,
        }
    }

    /// Takes units for one order, once.
    ///
    /// # Errors
    /// If the queue is full, or Redis gave no usable answer.
    pub async fn reserve(
        &self,
        sale: &Arc<Sale>,
        request: ReservationRequest,
    ) -> Result<Reservation, ReserveError> {
        let _span = child_span("reserve", SpanKind::Client);
        let (answer, answered) = oneshot::channel();
        self.enqueue(sale, PendingRequest { request, answer })?;
        Ok(answered.await.unwrap_or(Err(GateError::Abandoned))?)
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

    fn enqueue(&self, sale: &Arc<Sale>, pending: PendingRequest) -> Result<(), ReserveError> {
        let mut queues = self.queues.lock().expect("no code panics with this lock");
        let queue = queues
            .entry(queue_id(sale))
            .or_insert_with(|| self.open_queue(sale));
        // Closed: its task has panicked.
        if !Arc::ptr_eq(&queue.sale, sale) || queue.requests.is_closed() {
            // What waits in a queue of the sale as it was is still served.
            *queue = self.open_queue(sale);
        }
        queue.requests.try_send(pending).map_err(|_| {
            self.metrics.reservation_queue_full_total.inc();
            ReserveError::QueueFull
        })
    }

    fn open_queue(&self, sale: &Arc<Sale>) -> Queue {
        let (requests, receiver) = mpsc::channel(self.queued_max);
        // A task of its own: the first client may disconnect while others wait.
        tokio::spawn(self.clone().serve(Arc::clone(sale), receiver));
        Queue {
            sale: Arc::clone(sale),
            requests,
        }
    }

    /// Sends the requests of one queue until the queue has been idle for [`IDLE_MAX`], or another one has replaced it.
    async fn serve(self, sale: Arc<Sale>, mut queue: mpsc::Receiver<PendingRequest>) {
        let mut batch = Vec::new();
        loop {
            let received = queue.recv_many(&mut batch, ORDERS_PER_CALL_MAX);
            match tokio::time::timeout(IDLE_MAX, received).await {
                Ok(0) => return,
                Ok(_) => self.send(&sale, &mut batch, &mut queue).await,
                Err(_) => self.remove_idle(&sale, &queue),
            }
        }
    }

    /// Removes a queue that is still idle; its receiver then finds it closed.
    fn remove_idle(&self, sale: &Arc<Sale>, queue: &mpsc::Receiver<PendingRequest>) {
        // Under the lock, nothing can be queued meanwhile.
        let mut queues = self.queues.lock().expect("no code panics with this lock");
        let id = queue_id(sale);
        let is_own = queues
            .get(&id)
            .is_some_and(|it| Arc::ptr_eq(&it.sale, sale));
        if is_own && queue.is_empty() {
            queues.remove(&id);
        }
    }

    async fn send(
        &self,
        sale: &Sale,
        batch: &mut Vec<PendingRequest>,
        queue: &mut mpsc::Receiver<PendingRequest>,
    ) {
        // Nobody would learn of their orders: they need take no units.
        let received = batch.len();
        batch.retain(|pending| !pending.answer.is_closed());
        let dropped = received - batch.len();
        self.metrics
            .reservations_dropped_total
            .inc_by(dropped as u64);
        if batch.is_empty() {
            return;
        }
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

fn queue_id(sale: &Sale) -> QueueId {
    (sale.facts.tag, sale.facts.opens_at)
}
