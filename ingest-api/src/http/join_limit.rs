//! How often a user without a ticket may join a queue after its start: once a minute on each instance. Who asks again gets the same
//! ticket, as before the start, so that an answer that is lost costs nobody their place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fluxgate_domain::ids::{ProductId, UserId};
use fluxgate_domain::queue::{Ticket, Turn};
use quick_cache::sync::Cache;

use super::problem::Problem;
use crate::queue::{Joined, QueueError, SaleQueue};

/// Joins that an instance remembers. If there are more in [`REMEMBERED`], some users can join again earlier.
const JOINS_MAX: usize = 100_000;
const REMEMBERED: Duration = Duration::from_secs(60);

type Key = (ProductId, UserId);

/// One join per user and minute, on each instance; one more if the turn is over by then.
pub struct JoinLimit {
    recent: Cache<Key, LateJoin>,
}

#[derive(Debug, Clone, Copy)]
struct LateJoin {
    ticket: Ticket,
    asked_at: Instant,
}

impl Default for JoinLimit {
    fn default() -> Self {
        Self {
            recent: Cache::new(JOINS_MAX),
        }
    }
}

impl JoinLimit {
    /// Lets a user join, or returns the ticket of their join within the last minute.
    ///
    /// # Errors
    /// As [`SaleQueue::join`].
    pub async fn join(
        self: &Arc<Self>,
        queue: &Arc<SaleQueue>,
        product: &ProductId,
        user: &UserId,
    ) -> Result<Joined, Problem> {
        let snapshot = queue.snapshot().await?;
        if snapshot.is_before_start(queue.opens_at()) {
            return Ok(queue.join(user).await?);
        }
        let (this, shared) = (Arc::clone(self), Arc::clone(queue));
        let key = (product.clone(), user.clone());
        let is_outdated = |it: &LateJoin| {
            let turn = snapshot.turn(queue.position(&it.ticket));
            it.asked_at.elapsed() >= REMEMBERED || turn == Turn::Over
        };
        self.recent.remove_if(&key, is_outdated);
        // Goes on when the client disconnects: otherwise a number would be given that nobody knows.
        let joined = tokio::spawn(async move { this.join_late(&shared, &key).await });
        let ticket = joined.await.unwrap_or(Err(QueueError::Stale))?;
        Ok(queue.joined(ticket))
    }

    async fn join_late(&self, queue: &SaleQueue, key: &Key) -> Result<Ticket, QueueError> {
        let asked_at = Instant::now();
        let join = async {
            let ticket = queue.join(&key.1).await?.ticket;
            Ok(LateJoin { ticket, asked_at })
        };
        // Of several calls of a user at the same time, one joins.
        let joined = self.recent.get_or_insert_async(key, join).await;
        joined.map(|it| it.ticket)
    }
}
