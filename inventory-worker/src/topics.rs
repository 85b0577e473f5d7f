//! Making the topics where they are missing.

use std::time::Duration;

use fluxgate_log::{BrokerWatchdog, client_config};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::config::Config;

/// Copies of a partition from which on two must have a record before it counts as written. With Kafka's own
/// default, one, `acks=all` is answered while a single broker has it. With two copies no broker could be missed.
const REPLICATION_FOR_TWO_IN_SYNC: i32 = 3;
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
    let kafka = &config.kafka;
    let admin: AdminClient<BrokerWatchdog> = client_config(kafka, "inventory-worker-migrate")
        .create_with_context(BrokerWatchdog::new(&kafka.kafka_brokers))?;
    let options = AdminOptions::new()
        .request_timeout(Some(TIMEOUT))
        .operation_timeout(Some(TIMEOUT));
    // Settings that the topics borrow.
    let retention_ms = config.migrate.kafka_retention_ms.to_string();
    let topics = topics(config, &retention_ms);
    for outcome in admin.create_topics(&topics, &options).await? {
        match outcome {
            Ok(topic) => tracing::info!(kafka.topic = topic, "topic created"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(TopicError::Refused(topic, code)),
        }
    }
    Ok(())
}

/// The topic of orders and the one of dead letters.
fn topics<'a>(config: &'a Config, retention_ms: &'a str) -> [NewTopic<'a>; 2] {
    let migrate = &config.migrate;
    let topic = |name, partitions| {
        let replication = migrate.kafka_replication;
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replication));
        if replication >= REPLICATION_FOR_TWO_IN_SYNC {
            topic.set("min.insync.replicas", "2")
        } else {
            topic
        }
    };
    [
        topic(&config.kafka.kafka_topic, migrate.kafka_partitions)
            .set("retention.ms", retention_ms),
        topic(&config.consumer.kafka_dlq_topic, 1),
    ]
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::Cli;

    fn settings_with(replication: &str) -> [Vec<(String, String)>; 2] {
        let given = [
            "inventory-worker",
            "--kafka-brokers=kafka:9092",
            "--database-url=postgres://db/fluxgate",
            "--kafka-replication",
            replication,
        ];
        let config = Cli::parse_from(given).config;
        topics(&config, "-1").map(|topic| {
            let settings = topic.config.into_iter();
            settings
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect()
        })
    }

    #[test]
    fn with_three_copies_two_must_have_a_record_before_it_is_acknowledged() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let (in_sync, kept) = (pair("min.insync.replicas", "2"), pair("retention.ms", "-1"));
        for replication in ["3", "5"] {
            let [orders, dead_letters] = settings_with(replication);
            assert_eq!(orders, [in_sync.clone(), kept.clone()]);
            assert_eq!(dead_letters, std::slice::from_ref(&in_sync));
        }
    }

    #[test]
    fn with_fewer_copies_one_broker_may_be_missing() {
        for replication in ["1", "2"] {
            assert_eq!(
                settings_with(replication),
                [vec![("retention.ms".into(), "-1".into())], vec![]]
            );
        }
    }
}
