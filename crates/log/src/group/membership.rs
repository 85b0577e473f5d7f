use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fluxgate_service::ops::Check;
use fluxgate_service::settings::KafkaSettings;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;

use super::group_client_config;
use crate::{BrokerWatchdog, ClientMetrics, GroupProtocol, GroupSettings, LogError};

/// A change of the partitions that this process should read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebalance {
    /// The group assigned these partitions to this process.
    Assigned(Vec<i32>),
    /// The group takes these partitions away.
    Revoked(Vec<i32>),
    /// This process lost its membership; it is unknown which process reads these partitions now.
    Lost(Vec<i32>),
}

/// This process can never be a member of its group again; a new process can.
#[derive(Debug, thiserror::Error)]
#[error("the consumer group no longer accepts this process: {0}")]
pub struct GroupError(#[from] KafkaError);

/// This process as a member of a consumer group: it learns what it should read, and commits what is written. It reads
/// nothing. When the last reference is dropped, it commits and leaves the group, which blocks.
pub struct GroupMembership {
    client: BaseConsumer<Context>,
    watchdog: BrokerWatchdog,
    topic: String,
}

impl GroupMembership {
    /// Joins the group as soon as the brokers are reachable. `joined` passes once it has. `client_id` is the client's
    /// name in the brokers' logs.
    ///
    /// # Errors
    /// When librdkafka refuses a setting.
    pub fn join(
        kafka: &KafkaSettings,
        settings: &GroupSettings,
        client_id: &str,
        group: &str,
        joined: Check,
        metrics: &ClientMetrics,
    ) -> Result<Self, LogError> {
        let topic = kafka.kafka_topic.clone();
        let watchdog = BrokerWatchdog::new(&kafka.kafka_brokers)
            .counting(&metrics.kafka_clients_recovered_total);
        let context = Context {
            watchdog: watchdog.clone(),
            rebalances: Mutex::default(),
            committed: Mutex::default(),
            joined,
        };
        let config = options(group_client_config(kafka, client_id, group), settings);
        let client: BaseConsumer<Context> = config.create_with_context(context)?;
        client.subscribe(&[&topic])?;
        Ok(Self {
            client,
            watchdog,
            topic,
        })
    }

    /// The changes since the last call, oldest first. Must be called at least every `max.poll.interval.ms`: the group
    /// removes a member that is silent for longer.
    ///
    /// # Errors
    /// When this client can never be a member again: with the consumer protocol librdkafka 2.12
    /// treats such a silence as fatal.
    pub fn rebalances(&self) -> Result<VecDeque<Rebalance>, GroupError> {
        self.watchdog.recover(self.client.client());
        match self.client.poll(Duration::ZERO) {
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(error.into()),
            Some(Err(error)) => {
                tracing::warn!(%error, "consumer group unreachable; librdkafka will retry");
            }
            _ => {}
        }
        Ok(std::mem::take(&mut *self.client.context().rebalances()))
    }

    /// Commits, for observers of the lag, that everything before `next` is written.
    pub fn commit(&self, partition: i32, next: i64) {
        // Refused once the partition is another member's: then that one commits.
        let _ = self.client.store_offset(&self.topic, partition, next - 1);
        let committed = self.client.context().committed().get(&partition).copied();
        if committed.is_some_and(|committed| next < committed) {
            self.commit_back(partition, next);
        }
    }

    /// Commits a position that went back. librdkafka commits by itself only what is above the last commit.
    fn commit_back(&self, partition: i32, next: i64) {
        let mut list = TopicPartitionList::new();
        let added = list.add_partition_offset(&self.topic, partition, Offset::Offset(next));
        let sent = added.and_then(|()| self.client.commit(&list, CommitMode::Async));
        if let Err(error) = sent {
            tracing::debug!(kafka.partition = partition, %error, "position not committed");
        }
    }
}

/// Every option whose default would break a guarantee, with the reason.
fn options(mut config: ClientConfig, settings: &GroupSettings) -> ClientConfig {
    let session_ms = settings.kafka_session_timeout_ms;
    let max_poll_ms = settings.kafka_max_poll_interval_ms.max(session_ms);
    match settings.kafka_group_protocol {
        GroupProtocol::Classic => config
            // A member that comes or goes stops only the partitions that move.
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session_ms.to_string())
            // Ten per session, not three: a broker that was frozen for most of a session is back before
            // the member gives it up.
            .set("heartbeat.interval.ms", (session_ms / 10).to_string()),
        // The brokers decide those three; librdkafka refuses them.
        GroupProtocol::Consumer => config.set("group.protocol", "consumer"),
    };
    config
        // Without group.instance.id: a frozen broker may fence it, and librdkafka treats a fenced instance as an error
        // that only a restart clears.
        .set("max.poll.interval.ms", max_poll_ms.to_string())
        // Committed offsets are for observers of the lag; reading starts from positions kept elsewhere.
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", "1000")
        .set("enable.auto.offset.store", "false");
    config
}

/// What librdkafka calls back, from within `poll`.
struct Context {
    watchdog: BrokerWatchdog,
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// What was committed last.
    committed: Mutex<HashMap<i32, i64>>,
    joined: Check,
}

impl Context {
    fn committed(&self) -> std::sync::MutexGuard<'_, HashMap<i32, i64>> {
        self.committed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn rebalances(&self) -> std::sync::MutexGuard<'_, VecDeque<Rebalance>> {
        self.rebalances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        client: &BaseConsumer<Self>,
        error: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let elements = partitions.elements().into_iter();
        let numbers = elements.map(|it| it.partition()).collect();
        let (rebalance, followed) = match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                (Rebalance::Assigned(numbers), hold(client, partitions))
            }
            _ if client.assignment_lost() => (
                Rebalance::Lost(numbers),
                client.incremental_unassign(partitions),
            ),
            _ => (
                Rebalance::Revoked(numbers),
                client.incremental_unassign(partitions),
            ),
        };
        if let Err(error) = followed {
            tracing::error!(%error, "failed to apply a rebalance");
        }
        self.rebalances().push_back(rebalance);
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        if result.is_err() {
            return;
        }
        for committed in offsets.elements() {
            if let Offset::Offset(offset) = committed.offset() {
                self.committed().insert(committed.partition(), offset);
            }
        }
    }
}

/// Holds partitions without reading them.
fn hold(client: &BaseConsumer<Context>, partitions: &mut TopicPartitionList) -> KafkaResult<()> {
    // At their end there is nothing to fetch yet until they are paused.
    partitions.set_all_offsets(Offset::End)?;
    client.incremental_assign(partitions)?;
    client.pause(partitions)
}

impl ClientContext for Context {
    /// `poll` returns errors as well.
    fn error(&self, _: KafkaError, _: &str) {}

    fn stats(&self, statistics: Statistics) {
        self.watchdog.observe(&statistics);
        match &statistics.cgrp {
            Some(group) if group.join_state == "steady" => self.joined.pass(),
            Some(group) if group.state != "up" => {
                self.joined.fail(format!("group: {}", group.state))
            }
            _ => {}
        }
    }
}
