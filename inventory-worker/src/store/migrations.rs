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
/// Each schema has a lock of its own.
const LOCK: &str = "SELECT pg_advisory_lock(hashtext('fluxgate:' || current_schema()))";
const UNLOCK: &str = "SELECT pg_advisory_unlock(hashtext('fluxgate:' || current_schema()))";

impl Store {
    /// Brings the schema up to date; a second caller waits for the first and then does nothing.
    ///
    /// # Errors
    /// When PostgreSQL does not answer or a migration fails.
    pub async fn migrate(&self) -> Result<(), SchemaError> {
        let mut client = self.pool.get().await.map_err(WriteError::from)?;
        client.batch_execute(LOCK).await.map_err(WriteError::from)?;
        let migrated = embedded::migrations::runner()
            .run_async(&mut **client)
            .await;
        let unlocked = client.batch_execute(UNLOCK).await;
        for migration in migrated?.applied_migrations() {
            tracing::info!(schema.migration = %migration, "schema migrated");
        }
        Ok(unlocked.map_err(WriteError::from)?)
    }
}
