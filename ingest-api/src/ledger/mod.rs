//! Reads of PostgreSQL: what became of an order, and whether a sale exists that Redis has lost.
//!
//! All of `tokio_postgres` stays in this folder. A silent PostgreSQL is an answer of its own
//! ([`Silent`]): a running sale goes on without it.

mod entries;
mod orders;

pub use entries::Entry;
pub use orders::WrittenOrder;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::{Config, NoTls};

use crate::config::LedgerSettings;
use crate::metrics::Metrics;

/// PostgreSQL gave no usable answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("PostgreSQL does not answer")]
pub struct Silent;

/// After a silence nobody asks again for this long: a dead database must not slow the sale down.
const PAUSE_AFTER_SILENCE_MS: u64 = 1_000;

/// The read side of the ledger. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct Ledger {
    pool: Pool,
    timeout: Duration,
    metrics: Metrics,
    started: Instant,
    /// Milliseconds after `started` before which nobody asks.
    paused_until_ms: Arc<AtomicU64>,
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Query(#[from] tokio_postgres::Error),
    #[error("no answer in time")]
    Timeout,
}

impl Ledger {
    /// Sets up the connections; they are made when first needed.
    ///
    /// # Errors
    /// When `url` is no connection string.
    pub fn connect(
        url: &str,
        settings: &LedgerSettings,
        metrics: Metrics,
    ) -> Result<Self, tokio_postgres::Error> {
        let timeout = Duration::from_millis(settings.read_database_timeout_ms);
        let mut config: Config = url.parse()?;
        config.connect_timeout(timeout).tcp_user_timeout(timeout);
        if config.get_application_name().is_none() {
            config.application_name("ingest-api");
        }
        let recycling_method = RecyclingMethod::Fast;
        let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method });
        let pool = Pool::builder(manager)
            .max_size(settings.read_database_connections.into())
            .timeouts(Timeouts {
                wait: Some(timeout),
                create: Some(timeout),
                recycle: Some(timeout),
            })
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a runtime is given, which is all that timeouts need");
        Ok(Self {
            pool,
            timeout,
            metrics,
            started: Instant::now(),
            paused_until_ms: Arc::default(),
        })
    }

    /// Runs one read with its deadline. A connection that did not answer is thrown away.
    async fn read<T>(
        &self,
        what: &'static str,
        query: impl AsyncFnOnce(&Object) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Silent> {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now_ms < self.paused_until_ms.load(Ordering::Relaxed) {
            return Err(Silent);
        }
        let outcome = async {
            let client = self.pool.get().await?;
            match tokio::time::timeout(self.timeout, query(&client)).await {
                Ok(rows) => Ok(rows?),
                Err(_) => {
                    drop(Object::take(client));
                    Err(ReadError::Timeout)
                }
            }
        }
        .await;
        let label = if outcome.is_ok() { "ok" } else { "silent" };
        self.metrics
            .ledger_reads_total
            .with_label_values(&[label])
            .inc();
        outcome.map_err(|error| {
            tracing::warn!(db.read = what, error = %error, "PostgreSQL gave no usable answer");
            let until = now_ms.saturating_add(PAUSE_AFTER_SILENCE_MS);
            self.paused_until_ms.store(until, Ordering::Relaxed);
            Silent
        })
    }
}
