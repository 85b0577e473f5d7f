//! PostgreSQL: the truth. All of `tokio_postgres` stays in this folder.

mod error;
mod migrations;
mod positions;
mod rows;
mod settle;
mod settle_each;
mod sql;
mod transaction;

pub use error::WriteError;
pub use migrations::SchemaError;
pub use sql::PROBE;
pub use transaction::{REJECTED_NAMED_MAX, Written};

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use fluxgate_ledger::{Address, PoolSettings, UrlError};
use prometheus::Registry;

use crate::config::DatabaseSettings;

/// Connections besides the writers': the loader's of positions, the two watches', one to spare.
const MORE_CONNECTIONS: u32 = 4;

/// The database. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    timeout: Duration,
}

impl Store {
    /// Sets up connections for so many writers and all else; they are made when first needed.
    ///
    /// # Errors
    /// When the URL or the authorities cannot be used.
    pub fn connect(settings: &DatabaseSettings, writers: u32) -> Result<Self, UrlError> {
        let timeout = settings.timeout();
        let ca_certificates = settings.database_ca_file.as_ref();
        let address = Address::read(&settings.database_url, ca_certificates, "inventory-worker")?;
        let pool = address.pool(PoolSettings {
            size: (writers + MORE_CONNECTIONS) as usize,
            timeout,
            greeting: Some(server_side_limits(timeout)),
        });
        Ok(Self { pool, timeout })
    }

    /// Lets `registry` show how its connections are used.
    pub fn show(&self, registry: &Registry) {
        fluxgate_ledger::show(&self.pool, "inventory_worker", registry);
    }

    /// Whether the schema is there.
    ///
    /// # Errors
    /// When it is not, or when PostgreSQL does not answer.
    pub async fn probe(&self) -> Result<(), WriteError> {
        self.within_deadline(async |client| {
            client.query_opt(sql::PROBE, &[]).await?;
            Ok(())
        })
        .await
    }

    /// Runs `call` on a connection. One that did not answer in time is in an unknown state: it is
    /// thrown away, never given back.
    async fn within_deadline<T>(
        &self,
        call: impl AsyncFnOnce(&mut Object) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let mut client = self.pool.get().await?;
        match tokio::time::timeout(self.timeout, call(&mut client)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                drop(Object::take(client));
                Err(WriteError::Timeout)
            }
        }
    }
}

/// What keeps a frozen worker from blocking its successor: the server itself ends its transaction.
fn server_side_limits(timeout: Duration) -> String {
    let ms = timeout.as_millis();
    format!(
        "SET idle_in_transaction_session_timeout = {ms};
         SET lock_timeout = {ms};
         SET statement_timeout = {ms};"
    )
}
