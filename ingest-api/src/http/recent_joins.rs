//! Joins of the last minute: a user without a ticket who joins a started queue again gets the same ticket, as before the start, so that
//! an answer that is lost costs nobody their place. Each instance thus gives a user one number a minute.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_domain::ids::{ProductId, UserId};
use fluxgate_domain::queue::{Ticket, Turn};
use prometheus::IntCounter;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, UnitWeighter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::metrics::Metrics;
use crate::queue::{QueueError, SaleQueue, SignedTicket};

/// Joins that an instance remembers. If there are more in [`REMEMBERED`], some users can join again earlier.
const JOINS_MAX: usize = 100_000;
const REMEMBERED: Duration = Duration::from_secs(60);
/// Joins of started queues that wait for Redis, of all sales. They go on when their clients disconnect, so IN_FLIGHT_MAX does not bound
/// them.
const WAITING_MAX: usize = 20_000;

type Key = (ProductId, UserId);
type Joins = Cache<Key, LateJoin, UnitWeighter, DefaultHashBuilder, CountEvictions>;

/// The joins of started queues that an instance remembers, one per user and minute; one more if the turn is over by then.
pub struct RecentJoins {
    joins: Joins,
    waiting: Arc<Semaphore>,
    waiting_full_total: IntCounter,
}

#[derive(Debug, Clone, Copy)]
struct LateJoin {
    ticket: Ticket,
    joined_at: Instant,
}

/// Counts the joins that make room for others before their minute is over.
#[derive(Clone)]
struct CountEvictions(IntCounter);

impl Lifecycle<Key, LateJoin> for CountEvictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: Key, join: LateJoin) {
        if join.is_recent() {
            self.0.inc();
        }
    }
}

impl LateJoin {
    fn is_recent(&self) -> bool {
        self.joined_at.elapsed() < REMEMBERED
    }
}

impl RecentJoins {
    /// Remembers none yet.
    pub fn new(metrics: &Metrics) -> Self {
        Self::with_limits(JOINS_MAX, WAITING_MAX, metrics)
    }

    fn with_limits(joins_max: usize, waiting_max: usize, metrics: &Metrics) -> Self {
        let evictions = CountEvictions(metrics.recent_joins_evictions_total.clone());
        let hits = &metrics.queue_limit_hits_total;
        Self {
            joins: Cache::with(
                joins_max,
                joins_max as u64,
                UnitWeighter,
                DefaultHashBuilder::default(),
                evictions,
            ),
            waiting: Arc::new(Semaphore::new(waiting_max)),
            waiting_full_total: hits.with_label_values(&["late_joins"]),
        }
    }

    /// Lets a user join, or returns the ticket of their join within the last minute.
    ///
    /// # Errors
    /// As [`SaleQueue::join`].
    pub async fn join(
        self: &Arc<Self>,
        queue: &Arc<SaleQueue>,
        product: &ProductId,
        user: &UserId,
    ) -> Result<SignedTicket, Problem> {
        let snapshot = queue.snapshot().await?;
        if snapshot.is_before_start(queue.opens_at()) {
            return Ok(queue.join(user).await?);
        }
        let key = (product.clone(), user.clone());
        let is_outdated = |it: &LateJoin| {
            let turn = snapshot.turn(queue.position(&it.ticket));
            !it.is_recent() || turn == Turn::Over
        };
        self.joins.remove_if(&key, is_outdated);
        if let Some(known) = self.joins.get(&key) {
            return Ok(queue.sign(known.ticket));
        }
        let permit = self.permit()?;
        let (this, shared) = (Arc::clone(self), Arc::clone(queue));
        // Goes on when the client disconnects: otherwise a number would be given that nobody knows.
        let joined = tokio::spawn(async move {
            let _permit = permit;
            this.join_late(&shared, &key).await
        });
        let ticket = joined.await.unwrap_or(Err(QueueError::Stale))?;
        Ok(queue.sign(ticket))
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, QueueError> {
        let permit = Arc::clone(&self.waiting).try_acquire_owned();
        permit.map_err(|_| {
            self.waiting_full_total.inc();
            QueueError::Overloaded
        })
    }

    async fn join_late(&self, queue: &SaleQueue, key: &Key) -> Result<Ticket, QueueError> {
        let join = async {
            let ticket = queue.join(&key.1).await?.ticket;
            Ok(LateJoin {
                ticket,
                joined_at: Instant::now(),
            })
        };
        // Of several calls of a user at the same time, one joins.
        let joined = self.joins.get_or_insert_async(key, join).await;
        joined.map(|it| it.ticket)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use actix_web::ResponseError;
    use fluxgate_domain::queue::HolderId;
    use fluxgate_gate::QueuePhase;
    use prometheus::Registry;
    use tokio::time::timeout;

    use super::*;
    use crate::queue::fixture::{TestQueue, queue, secret};

    fn ticket(user: &UserId, number: u64) -> Ticket {
        Ticket {
            holder: HolderId::of(user, &secret()),
            number: NonZeroU64::new(number),
        }
    }

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    #[tokio::test]
    async fn joins_of_clients_who_have_disconnected_are_bounded() {
        let metrics = Metrics::register(&Registry::new(), "test");
        let recent = Arc::new(RecentJoins::with_limits(10, 1, &metrics));
        let product = ProductId::parse("p").unwrap();
        let TestQueue { queue, mut joins } = {
            let queue = queue("p");
            queue.read(QueuePhase::Open);
            queue
        };
        let (ada, bob) = (user("ada"), user("bob"));
        let left = recent.join(&queue, &product, &ada);
        assert!(timeout(Duration::from_millis(1), left).await.is_err());
        let refused = recent.join(&queue, &product, &bob).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.status_code().as_u16()),
            ("overloaded", 503)
        );
        let hits = &metrics.queue_limit_hits_total;
        assert_eq!(hits.with_label_values(&["late_joins"]).get(), 1);

        let waiting = joins.recv().await.unwrap();
        waiting.answer.send(Ok(ticket(&ada, 1))).unwrap();
        while recent.waiting.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        // The ticket of the client who had left; it takes no permit.
        let _permit = recent.permit().unwrap();
        let known = recent.join(&queue, &product, &ada).await.unwrap();
        assert_eq!(known.ticket, ticket(&ada, 1));
    }

    #[test]
    fn joins_that_are_forgotten_within_their_minute_are_counted() {
        let metrics = Metrics::register(&Registry::new(), "test");
        let forgotten = |waited: Duration| {
            let recent = RecentJoins::with_limits(10, 1, &metrics);
            for n in 0..1_000 {
                let user = user(&format!("user-{n}"));
                let join = LateJoin {
                    ticket: ticket(&user, n + 1),
                    joined_at: Instant::now().checked_sub(waited).unwrap(),
                };
                let key = (ProductId::parse("p").unwrap(), user);
                recent.joins.insert(key, join);
            }
            metrics.recent_joins_evictions_total.get()
        };
        assert_eq!(forgotten(REMEMBERED), 0);
        assert!(forgotten(Duration::ZERO) > 900);
    }
}
