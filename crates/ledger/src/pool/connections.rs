use std::sync::{Arc, OnceLock};

use deadpool_postgres::{Object, Pool, PoolError, TimeoutType};
use prometheus::{IntCounterVec, Registry};
use tokio::time::{Instant, timeout_at};

use super::{Closing, PoolMetrics};
use crate::LedgerError;

/// A pool that closes connections which are of no more use. Clones share it.
#[derive(Clone)]
pub struct Connections {
    pool: Pool,
    /// Set once the metrics are registered.
    closed_total: Arc<OnceLock<IntCounterVec>>,
}

impl Connections {
    pub fn new(pool: Pool) -> Self {
        Self {
            pool,
            closed_total: Arc::default(),
        }
    }

    /// Registers the metrics of these pools together; `service` is the prefix of their names. A service that registers
    /// several times gives each a name.
    pub fn register_metrics(
        pools: &[Self],
        registry: &Registry,
        service: &str,
        name: Option<&str>,
    ) {
        let of = pools.iter().map(|it| it.pool.clone()).collect();
        let closed_total = PoolMetrics::register(of, registry, service, name);
        for it in pools {
            it.closed_total.get_or_init(|| closed_total.clone());
        }
    }

    /// A connection that its user closes or drops himself.
    pub async fn get(&self) -> Result<Object, LedgerError> {
        Ok(self.pool.get().await?)
    }

    /// Runs `call` on a connection. The connection returns to the pool unless the outcome shows that it is of no more
    /// use.
    pub async fn until<T>(
        &self,
        deadline: Instant,
        call: impl AsyncFnOnce(&mut Object) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let connection = timeout_at(deadline, self.pool.get()).await;
        let late = Err(PoolError::Timeout(TimeoutType::Create));
        let mut connection = connection.unwrap_or(late)?;
        let outcome = timeout_at(deadline, call(&mut connection)).await;
        let outcome = outcome.unwrap_or(Err(LedgerError::Timeout));
        if let Some(closing) = outcome.as_ref().err().and_then(Closing::after) {
            drop(Object::take(connection));
            if let Some(closed_total) = self.closed_total.get() {
                closed_total.with_label_values(&[closing.as_str()]).inc();
            }
        }
        outcome
    }
}
