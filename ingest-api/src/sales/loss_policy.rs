use fluxgate_domain::SequenceNumber;
use fluxgate_gate::{GateError, LossContinuation, ReservationStore};
use fluxgate_service::settings::OnRedisLoss;

use super::Sale;
use crate::metrics::Metrics;

/// What becomes of a sale of which Redis has lost acknowledged writes: the setting ON_REDIS_LOSS.
#[derive(Clone)]
pub struct LossPolicy {
    store: ReservationStore,
    on_redis_loss: OnRedisLoss,
    metrics: Metrics,
}

impl LossPolicy {
    /// Sales in `store` stop or continue as `on_redis_loss` says.
    pub fn new(store: ReservationStore, on_redis_loss: OnRedisLoss, metrics: Metrics) -> Self {
        Self {
            store,
            on_redis_loss,
            metrics,
        }
    }

    /// Whether the sale continues in a Redis that is behind `high_water_mark`.
    ///
    /// # Errors
    /// If Redis gave no usable answer.
    pub async fn continues(
        &self,
        sale: &Sale,
        high_water_mark: SequenceNumber,
    ) -> Result<bool, GateError> {
        if self.on_redis_loss == OnRedisLoss::Stop {
            return Ok(false);
        }
        let continued = self.store.continue_after_loss(&sale.keys, high_water_mark);
        let continuation = continued.await?;
        if continuation == LossContinuation::Began {
            self.metrics.redis_loss_continued_total.inc();
            tracing::error!(sale.product = %sale.facts.product,
                "Redis has lost acknowledged writes; the sale continues, and the ledger rejects orders beyond the stock");
        }
        Ok(continuation != LossContinuation::Refused)
    }
}
