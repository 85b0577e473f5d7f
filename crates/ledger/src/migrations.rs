use deadpool_postgres::Object;

use crate::{Ledger, LedgerError, sql};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// PostgreSQL is unavailable.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A migration failed, or the schema is newer than this build.
    #[error(transparent)]
    Migration(#[from] refinery::Error),
}

impl Ledger {
    /// Brings the schema up to date. A second caller waits for the first, at most as long as one call may take, and
    /// finds nothing to do. A migration itself has no time limit.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable, its database has another encoding than UTF8, another caller does not finish in
    /// time, or a migration fails.
    pub async fn migrate(&self) -> Result<(), SchemaError> {
        self.check_encoding().await?;
        let client = self.connections.get().await?;
        // Never returned to the pool: a dropped future would leave it with the lock.
        let mut client = Object::take(client);
        // Building an index on millions of rows may take any time; waiting for a lock may not: an ALTER TABLE that waits
        // keeps every writer waiting behind it.
        let limit = sql::schema::lock_timeout(self.timeout);
        let limited = client.batch_execute(&limit).await;
        limited.map_err(LedgerError::from)?;
        let locked = client.batch_execute(sql::schema::LOCK_MIGRATIONS).await;
        locked.map_err(LedgerError::from)?;
        let migrated = embedded::migrations::runner()
            .run_async(&mut *client)
            .await?;
        for migration in migrated.applied_migrations() {
            tracing::info!(schema.migration = %migration, "schema migrated");
        }
        Ok(())
    }
}
