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
pub use transaction::Written;

use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::{Config, NoTls};

use crate::config::DatabaseSettings;

/// Connections besides the writers': the loader's of positions, the probe's, one to spare.
const MORE_CONNECTIONS: u32 = 3;

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
    /// When the URL is no connection string.
    pub fn connect(
        settings: &DatabaseSettings,
        writers: u32,
    ) -> Result<Self, tokio_postgres::Error> {
        let timeout = settings.timeout();
        let mut config: Config = settings.database_url.parse()?;
        config
            .connect_timeout(timeout)
            .tcp_user_timeout(timeout)
            .keepalives_idle(timeout);
        if config.get_application_name().is_none() {
            config.application_name("inventory-worker");
        }
        let manager = Manager::from_config(
            config,
            NoTls,
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let limits = server_side_limits(timeout);
        let pool = Pool::builder(manager)
            .max_size((writers + MORE_CONNECTIONS) as usize)
            .timeouts(Timeouts {
                wait: Some(timeout),
                create: Some(timeout),
                recycle: Some(timeout),
            })
            .runtime(Runtime::Tokio1)
            .post_create(Hook::async_fn(move |client, _| {
                let limits = limits.clone();
                Box::pin(async move {
                    let set = client.batch_execute(&limits).await;
                    set.map_err(HookError::Backend)
                })
            }))
            .build()
            .expect("a runtime is given, which is all that timeouts need");
        Ok(Self { pool, timeout })
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
