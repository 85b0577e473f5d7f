use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Object, Transaction};
use fluxgate_service::settings::PostgresSettings;
use prometheus::Registry;
use tokio::time::Instant;

use crate::pool::{Connections, PoolSettings};
use crate::{Address, LedgerError, UrlError, sql};

/// The program whose positions these are: a table may hold those of several.
pub(crate) const CONSUMER: &str = "inventory-worker";
/// Connections besides one for each writer: to load positions, for two monitors, and to copy dead letters.
const MORE_CONNECTIONS: u32 = 4;

/// The worker's side of PostgreSQL. Clones share their connections.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) connections: Connections,
    /// The first statements of every transaction.
    pub(crate) limits: Arc<str>,
    pub(crate) timeout: Duration,
}

impl Ledger {
    /// The program that writes the ledger.
    pub const CONSUMER: &str = CONSUMER;

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
            writes: true,
        });
        Ok(Self {
            connections: Connections::new(pool),
            limits: sql::settings::transaction_limits(timeout).into(),
            timeout,
        })
    }

    /// Registers the metrics of the connection pool; `service` is the prefix of their names.
    pub fn register_metrics(&self, registry: &Registry, service: &str) {
        let pools = std::slice::from_ref(&self.connections);
        Connections::register_metrics(pools, registry, service, None);
    }

    /// Checks that the schema is up to date and that the database takes writes. Reads and locks no row.
    ///
    /// # Errors
    /// When it is not, or when PostgreSQL is unavailable.
    pub async fn probe(&self) -> Result<(), LedgerError> {
        self.in_transaction(async |transaction| {
            transaction.query_opt(sql::schema::PROBE, &[]).await?;
            transaction
                .execute(sql::schema::PROBE_WRITABLE, &[])
                .await?;
            Ok(())
        })
        .await
    }

    /// Checks that the database can hold every text that an order may have.
    ///
    /// # Errors
    /// When it cannot, or when PostgreSQL is unavailable.
    pub async fn check_encoding(&self) -> Result<(), LedgerError> {
        let encoding: String = self
            .in_transaction(async |transaction| {
                let row = transaction
                    .query_one(sql::schema::SELECT_ENCODING, &[])
                    .await?;
                Ok(row.try_get(0)?)
            })
            .await?;
        if encoding == "UTF8" {
            Ok(())
        } else {
            Err(LedgerError::Encoding(encoding))
        }
    }

    /// Runs `call` in a transaction with limits.
    pub(crate) async fn in_transaction<T>(
        &self,
        call: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        self.within_deadline(async |client| {
            let transaction = client.transaction().await?;
            transaction.batch_execute(&self.limits).await?;
            let outcome = call(&transaction).await?;
            transaction.commit().await?;
            Ok(outcome)
        })
        .await
    }

    /// Runs `call` on a connection.
    pub(crate) async fn within_deadline<T>(
        &self,
        call: impl AsyncFnOnce(&mut Object) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let deadline = Instant::now() + self.timeout;
        self.connections.until(deadline, call).await
    }
}
