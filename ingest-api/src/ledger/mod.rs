//! Reads of PostgreSQL: what became of an order, and whether a sale exists that Redis has lost.
//!
//! All of `tokio_postgres` stays in this folder. A silent PostgreSQL is an answer of its own
//! ([`Unavailable`]): a running sale goes on without it.

mod entries;
mod orders;

pub use entries::Entry;
pub use orders::WrittenOrder;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::{Object, Pool, PoolError};
use fluxgate_ledger::{Address, PoolSettings, UrlError, causes};
use prometheus::Registry;

use crate::config::LedgerSettings;
use crate::metrics::Metrics;

/// PostgreSQL gave no usable answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("PostgreSQL does not answer")]
pub struct Unavailable;

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
    /// When the URL or the authorities cannot be used.
    pub fn connect(
        url: &str,
        settings: &LedgerSettings,
        metrics: Metrics,
        registry: &Registry,
    ) -> Result<Self, UrlError> {
        let timeout = Duration::from_millis(settings.read_database_timeout_ms);
        let address = Address::read(url, settings.database_ca_file.as_ref(), "ingest-api")?;
        let pool = address.pool(PoolSettings {
            size: settings.read_database_connections.into(),
            timeout,
            greeting: None,
        });
        fluxgate_ledger::show(&pool, "ingest_api", registry);
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
    ) -> Result<T, Unavailable> {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now_ms < self.paused_until_ms.load(Ordering::Relaxed) {
            return Err(Unavailable);
        }
        let asked = Instant::now();
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
        self.metrics
            .ledger_read_seconds
            .with_label_values(&[what])
            .observe(asked.elapsed().as_secs_f64());
        let label = if outcome.is_ok() { "ok" } else { "silent" };
        self.metrics
            .ledger_reads_total
            .with_label_values(&[label])
            .inc();
        outcome.map_err(|error| {
            tracing::warn!(
                db.read = what,
                error = causes(&error),
                "PostgreSQL gave no usable answer"
            );
            let until = now_ms.saturating_add(PAUSE_AFTER_SILENCE_MS);
            self.paused_until_ms.store(until, Ordering::Relaxed);
            Unavailable
        })
    }
}
