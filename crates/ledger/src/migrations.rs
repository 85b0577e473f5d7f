use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object};
use refinery::Target;
use tokio::time::{Instant, sleep};

use crate::indexes::CONCURRENT_INDEXES;
use crate::{Ledger, LedgerError, sql};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// How often a second caller asks whether the first has finished.
const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// PostgreSQL is unavailable.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Another caller migrates the schema.
    #[error("another process is migrating the schema; try again when it has finished")]
    Busy,
    /// A migration failed, or the schema is newer than this build.
    #[error(transparent)]
    Migration(#[from] refinery::Error),
}

impl Ledger {
    /// Brings the schema up to date. What an interrupted call has left is finished by the next one. A second caller waits
    /// for the first, at most as long as one call may take, and finds nothing to do. A migration itself has no time
    /// limit.
    ///
    /// # Errors
    /// When PostgreSQL is unavailable, its database has another encoding than UTF8, another caller does not finish in
    /// time, or a migration fails.
    pub async fn migrate(&self) -> Result<(), SchemaError> {
        self.check_encoding().await?;
        let client = self.connections.get().await?;
        // Never returned to the pool: a dropped future would leave it with the lock.
        let mut client = Object::take(client);
        self.lock_migrations(&client).await?;
        for index in &CONCURRENT_INDEXES {
            self.migrate_to(&mut client, Target::Version(index.after))
                .await?;
            execute(&client, sql::schema::NO_LIMITS).await?;
            index.build(&client).await?;
        }
        self.migrate_to(&mut client, Target::Latest).await
    }

    /// Takes the lock of migrations for as long as this connection lasts.
    async fn lock_migrations(&self, client: &ClientWrapper) -> Result<(), SchemaError> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let locked = client.query_one(sql::schema::TRY_LOCK_MIGRATIONS, &[]);
            let locked = locked.await.and_then(|row| row.try_get(0));
            if locked.map_err(LedgerError::from)? {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(SchemaError::Busy);
            }
            sleep(LOCK_RETRY_INTERVAL).await;
        }
    }

    /// Runs the migrations that are missing, up to `target`.
    async fn migrate_to(
        &self,
        client: &mut ClientWrapper,
        target: Target,
    ) -> Result<(), SchemaError> {
        // Waiting for a lock is limited: an ALTER TABLE that waits keeps every writer waiting behind it.
        execute(client, &sql::schema::lock_timeout(self.timeout)).await?;
        let runner = embedded::migrations::runner().set_target(target);
        let migrated = runner.run_async(&mut **client).await?;
        for migration in migrated.applied_migrations() {
            tracing::info!(schema.migration = %migration, "schema migrated");
        }
        Ok(())
    }
}

async fn execute(client: &ClientWrapper, statements: &str) -> Result<(), LedgerError> {
    Ok(client.batch_execute(statements).await?)
}
