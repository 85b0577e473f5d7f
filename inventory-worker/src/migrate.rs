//! Brings the schema and the topics up to date.

use fluxgate_ledger::{Ledger, LedgerError, SchemaError};
use fluxgate_log::{NewTopic, TopicError, create_missing_topics, stop_compaction};

use crate::config::Config;

/// The name of the Kafka client in the brokers' logs.
const CLIENT_ID: &str = "inventory-worker-migrate";

/// Why schema or topics are not up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The schema could not be migrated.
    #[error("schema: {0}")]
    Schema(#[from] SchemaError),
    /// A topic could not be created, or may be compacted.
    #[error("topics: {0}")]
    Topics(#[from] TopicError),
    /// PostgreSQL is unavailable, or its schema is older than this build.
    #[error("PostgreSQL: {0}")]
    Ledger(#[from] LedgerError),
}

/// Brings both up to date; does nothing if they are.
///
/// # Errors
/// When PostgreSQL or Kafka is unavailable or refuses.
pub async fn migrate(config: &Config, ledger: &Ledger) -> Result<(), MigrateError> {
    ledger.migrate().await?;
    let topics = topics(config);
    create_missing_topics(&config.kafka, CLIENT_ID, &topics).await?;
    stop_compaction(&config.kafka, CLIENT_ID, &topics[0]).await?;
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::Cli;

    #[test]
    fn both_topics_are_replicated_and_only_orders_have_their_own_retention() {
        let config = Cli::parse_from([
            "inventory-worker",
            "--kafka-brokers=kafka:9092",
            "--database-url=postgres://db/fluxgate",
            "--kafka-replication=3",
            "--kafka-retention-ms=-1",
        ])
        .config;
        let [orders, dead_letters] = topics(&config);
        assert_eq!((orders.name, orders.partitions), ("orders", 12));
        assert_eq!(
            (dead_letters.name, dead_letters.partitions),
            ("orders.dlq", 1)
        );
        assert_eq!((orders.replication, dead_letters.replication), (3, 3));
        assert_eq!(orders.retention_ms, Some(-1));
        assert_eq!(dead_letters.retention_ms, None);
    }
}
