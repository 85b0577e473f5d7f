//! Schema and topics, brought up to date.

use crate::config::Config;
use crate::store::{SchemaError, Store, WriteError};
use crate::topics::{self, TopicError};

/// Why schema or topics are not up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The schema is not.
    #[error("schema: {0}")]
    Schema(#[from] SchemaError),
    /// The topics are not.
    #[error("topics: {0}")]
    Topics(#[from] TopicError),
    /// PostgreSQL does not answer, or the schema is not there.
    #[error("PostgreSQL: {0}")]
    Store(#[from] WriteError),
}

/// Brings both up to date; does nothing where they are.
///
/// # Errors
/// When a store does not answer or refuses.
pub async fn migrate(config: &Config, store: &Store) -> Result<(), MigrateError> {
    store.migrate().await?;
    topics::create_missing(config).await?;
    Ok(())
}
