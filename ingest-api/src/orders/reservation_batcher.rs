use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fluxgate_domain::ids::Tag;
use fluxgate_gate::{
    Answer, GateError, ORDERS_PER_CALL_MAX, ReservationContext, ReservationRequest,
    ReservationStore, SaleRequests,
};
use fluxgate_service::settings::Switch;
use fluxgate_service::traces::{SpanKind, child_span};
use tokio::sync::{mpsc, oneshot};

use crate::config::OutboxSettings;
use crate::metrics::Metrics;
use crate::sales::Sale;

/// How long an idle queue is kept.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// Combines concurrent orders into one Redis call, also those of several sales.
///
/// Orders wait in a queue. While a call is in flight, further orders stay in the queue and go into the next call; an order
/// that finds no call in flight is sent at once. Under load Redis and its driver do a fraction of the work. All sales share
/// one queue; in a Redis Cluster only those with the same tag do, whose keys are on one node.
/// Each HTTP thread has its own batcher. IN_FLIGHT_MAX bounds the length of each queue too: an order
/// whose client has disconnected is no longer in flight, but stays in the queue.
///
/// Clones share the queues.
#[derive(Clone)]
pub struct ReservationBatcher {
    store: ReservationStore,
    outbox: OutboxSettings,
    /// Orders that one queue holds.
    queued_max: usize,
    queues: Arc<Mutex<HashMap<QueueId, mpsc::Sender<PendingRequest>>>>,
    metrics: Metrics,
}

/// The tag of the sales that share the queue; `None` outside a Cluster: all.
type QueueId = Option<Tag>;

/// Why there is no reservation.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// The queue is full; no units were taken.
    #[error("too many orders are waiting for Redis")]
    QueueFull,
    /// Redis gave no usable answer; the units may have been taken.
    #[error(transparent)]
    Gate(#[from] GateError),
}

/// The requests of one sale, and in the same order who waits for their answers.
#[derive(Default)]
struct PendingRequests {
    requests: Vec<ReservationRequest>,
    answers: Vec<AnswerSender>,
}

struct PendingRequest {
    /// As its caller knows it: a sale that was forgotten and found again has another high-water mark.
    sale: Arc<Sale>,
    request: ReservationRequest,
    answer: AnswerSender,
}

type AnswerSender = oneshot::Sender<Result<Answer, GateError>>;

impl ReservationBatcher {
    /// A batcher without queues.
    pub fn new(
        store: ReservationStore,
        outbox: OutboxSettings,
        queued_max: usize,
        metrics: Metrics,
    ) -> Self {
        Self {
            store,
            outbox,
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
    ) -> Result<Answer, ReserveError> {
        let _span = child_span("reserve", SpanKind::Client);
        let (answer, answered) = oneshot::channel();
        let sale = Arc::clone(sale);
        self.enqueue(PendingRequest {
            sale,
            request,
            answer,
        })?;
        Ok(answered.await.unwrap_or(Err(GateError::Abandoned))?)
    }

    fn enqueue(&self, pending: PendingRequest) -> Result<(), ReserveError> {
        let id = self.store.is_cluster().then_some(pending.sale.facts.tag);
        let mut queues = self.queues.lock().expect("no code panics with this lock");
        let queue = queues.entry(id).or_insert_with(|| self.open_queue(id));
        if queue.is_closed() {
            // Its task has panicked.
            *queue = self.open_queue(id);
        }
        queue.try_send(pending).map_err(|_| {
            self.metrics.reservation_queue_full_total.inc();
            ReserveError::QueueFull
        })
    }

    fn open_queue(&self, id: QueueId) -> mpsc::Sender<PendingRequest> {
        let (queue, receiver) = mpsc::channel(self.queued_max);
        // A task of its own: the first client may disconnect while others wait.
        tokio::spawn(self.clone().serve(id, receiver));
        queue
    }

    /// Sends the requests of one queue until the queue has been idle for [`IDLE_MAX`].
    async fn serve(self, id: QueueId, mut queue: mpsc::Receiver<PendingRequest>) {
        let mut batch = Vec::new();
        loop {
            let received = queue.recv_many(&mut batch, ORDERS_PER_CALL_MAX);
            match tokio::time::timeout(IDLE_MAX, received).await {
                Ok(0) => return,
                Ok(_) => self.send(&mut batch, &mut queue).await,
                Err(_) => self.remove_idle(id, &queue),
            }
        }
    }

    /// Removes a queue that is still idle; its receiver then finds it closed.
    fn remove_idle(&self, id: QueueId, queue: &mpsc::Receiver<PendingRequest>) {
        // Under the lock, nothing can be queued meanwhile.
        let mut queues = self.queues.lock().expect("no code panics with this lock");
        if queue.is_empty() {
            queues.remove(&id);
        }
    }

    async fn send(
        &self,
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
        self.metrics.orders_per_call.observe(batch.len() as f64);
        let mut sales = by_sale(batch.drain(..));
        let requests = sales.iter_mut().map(|(sale, pending)| SaleRequests {
            sale: ReservationContext {
                keys: &sale.keys,
                opened_at: sale.facts.opens_at,
                is_limited: sale.facts.is_limited,
                high_water_mark: sale.high_water_mark(),
                outbox_max: self.outbox.outbox_max,
                shares_entries: self.outbox.outbox_shared_entries == Switch::On,
            },
            requests: std::mem::take(&mut pending.requests),
        });
        let reserved = self.store.reserve_sales(requests.collect()).await;
        let answers = sales.into_iter().flat_map(|(_, pending)| pending.answers);
        // Sending an answer fails if the client has disconnected: its retry finds the order.
        match reserved {
            Ok(reserved) => {
                for (sender, answer) in answers.zip(reserved) {
                    sender.send(answer).ok();
                }
            }
            Err(error) => {
                // The queued requests fail too: otherwise they would wait for one timeout after the other.
                let queued = std::iter::from_fn(|| queue.try_recv().ok());
                let queued = queued.map(|pending| pending.answer);
                for answer in answers.chain(queued) {
                    answer.send(Err(error.clone())).ok();
                }
            }
        }
    }
}

fn by_sale(batch: impl Iterator<Item = PendingRequest>) -> Vec<(Arc<Sale>, PendingRequests)> {
    let mut sales: Vec<(Arc<Sale>, PendingRequests)> = Vec::new();
    for PendingRequest {
        sale,
        request,
        answer,
    } in batch
    {
        // A batch is small.
        let known = sales
            .iter()
            .position(|(other, _)| Arc::ptr_eq(other, &sale));
        let at = known.unwrap_or_else(|| {
            sales.push((sale, PendingRequests::default()));
            sales.len() - 1
        });
        let pending = &mut sales[at].1;
        pending.requests.push(request);
        pending.answers.push(answer);
    }
    sales
}
