use deadpool_postgres::Object;

use super::{Store, WriteError};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// PostgreSQL does not answer.
    #[error(transparent)]
    Store(#[from] WriteError),
    /// A migration failed, or the schema is newer than this build.
    #[error(transparent)]
    Migration(#[from] refinery::Error),
}

/// Workers that start together must not migrate together, and refinery takes no lock of its own.
/// Each schema has a lock of its own; it goes with the connection that took it.
const LOCK: &str = "SELECT pg_advisory_lock(hashtext('fluxgate:' || current_schema()))";

/// An index on a table of many millions of rows takes as long as it takes. Waiting for a lock does not: a
/// table that waits to be altered keeps everybody else waiting, too.
const WITHOUT_LIMIT: &str = "SET statement_timeout = 0";

impl Store {
    /// Brings the schema up to date; a second caller waits for the first, as long as one call may take, and
    /// then does nothing. A migration itself may take any time.
    ///
    /// # Errors
    /// When PostgreSQL does not answer, another caller does not end in time, or a migration fails.
    pub async fn migrate(&self) -> Result<(), SchemaError> {
        let client = self.pool.get().await.map_err(WriteError::from)?;
        // Never given back: it has no limit, and dropped halfway it would keep the lock.
        let mut client = Object::take(client);
        client.batch_execute(LOCK).await.map_err(WriteError::from)?;
        let unlimited = client.batch_execute(WITHOUT_LIMIT).await;
        unlimited.map_err(WriteError::from)?;
        let migrated = embedded::migrations::runner()
            .run_async(&mut *client)
            .await?;
        for migration in migrated.applied_migrations() {
            tracing::info!(schema.migration = %migration, "schema migrated");
        }
        Ok(())
    }
}
