//! How often a user without a ticket may join a queue after its start. A user who joins before it gets the same ticket again.

use fluxgate_domain::ids::{ProductId, UserId};
use prometheus::IntCounter;
use quick_cache::sync::Cache;

use super::RateLimit;
use super::problem::Problem;
use crate::limits::{KeyedLimit, Rate};
use crate::metrics::Metrics;
use crate::queue::{Joined, SaleQueue};

/// The name of the limit in header fields and metrics.
const NAME: &str = "join";
const KEYS_MAX: usize = 100_000;

/// One join per user and minute, on each instance.
pub struct JoinLimit {
    limit: KeyedLimit,
    /// Who did not join, although it was counted: they may try again.
    failed: Cache<(ProductId, UserId), ()>,
    hits: IntCounter,
}

impl JoinLimit {
    /// Nobody has joined yet.
    pub fn new(metrics: &Metrics) -> Self {
        let evictions = &metrics.rate_limit_evictions_total;
        let rate: Rate = "1/60s".parse().expect("a valid rate");
        Self {
            limit: KeyedLimit::new(rate, KEYS_MAX, evictions.with_label_values(&[NAME])),
            failed: Cache::new(KEYS_MAX),
            hits: metrics.rate_limit_hits_total.with_label_values(&[NAME]),
        }
    }

    /// Lets a user join. Counts it, if the queue may have started.
    ///
    /// # Errors
    /// 429 beyond the limit; as [`SaleQueue::join`].
    pub async fn join(
        &self,
        queue: &SaleQueue,
        product: &ProductId,
        user: &UserId,
    ) -> Result<Joined, Problem> {
        if queue.snapshot().await?.is_before_start(queue.opens_at()) {
            return Ok(queue.join(user).await?);
        }
        let key = (product.clone(), user.clone());
        if self.failed.remove(&key).is_none() {
            self.check(product, user)?;
        }
        let joined = queue.join(user).await;
        if joined.is_err() {
            self.failed.insert(key, ());
        }
        Ok(joined?)
    }

    fn check(&self, product: &ProductId, user: &UserId) -> Result<(), Problem> {
        let checked = self.limit.check((product.as_str(), user.as_str()));
        checked.map_err(|exceeded| {
            self.hits.inc();
            let limit = RateLimit::exceeded(NAME, exceeded);
            Problem::rate_limited(limit, "this user has just joined; send the ticket")
        })
    }
}
