//! Indexes of tables that may have many rows. A migration is a transaction, and one that builds an index keeps its table
//! locked against writes until it ends. These indexes are built between migrations, while rows are written.

use deadpool_postgres::ClientWrapper;

use crate::{LedgerError, sql};

/// An index that is built while rows are written.
pub struct ConcurrentIndex {
    /// The migration that it needs; the next one may use the index.
    pub after: i32,
    name: &'static str,
    create: &'static str,
}

/// All of them, in the order of the migrations.
pub const CONCURRENT_INDEXES: [ConcurrentIndex; 2] = [
    // V7 makes it the primary key.
    ConcurrentIndex {
        after: 6,
        name: "dead_letters_key",
        create: "CREATE UNIQUE INDEX CONCURRENTLY dead_letters_key
                 ON dead_letters (topic, partition, log_number, \"offset\")",
    },
    ConcurrentIndex {
        after: 7,
        name: "dead_letters_copy_due",
        create: "CREATE INDEX CONCURRENTLY dead_letters_copy_due
                 ON dead_letters (copy_due_at) WHERE copy_due_at IS NOT NULL",
    },
];

impl ConcurrentIndex {
    /// Builds the index if it is missing, and again if its build was interrupted. That takes any time: a build waits for
    /// every transaction that is older, whatever it reads, but no writer waits for the build.
    pub async fn build(&self, client: &ClientWrapper) -> Result<(), LedgerError> {
        let found = client
            .query_opt(sql::schema::IS_INDEX_VALID, &[&self.name])
            .await?;
        match found.map(|row| row.try_get(0)).transpose()? {
            Some(true) => return Ok(()),
            Some(false) => {
                let drop = format!("DROP INDEX CONCURRENTLY {}", self.name);
                client.batch_execute(&drop).await?;
            }
            None => {}
        }
        tracing::info!(
            schema.index = self.name,
            "building an index; rows can be written meanwhile"
        );
        client.batch_execute(self.create).await?;
        tracing::info!(schema.index = self.name, "index built");
        Ok(())
    }
}
