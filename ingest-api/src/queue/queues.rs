use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fluxgate_domain::ids::ProductId;
use fluxgate_domain::queue::{QueueSecret, SecretFingerprint};
use fluxgate_gate::{ReservationStore, SaleView};
use fluxgate_service::essential_tasks::EssentialTasks;
use prometheus::IntCounter;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::join_request::JoinRequest;
use super::queue_map::{Full, QueueMap};
use super::queue_task::QueueTask;
use super::stalled_clock::StalledClock;
use super::{QueueError, SaleQueue};
use crate::metrics::Metrics;
use crate::sales::{LossPolicy, Publisher, Sale, SaleCache};

/// People of a sale who wait to join on one instance.
const JOINS_WAITING_MAX: usize = 20_000;

/// The queues of the sales that this instance knows.
pub struct Queues {
    store: ReservationStore,
    sales: Arc<SaleCache>,
    publisher: Publisher,
    losses: LossPolicy,
    secrets: HashMap<SecretFingerprint, QueueSecret>,
    outbox_max: u32,
    queues: Mutex<QueueMap>,
    /// Sales whose secret this instance lacks.
    without_secret: Mutex<HashSet<ProductId>>,
    runtime: Handle,
    stop: CancellationToken,
    tasks: EssentialTasks,
    metrics: Metrics,
}

impl Queues {
    /// None yet. Their tasks run until `stop`, and publish the starts of queues through `publisher`.
    #[expect(clippy::too_many_arguments, reason = "independent parts")]
    pub fn new(
        store: ReservationStore,
        sales: Arc<SaleCache>,
        publisher: Publisher,
        losses: LossPolicy,
        secrets: &[QueueSecret],
        outbox_max: u32,
        stop: CancellationToken,
        tasks: EssentialTasks,
        metrics: Metrics,
    ) -> Self {
        let named = secrets.iter().map(|it| (it.fingerprint(), it.clone()));
        Self {
            store,
            sales,
            publisher,
            losses,
            secrets: named.collect(),
            outbox_max,
            queues: Mutex::default(),
            without_secret: Mutex::default(),
            runtime: Handle::current(),
            stop,
            tasks,
            metrics,
        }
    }

    /// Sales whose secret this instance is known to lack.
    pub fn without_secret(&self) -> HashSet<ProductId> {
        lock(&self.without_secret).clone()
    }

    /// Forgets those of them that are not to be kept.
    pub fn retain_without_secret(&self, keep: impl Fn(&ProductId) -> bool) {
        lock(&self.without_secret).retain(keep);
    }

    /// Whether this instance lacks the secret of the queue of a sale. It remembers those that are not over.
    pub fn lacks_secret(&self, view: &SaleView) -> bool {
        let terms = view.terms.queue;
        let Some(terms) = terms.filter(|it| !self.secrets.contains_key(&it.secret)) else {
            return false;
        };
        let product = &view.facts.product;
        if !is_over(view) && lock(&self.without_secret).insert(product.clone()) {
            tracing::error!(sale.product = %product, queue.secret = %terms.secret,
                "QUEUE_SECRETS lacks the secret with this fingerprint; the instance does not serve the queue of the sale and is not ready");
        }
        true
    }

    /// The queue of a sale.
    ///
    /// # Errors
    /// If it has none, or this instance cannot serve it. Without its secret that is [`QueueError::Closed`] once the sale is over.
    pub async fn of(&self, sale: &Arc<Sale>) -> Result<Arc<SaleQueue>, QueueError> {
        let Some(keys) = &sale.keys.queue else {
            return Err(QueueError::NoQueue);
        };
        let product = &sale.facts.product;
        let found = lock(&self.queues).get(product);
        if let Some(queue) = &found
            && queue.is_served()
            && queue.opens_at() == sale.facts.opens_at
        {
            return Ok(Arc::clone(queue));
        }
        if lock(&self.without_secret).contains(product) {
            return Err(QueueError::NoSecret);
        }
        let Some(view) = self.store.sale(product).await? else {
            // Redis has retired or lost the sale since the caller found it.
            self.sales.forget(product);
            return Err(QueueError::Stale);
        };
        if view.facts.opens_at != sale.facts.opens_at {
            // The sale was amended after the caller had found it.
            self.sales.forget(product);
            return Err(QueueError::Stale);
        }
        if self.lacks_secret(&view) {
            return Err(match is_over(&view) {
                true => QueueError::Closed,
                false => QueueError::NoSecret,
            });
        }
        let terms = view.terms;
        let (queue, opens_at) = terms.queue.zip(terms.opens_at).ok_or(QueueError::NoQueue)?;
        let secret = self.secrets.get(&queue.secret);
        let secret = secret.ok_or(QueueError::NoSecret)?.clone();
        let (joins, waiting) = mpsc::channel(JOINS_WAITING_MAX);
        let full_total = self.limit_hits("joins");
        let (sale, keys) = (Arc::clone(sale), keys.clone());
        let stop = self.stop.child_token();
        let queue = SaleQueue::new(sale, keys, secret, opens_at, joins, full_total, stop);
        if let Some(found) = found.filter(|found| found.binding == queue.binding) {
            // Redis had lost the sale, and may lack what this instance has seen.
            queue.observe(&found.mark());
        }
        let queue = Arc::new(queue);
        let inserted = lock(&self.queues).insert(&queue);
        let faster = inserted.map_err(|Full| {
            self.limit_hits("queues").inc();
            QueueError::Overloaded
        })?;
        if let Some(faster) = faster {
            return Ok(faster);
        }
        self.serve(Arc::clone(&queue), waiting);
        Ok(queue)
    }

    /// Serves a queue until Redis no longer has it, or until it is stopped.
    fn serve(&self, queue: Arc<SaleQueue>, joins: mpsc::Receiver<JoinRequest>) {
        let sales = Arc::clone(&self.sales);
        let product = queue.sale.facts.product.clone();
        let task = QueueTask {
            store: self.store.clone(),
            sales: Arc::clone(&sales),
            publisher: self.publisher.clone(),
            losses: self.losses.clone(),
            queue,
            joins,
            outbox_max: self.outbox_max,
            stalled_clock: StalledClock::new(self.metrics.queues_stalled.clone()),
            overdue_joins_total: self.limit_hits("join_wait"),
            metrics: self.metrics.clone(),
        };
        // Not on the HTTP thread that asks for the queue first.
        let _entered = self.runtime.enter();
        self.tasks.spawn_finite("queue", async move {
            task.run().await;
            sales.forget(&product);
        });
    }

    fn limit_hits(&self, limit: &str) -> IntCounter {
        let hits = &self.metrics.queue_limit_hits_total;
        hits.with_label_values(&[limit])
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a sale takes no orders any more.
pub(super) fn is_over(view: &SaleView) -> bool {
    let closes_at = view.facts.closes_at;
    view.closed || closes_at.is_some_and(|at| at <= view.seen_at)
}
