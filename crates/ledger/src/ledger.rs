use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use fluxgate_service::settings::PostgresSettings;
use prometheus::Registry;

use crate::pool::{PoolMetrics, PoolSettings};
use crate::{Address, LedgerError, UrlError, sql};

/// The program whose positions these are: a table may hold those of several.
pub(crate) const CONSUMER: &str = "inventory-worker";
/// Connections besides one for each writer: to load positions, for two monitors, and a spare one.
const MORE_CONNECTIONS: u32 = 4;

/// The worker's side of PostgreSQL. Clones share their connections.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) pool: Pool,
    timeout: Duration,
}

impl Ledger {
    /// Sets up connections for `writers` concurrent batches; each is made when it is first needed. No call takes longer
    /// than `timeout`, except [`Self::migrate`].
    ///
    /// # Errors
    /// When the URL or the certificate authorities cannot be used.
    pub fn connect(
        settings: &PostgresSettings,
        application_name: &str,
        writers: u32,
        timeout: Duration,
    ) -> Result<Self, UrlError> {
        let ca_certificates = settings.database_ca_file.as_ref();
        let address = Address::read(&settings.database_url, ca_certificates, application_name)?;
        let pool = address.pool(PoolSettings {
            size: (writers + MORE_CONNECTIONS) as usize,
            timeout,
            session_settings: Some(sql::session_limits(timeout)),
        });
        Ok(Self { pool, timeout })
    }

    /// Registers the metrics of the connection pool; `service` is the prefix of their names.
    pub fn register_metrics(&self, registry: &Registry, service: &str) {
        PoolMetrics::register(&self.pool, registry, service);
    }

    /// Checks that the schema is up to date, without reading a row.
    ///
    /// # Errors
    /// When it is not, or when PostgreSQL is unavailable.
    pub async fn probe(&self) -> Result<(), LedgerError> {
        self.within_deadline(async |client| {
            client.query_opt(sql::PROBE, &[]).await?;
            Ok(())
        })
        .await
    }

    /// Runs `call` on a connection. A connection that did not answer in time is in an unknown state: it is closed, not
    /// returned to the pool.
    pub(crate) async fn within_deadline<T>(
        &self,
        call: impl AsyncFnOnce(&mut Object) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let mut client = self.pool.get().await?;
        match tokio::time::timeout(self.timeout, call(&mut client)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                drop(Object::take(client));
                Err(LedgerError::Timeout)
            }
        }
    }
}
