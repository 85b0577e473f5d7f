//! How the brokers remove records of a topic. Compaction removes them from the middle of a log, whether they were read
//! or not, so a topic of orders must not be compacted.

use std::collections::BTreeMap;

use fluxgate_service::settings::KafkaSettings;
use rdkafka::admin::{AlterConfig, ConfigEntry, ConfigSource, ResourceSpecifier};
use rdkafka::error::RDKafkaErrorCode;

use crate::topics::{Admin, admin, limits};
use crate::{NewTopic, TopicError};

const CLEANUP_POLICY: &str = "cleanup.policy";
const RETENTION: &str = "retention.ms";
/// The policy that only removes records from the beginning of a log.
const DELETE: &str = "delete";

/// Checks that the brokers never compact a topic. If they do not allow the question, a warning is logged instead.
/// `client_id` is the client's name in the brokers' logs.
///
/// # Errors
/// When they may compact it, when it does not exist, or when the brokers do not answer.
pub async fn check_cleanup_policy(
    kafka: &KafkaSettings,
    client_id: &str,
    topic: &str,
) -> Result<(), TopicError> {
    match compacting(&settings(&admin(kafka, client_id)?, topic).await?) {
        Some(policy) => Err(TopicError::Compacted(topic.to_owned(), policy.to_owned())),
        None => Ok(()),
    }
}

/// Sets the cleanup policy of a topic to `delete` if it is another one, and the retention of `topic` if the topic has
/// none of its own. Keeps its other settings.
///
/// # Errors
/// When the brokers do not answer or refuse.
pub async fn stop_compaction(
    kafka: &KafkaSettings,
    client_id: &str,
    topic: &NewTopic<'_>,
) -> Result<(), TopicError> {
    let admin = admin(kafka, client_id)?;
    let before = settings(&admin, topic.name).await?;
    let Some(policy) = compacting(&before) else {
        return Ok(());
    };
    let after = without_compaction(&before, topic.retention_ms);
    let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic.name));
    for (name, value) in &after {
        change = change.set(name, value);
    }
    tracing::warn!(
        kafka.topic = topic.name,
        policy,
        "the topic is compacted, which removes records that were not read; setting its cleanup policy to delete"
    );
    for outcome in admin.alter_configs(&[change], &limits()).await? {
        outcome.map_err(|(_, code)| TopicError::Refused(topic.name.to_owned(), code))?;
    }
    tracing::info!(kafka.topic = topic.name, settings = ?after, "topic settings changed");
    Ok(())
}

/// All settings of a topic; none if the brokers do not allow the question.
async fn settings(admin: &Admin, topic: &str) -> Result<Vec<ConfigEntry>, TopicError> {
    let topics = [ResourceSpecifier::Topic(topic)];
    let mut settings = Vec::new();
    for outcome in admin.describe_configs(&topics, &limits()).await? {
        match outcome {
            Ok(resource) => settings.extend(resource.entries),
            Err(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                tracing::warn!(
                    kafka.topic = topic,
                    "not allowed to read the topic's settings (DescribeConfigs); its cleanup policy is not checked"
                );
            }
            Err(code) => return Err(TopicError::Refused(topic.to_owned(), code)),
        }
    }
    Ok(settings)
}

/// The cleanup policy, if it is another one than `delete`.
fn compacting(settings: &[ConfigEntry]) -> Option<&str> {
    let policy = settings.iter().find(|it| it.name == CLEANUP_POLICY)?;
    policy.value.as_deref().filter(|policy| *policy != DELETE)
}

/// The topic's own settings without compaction. All of them are sent: Kafka resets what a change leaves out.
fn without_compaction(
    settings: &[ConfigEntry],
    retention_ms: Option<i64>,
) -> BTreeMap<&str, String> {
    let retention = retention_ms.map(|ms| (RETENTION, ms.to_string()));
    let own = settings
        .iter()
        .filter(|it| it.source == ConfigSource::DynamicTopic);
    let own = own.filter_map(|it| Some((it.name.as_str(), it.value.clone()?)));
    let policy = (CLEANUP_POLICY, DELETE.to_owned());
    retention.into_iter().chain(own).chain([policy]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, value: &str, source: ConfigSource) -> ConfigEntry {
        ConfigEntry {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            source,
            is_read_only: false,
            is_default: false,
            is_sensitive: false,
        }
    }

    #[test]
    fn every_policy_but_delete_compacts() {
        let settings = |policy| [entry(CLEANUP_POLICY, policy, ConfigSource::Default)];
        assert_eq!(compacting(&settings("delete")), None);
        assert_eq!(compacting(&settings("compact")), Some("compact"));
        assert_eq!(
            compacting(&settings("compact,delete")),
            Some("compact,delete")
        );
        assert_eq!(compacting(&[]), None, "not allowed to ask");
    }

    #[test]
    fn only_the_topics_own_settings_are_kept() {
        let mut settings = vec![
            entry(CLEANUP_POLICY, "compact", ConfigSource::DynamicTopic),
            entry("min.insync.replicas", "1", ConfigSource::DynamicTopic),
            entry("segment.bytes", "1024", ConfigSource::StaticBroker),
        ];
        let after = |settings: &[ConfigEntry]| {
            let after = without_compaction(settings, Some(-1)).into_iter();
            let after = after.map(|(name, value)| format!("{name}={value}"));
            after.collect::<Vec<_>>()
        };
        let kept = ["cleanup.policy=delete", "min.insync.replicas=1"];
        assert_eq!(after(&settings), [kept[0], kept[1], "retention.ms=-1"]);
        settings.push(entry(RETENTION, "123", ConfigSource::DynamicTopic));
        assert_eq!(after(&settings), [kept[0], kept[1], "retention.ms=123"]);
    }
}
