//! Schema and topics, brought up to date.

use fluxgate_log::{NewTopic, TopicError, create_missing_topics};

use crate::config::Config;
use crate::store::{SchemaError, Store, WriteError};

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
    create_missing_topics(&config.kafka, "inventory-worker-migrate", &topics(config)).await?;
    Ok(())
}

/// The topic of orders and the topic of dead letters.
fn topics(config: &Config) -> [NewTopic<'_>; 2] {
    let replication = config.migrate.kafka_replication;
    let orders = NewTopic {
        name: &config.kafka.kafka_topic,
        partitions: config.migrate.kafka_partitions,
        replication,
        retention_ms: Some(config.migrate.kafka_retention_ms),
    };
    let dead_letters = NewTopic {
        name: &config.consumer.kafka_dlq_topic,
        partitions: 1,
        replication,
        retention_ms: None,
    };
    [orders, dead_letters]
}
