//! Creating the topics that are missing.

use std::time::Duration;

use fluxgate_service::settings::KafkaSettings;
use rdkafka::admin::{AdminClient, AdminOptions, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::{BrokerWatchdog, client_config};

/// Replicas per partition from which on two of them must have a record before it is acknowledged. With Kafka's default
/// of one, `acks=all` is answered while a single broker has the record. With two replicas and this rule, losing one
/// broker would stop the topic.
const REPLICATION_FOR_TWO_IN_SYNC: i32 = 3;
const TIMEOUT: Duration = Duration::from_secs(10);

/// A topic that should exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewTopic<'a> {
    /// Its name.
    pub name: &'a str,
    /// Number of partitions.
    pub partitions: i32,
    /// Replicas per partition.
    pub replication: i32,
    /// Milliseconds for which records are kept; -1: forever; `None`: as long as the brokers' default says.
    pub retention_ms: Option<i64>,
}

/// Why a topic does not exist, or cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// The brokers do not answer.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The brokers refuse.
    #[error("topic {0}: {1}")]
    Refused(String, RDKafkaErrorCode),
    /// The brokers may remove records that were not read.
    #[error(
        "topic {0} has cleanup.policy {1}, only delete is allowed: run `inventory-worker migrate`"
    )]
    Compacted(String, String),
}

/// Creates the topics that are missing; leaves existing ones as they are. `client_id` is the client's name in the
/// brokers' logs.
///
/// # Errors
/// When the brokers do not answer or refuse.
pub async fn create_missing_topics(
    kafka: &KafkaSettings,
    client_id: &str,
    topics: &[NewTopic<'_>],
) -> Result<(), TopicError> {
    let admin = admin(kafka, client_id)?;
    let configs: Vec<_> = topics.iter().map(NewTopic::config).collect();
    let requests = topics.iter().zip(&configs).map(|(topic, config)| {
        let replication = TopicReplication::Fixed(topic.replication);
        let request = rdkafka::admin::NewTopic::new(topic.name, topic.partitions, replication);
        let pairs = config.iter();
        pairs.fold(request, |request, (key, value)| request.set(key, value))
    });
    let requests: Vec<_> = requests.collect();
    for outcome in admin.create_topics(&requests, &limits()).await? {
        match outcome {
            Ok(topic) => tracing::info!(kafka.topic = topic, "topic created"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(TopicError::Refused(topic, code)),
        }
    }
    Ok(())
}

/// A client for administration.
pub(crate) type Admin = AdminClient<BrokerWatchdog>;

pub(crate) fn admin(kafka: &KafkaSettings, client_id: &str) -> Result<Admin, KafkaError> {
    let watchdog = BrokerWatchdog::new(&kafka.kafka_brokers);
    client_config(kafka, client_id).create_with_context(watchdog)
}

/// How long the brokers may take for one answer.
pub(crate) fn limits() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(TIMEOUT))
        .operation_timeout(Some(TIMEOUT))
}

impl NewTopic<'_> {
    /// Kafka's settings of the topic.
    fn config(&self) -> Vec<(&'static str, String)> {
        // The brokers' default may be compaction.
        let mut config = vec![("cleanup.policy", "delete".to_owned())];
        if self.replication >= REPLICATION_FOR_TWO_IN_SYNC {
            config.push(("min.insync.replicas", "2".to_owned()));
        }
        if let Some(retention_ms) = self.retention_ms {
            config.push(("retention.ms", retention_ms.to_string()));
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_of(replication: i32, retention_ms: Option<i64>) -> Vec<(&'static str, String)> {
        let topic = NewTopic {
            name: "orders",
            partitions: 12,
            replication,
            retention_ms,
        };
        topic.config()
    }

    #[test]
    fn with_three_replicas_two_must_have_a_record_before_it_is_acknowledged() {
        let policy = ("cleanup.policy", "delete".to_owned());
        let in_sync = ("min.insync.replicas", "2".to_owned());
        let retention = ("retention.ms", "-1".to_owned());
        let all = [policy, in_sync, retention];
        for replication in [3, 5] {
            assert_eq!(config_of(replication, Some(-1)), all);
            assert_eq!(config_of(replication, None), all[..2]);
        }
    }

    #[test]
    fn with_fewer_replicas_one_broker_may_be_missing() {
        let policy = ("cleanup.policy", "delete".to_owned());
        let all = [policy, ("retention.ms", "-1".to_owned())];
        for replication in [1, 2] {
            assert_eq!(config_of(replication, Some(-1)), all);
            assert_eq!(config_of(replication, None), all[..1]);
        }
    }
}
