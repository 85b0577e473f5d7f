//! The API's reads: orders, sales, high-water marks.

mod read_metrics;
mod rows;

pub use read_metrics::LedgerReadMetrics;
pub use rows::{LedgerEntry, WrittenOrder};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::Object;
use fluxgate_domain::ids::{OrderId, ProductId};
use fluxgate_domain::{NumberSeries, SequenceNumber};
use fluxgate_service::settings::CaCertificates;
use prometheus::Registry;

use crate::pool::{Connections, PoolSettings};
use crate::{Address, LedgerError, UrlError, columns, sql};

/// PostgreSQL gave no usable answer in time. A running sale goes on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("PostgreSQL is unavailable")]
pub struct Unavailable;

/// How long nothing is read after PostgreSQL was unavailable, so that requests do not wait for it one by one.
const PAUSE_MS: u64 = 1_000;

/// How the API connects.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct ReaderSettings<'a> {
    pub url: &'a str,
    pub ca_certificates: Option<&'a CaCertificates>,
    pub application_name: &'a str,
    /// Most connections.
    pub connections: usize,
    /// Maximum time for one read.
    pub timeout: Duration,
}

/// The API's side of PostgreSQL. Clones share their connections.
#[derive(Clone)]
pub struct LedgerReader {
    connections: Connections,
    timeout: Duration,
    metrics: LedgerReadMetrics,
    started: Instant,
    /// Milliseconds after `started` until which nothing is read.
    paused_until_ms: Arc<AtomicU64>,
}

impl LedgerReader {
    /// Sets up the connections; each is made when it is first needed.
    ///
    /// # Errors
    /// When the URL or the certificate authorities cannot be used.
    pub fn connect(
        settings: ReaderSettings<'_>,
        metrics: LedgerReadMetrics,
    ) -> Result<Self, UrlError> {
        let ReaderSettings {
            url,
            ca_certificates,
            application_name,
            connections: size,
            timeout,
        } = settings;
        let pool = Address::read(url, ca_certificates, application_name)?.pool(PoolSettings {
            size,
            timeout,
            writes: false,
        });
        Ok(Self {
            connections: Connections::new(pool),
            timeout,
            metrics,
            started: Instant::now(),
            paused_until_ms: Arc::default(),
        })
    }

    /// Registers the metrics of the connection pool; `service` is the prefix of their names.
    pub fn register_metrics(&self, registry: &Registry, service: &str) {
        self.connections.register_metrics(registry, service);
    }

    /// The row of an order; `None` if there is none.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable.
    pub async fn order(&self, order_id: OrderId) -> Result<Option<WrittenOrder>, Unavailable> {
        self.read("order", async |client| {
            let select = client.prepare_cached(sql::SELECT_ORDER).await?;
            let row = client.query_opt(&select, &[&order_id.as_uuid()]).await?;
            row.as_ref().map(WrittenOrder::read).transpose()
        })
        .await
    }

    /// The ledger row of a sale with the highest number of its series; `None` if there is none.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable.
    pub async fn entry(&self, product: &ProductId) -> Result<Option<LedgerEntry>, Unavailable> {
        self.read("entry", async |client| {
            let select = client.prepare_cached(sql::SELECT_LEDGER_ENTRY).await?;
            let series = NumberSeries::of(product);
            let row = client
                .query_opt(&select, &[&product.as_str(), &series.as_str()])
                .await?;
            row.as_ref().map(LedgerEntry::read).transpose()
        })
        .await
    }

    /// The highest written number of each of these series, by the name of the series.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable.
    pub async fn highest(
        &self,
        series: &[&NumberSeries],
    ) -> Result<Vec<(String, SequenceNumber)>, Unavailable> {
        let names: Vec<&str> = series.iter().map(|series| series.as_str()).collect();
        self.read("highest", async |client| {
            let select = client.prepare_cached(sql::SELECT_HIGHEST).await?;
            let rows = client.query(&select, &[&names]).await?;
            let number = |row: &tokio_postgres::Row| {
                let highest = columns::number(row.try_get(1)?, row.try_get(2)?)?;
                Ok((row.try_get(0)?, highest))
            };
            rows.iter().map(number).collect()
        })
        .await
    }

    /// Runs one read with its deadline.
    async fn read<T>(
        &self,
        what: &'static str,
        query: impl AsyncFnOnce(&mut Object) -> Result<T, LedgerError>,
    ) -> Result<T, Unavailable> {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now_ms < self.paused_until_ms.load(Ordering::Relaxed) {
            return Err(Unavailable);
        }
        let began = Instant::now();
        let outcome = self.connections.within(self.timeout, query).await;
        self.metrics.observe(what, began.elapsed(), outcome.is_ok());
        outcome.map_err(|error| {
            if let LedgerError::Unreadable(error) = error {
                tracing::error!(db.read = what, %error, "cannot decode a row; answering as if PostgreSQL were unavailable");
                return Unavailable;
            }
            tracing::warn!(
                db.read = what,
                %error,
                "PostgreSQL is unavailable; pausing reads for 1 s"
            );
            let until = now_ms.saturating_add(PAUSE_MS);
            self.paused_until_ms.store(until, Ordering::Relaxed);
            Unavailable
        })
    }
}
