//! Making the topics where they are missing.

use std::time::Duration;

use fluxgate_kafka::{Lifeline, client_config};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::config::Config;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Why a topic could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// The brokers do not answer.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The brokers refuse.
    #[error("topic {0}: {1}")]
    Refused(String, RDKafkaErrorCode),
}

/// Makes the topic of orders and the one of dead letters; leaves existing ones as they are.
///
/// # Errors
/// When the brokers do not answer or refuse.
pub async fn create_missing(config: &Config) -> Result<(), TopicError> {
    let migrate = &config.migrate;
    let replication = || TopicReplication::Fixed(migrate.kafka_replication);
    let retention = migrate.kafka_retention_ms.to_string();
    let orders = NewTopic::new(
        &config.kafka.kafka_topic,
        migrate.kafka_partitions,
        replication(),
    )
    .set("retention.ms", &retention);
    let dead_letters = NewTopic::new(&config.consumer.kafka_dlq_topic, 1, replication());

    let kafka = &config.kafka;
    let admin: AdminClient<Lifeline> = client_config(kafka, "inventory-worker-migrate")
        .create_with_context(Lifeline::new(&kafka.kafka_brokers))?;
    let options = AdminOptions::new()
        .request_timeout(Some(TIMEOUT))
        .operation_timeout(Some(TIMEOUT));
    for outcome in admin
        .create_topics(&[orders, dead_letters], &options)
        .await?
    {
        match outcome {
            Ok(topic) => tracing::info!(kafka.topic = topic, "topic created"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(TopicError::Refused(topic, code)),
        }
    }
    Ok(())
}
