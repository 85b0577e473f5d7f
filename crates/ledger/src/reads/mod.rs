//! The API's reads: orders, sales, high-water marks.

mod outage;
mod read_class;
mod read_metrics;
mod rows;

pub use read_class::ReadClass;
pub use read_metrics::LedgerReadMetrics;
pub use rows::{LedgerEntry, WrittenOrder};

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fluxgate_domain::ids::{OrderId, ProductId, RestockId};
use fluxgate_domain::{NumberSeries, SequenceNumber};
use fluxgate_service::settings::CaCertificates;
use prometheus::Registry;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql};
use uuid::Uuid;

use crate::ledger::CONSUMER;
use crate::{Address, LedgerError, UrlError, columns, sql};
use read_class::Reads;

/// PostgreSQL gave no usable answer in time. A running sale goes on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("PostgreSQL is unavailable")]
pub struct Unavailable;

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
    known: Arc<Reads>,
    unknown: Arc<Reads>,
    /// How many threads have a reader of their own.
    threads: Arc<AtomicUsize>,
    /// 0: of all the others.
    thread: usize,
    metrics: LedgerReadMetrics,
}

impl LedgerReader {
    /// Most orders or sales that one call reads.
    pub const KEYS_MAX: usize = 256;

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
            connections,
            timeout,
        } = settings;
        let address = Address::read(url, ca_certificates, application_name)?;
        let reads = |class, size| Arc::new(Reads::new(class, &address, size, timeout, &metrics));
        let of_unknown = connections / 4;
        let known = reads(ReadClass::Known, connections - of_unknown);
        // With so few connections both classes share them.
        let unknown = match of_unknown {
            0 => Arc::clone(&known),
            size => reads(ReadClass::Unknown, size),
        };
        Ok(Self {
            known,
            unknown,
            threads: Arc::default(),
            thread: 0,
            metrics,
        })
    }

    /// A reader for the calling thread, which shares its connections with as few other threads as possible.
    #[must_use]
    pub fn on_this_thread(&self) -> Self {
        let thread = 1 + self.threads.fetch_add(1, Ordering::Relaxed);
        Self {
            thread,
            ..self.clone()
        }
    }

    /// Registers the metrics of the connections; `service` is the prefix of their names.
    pub fn register_metrics(&self, registry: &Registry, service: &str) {
        self.known.register_metrics(registry, service);
        if !Arc::ptr_eq(&self.known, &self.unknown) {
            self.unknown.register_metrics(registry, service);
        }
    }

    /// The rows of at most [`Self::KEYS_MAX`] orders: one answer per id, in their order; `None` if there is no row.
    pub async fn orders(
        &self,
        class: ReadClass,
        ids: &[OrderId],
    ) -> Vec<Result<Option<WrittenOrder>, Unavailable>> {
        let uuids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let [lowest, highest] = columns::bounds(&uuids);
        let parameters: [&(dyn ToSql + Sync); 3] = [&uuids, &lowest, &highest];
        let select = sql::SELECT_WRITTEN_ORDERS;
        let rows = self.read("orders", class, select, &parameters).await;
        answers(&uuids, rows, WrittenOrder::read)
    }

    /// The ledger rows of at most [`Self::KEYS_MAX`] sales, each with the highest number of its series: one answer per
    /// product, in their order; `None` if there is no row.
    pub async fn entries(
        &self,
        class: ReadClass,
        products: &[ProductId],
    ) -> Vec<Result<Option<LedgerEntry>, Unavailable>> {
        let series: Vec<NumberSeries> = products.iter().map(NumberSeries::of).collect();
        let series: Vec<&str> = series.iter().map(NumberSeries::as_str).collect();
        let names: Vec<&str> = products.iter().map(ProductId::as_str).collect();
        let parameters: [&(dyn ToSql + Sync); 2] = [&names, &series];
        let select = sql::SELECT_LEDGER_ENTRIES;
        let rows = self.read("entries", class, select, &parameters).await;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        answers(&names, rows, LedgerEntry::read)
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
        let (known, select) = (ReadClass::Known, sql::SELECT_HIGHEST);
        let rows = self.read("highest", known, select, &[&names]).await?;
        let number = |row: &Row| {
            let highest = columns::number(row.try_get(1)?, row.try_get(2)?)?;
            Ok((row.try_get(0)?, highest))
        };
        let numbers = rows.iter().map(|row| decoded(number(row)));
        numbers.collect()
    }

    /// The units that a restock of a sale added; `None` if there is no such restock.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable.
    pub async fn restock(
        &self,
        product: &ProductId,
        id: RestockId,
    ) -> Result<Option<i64>, Unavailable> {
        let (name, id) = (product.as_str(), id.to_string());
        let parameters: [&(dyn ToSql + Sync); 2] = [&name, &id];
        let (class, select) = (ReadClass::Unknown, sql::SELECT_RESTOCK);
        let rows = self.read("restock", class, select, &parameters).await?;
        let units = |row: &Row| decoded(row.try_get(0).map_err(LedgerError::from));
        rows.first().map(units).transpose()
    }

    /// The position in a partition of a topic, up to which its events are written; -1 while it is halted. `None` if it was
    /// never read.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable.
    pub async fn position(&self, topic: &str, partition: i32) -> Result<Option<i64>, Unavailable> {
        let parameters: [&(dyn ToSql + Sync); 3] = [&CONSUMER, &topic, &partition];
        let (class, select) = (ReadClass::Unknown, sql::SELECT_POSITION);
        let rows = self.read("positions", class, select, &parameters).await?;
        let next_offset =
            |row: &Row| decoded(row.try_get("next_offset").map_err(LedgerError::from));
        rows.first().map(next_offset).transpose()
    }

    async fn read(
        &self,
        what: &'static str,
        class: ReadClass,
        select: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Unavailable> {
        let reads = match class {
            ReadClass::Known => &self.known,
            ReadClass::Unknown => &self.unknown,
        };
        if !reads.outage.admits() {
            return Err(Unavailable);
        }
        let began = Instant::now();
        let outcome = reads.read(self.thread, select, parameters).await;
        self.metrics.observe(what, began.elapsed(), outcome.is_ok());
        reads.outage.observe(outcome.as_ref().err());
        outcome.map_err(|error| {
            tracing::warn!(db.read = what, %error, "cannot read from PostgreSQL");
            Unavailable
        })
    }
}

/// One answer per key. A row that cannot be decoded concerns no other key.
fn answers<K, T: Clone>(
    keys: &[K],
    rows: Result<Vec<Row>, Unavailable>,
    read: impl Fn(&Row) -> Result<T, LedgerError>,
) -> Vec<Result<Option<T>, Unavailable>>
where
    K: Hash + Eq + for<'a> FromSql<'a>,
{
    let keyed = |row: &Row| {
        let key = decoded(row.try_get(0).map_err(LedgerError::from))?;
        Ok((key, decoded(read(row))))
    };
    let rows = rows.and_then(|rows| rows.iter().map(keyed).collect());
    let rows: HashMap<K, Result<T, Unavailable>> = match rows {
        Ok(rows) => rows,
        Err(Unavailable) => return keys.iter().map(|_| Err(Unavailable)).collect(),
    };
    keys.iter()
        .map(|key| rows.get(key).cloned().transpose())
        .collect()
}

fn decoded<T>(row: Result<T, LedgerError>) -> Result<T, Unavailable> {
    row.map_err(|error| {
        tracing::error!(%error, "cannot decode a row; answering as if PostgreSQL were unavailable");
        Unavailable
    })
}
