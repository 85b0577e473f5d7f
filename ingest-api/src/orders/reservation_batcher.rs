use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fluxgate_domain::ids::Tag;
use fluxgate_service::traces::{SpanKind, child_span};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Metrics;
use crate::sales::Sale;
use fluxgate_gate::{
    GateError, LossContinuation, Reservation, ReservationContext, ReservationRequest,
    ReservationStore,
};

/// Most orders in one call: Redis does nothing else meanwhile, for a third of a millisecond.
const CALL_MAX: usize = 64;
/// How long a lane stays open while nobody comes.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// Lets orders through to Redis, those of one sale together.
///
/// Each sale has a lane. While one call of a lane is under way, further orders of its sale wait and
/// then go in the next call: under load Redis and its driver do a fraction of the work, and when
/// nothing is under way an order goes at once. Each HTTP thread has a turnstile of its own. As many
/// wait as requests are under way, which IN_FLIGHT_MAX bounds.
///
/// Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct ReservationBatcher {
    store: ReservationStore,
    outbox_max: u32,
    queues: Arc<Mutex<HashMap<QueueId, mpsc::UnboundedSender<PendingRequest>>>>,
    metrics: Metrics,
}

/// No two sales share both tag and opening time.
type QueueId = (Tag, Timestamp);

struct PendingRequest {
    request: ReservationRequest,
    answer: oneshot::Sender<Result<Reservation, GateError>>,
}

impl ReservationBatcher {
    /// A turnstile that nobody waits at.
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
    /// When Redis gave no usable answer; the units may have been taken all the same.
    pub async fn reserve(
        &self,
        sale: &Arc<Sale>,
        request: ReservationRequest,
    ) -> Result<Reservation, GateError> {
        let _span = child_span("reserve", SpanKind::Client);
        let (answer, answered) = oneshot::channel();
        self.queue(sale, PendingRequest { request, answer });
        answered.await.unwrap_or(Err(GateError::Abandoned))
    }

    /// Lets the sale go on in a Redis that has lost acknowledged writes.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn continue_after_loss(&self, sale: &Sale) -> Result<LossContinuation, GateError> {
        self.store
            .continue_after_loss(&sale.keys, sale.high_water_mark())
            .await
    }

    fn queue(&self, sale: &Arc<Sale>, waiting: PendingRequest) {
        let mut queues = self.queues.lock().expect("nothing panics while it is held");
        let id = (sale.facts.tag, sale.facts.opens_at);
        let refused = match queues.get(&id) {
            Some(lane) => lane.send(waiting).err().map(|closed| closed.0),
            None => Some(waiting),
        };
        if let Some(waiting) = refused {
            queues.retain(|_, lane| !lane.is_closed());
            let (lane, queue) = mpsc::unbounded_channel();
            // A task of its own: whoever came first may hang up while others wait.
            tokio::spawn(self.clone().serve(Arc::clone(sale), queue));
            lane.send(waiting).ok();
            queues.insert(id, lane);
        }
    }

    /// Makes calls until nobody comes any more.
    async fn serve(self, sale: Arc<Sale>, mut queue: mpsc::UnboundedReceiver<PendingRequest>) {
        let mut waiting = Vec::new();
        loop {
            let came = queue.recv_many(&mut waiting, CALL_MAX);
            match tokio::time::timeout(IDLE_MAX, came).await {
                Ok(0) => return,
                Ok(_) => self.call(&sale, &mut waiting, &mut queue).await,
                // Who comes now opens a new lane; who came just before is still served.
                Err(_) => queue.close(),
            }
        }
    }

    async fn call(
        &self,
        sale: &Sale,
        waiting: &mut Vec<PendingRequest>,
        queue: &mut mpsc::UnboundedReceiver<PendingRequest>,
    ) {
        let (requests, answers): (Vec<_>, Vec<_>) =
            waiting.drain(..).map(|w| (w.request, w.answer)).unzip();
        self.metrics.orders_per_call.observe(requests.len() as f64);
        let known = ReservationContext {
            keys: &sale.keys,
            opened_at: sale.facts.opens_at,
            high_water_mark: sale.high_water_mark(),
            outbox_max: self.outbox_max,
        };
        // Who has hung up gets no answer: the same key will tell.
        match self.store.reserve(&known, requests).await {
            Ok(reservations) => {
                for (answer, reservation) in answers.into_iter().zip(reservations) {
                    answer.send(reservation).ok();
                }
            }
            Err(error) => {
                // Those behind must not wait out one dead call after the other.
                let behind = std::iter::from_fn(|| queue.try_recv().ok()).map(|w| w.answer);
                for answer in answers.into_iter().chain(behind) {
                    answer.send(Err(error.clone())).ok();
                }
            }
        }
    }
}
