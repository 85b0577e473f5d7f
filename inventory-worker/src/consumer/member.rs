use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fluxgate_log::BrokerWatchdog;
use fluxgate_service::ops::Check;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;

use super::client_config;
use crate::config::{Config, GroupProtocol};
use crate::metrics::Metrics;

/// A change of what this worker should read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebalance {
    /// These partitions came.
    Assigned(Vec<i32>),
    /// These partitions go to somebody else.
    Revoked(Vec<i32>),
    /// The group and this worker lost each other; nobody knows who reads these partitions now.
    Lost(Vec<i32>),
}

/// This worker as a member of the consumer group: it learns what it should read, and says what is
/// written. It reads nothing.
pub struct Member {
    client: BaseConsumer<Context>,
    watchdog: BrokerWatchdog,
    topic: String,
}

impl Member {
    /// Joins the group, as soon as the brokers are there. `group` tells whether it is joined.
    ///
    /// # Errors
    /// When librdkafka refuses a setting.
    pub fn join(config: &Config, group: Check, metrics: &Metrics) -> KafkaResult<Self> {
        let topic = config.kafka.kafka_topic.clone();
        let watchdog = BrokerWatchdog::new(&config.kafka.kafka_brokers);
        let watchdog = watchdog.counting(&metrics.kafka_clients_recovered_total);
        let context = Context {
            watchdog: watchdog.clone(),
            rebalances: Mutex::default(),
            group,
        };
        let client: BaseConsumer<Context> = settings(config).create_with_context(context)?;
        client.subscribe(&[&topic])?;
        Ok(Self {
            client,
            watchdog,
            topic,
        })
    }

    /// What changed since it was last asked, oldest first. To be asked at least every
    /// `max.poll.interval.ms`: the group takes a worker that is silent for longer for stuck.
    ///
    /// # Errors
    /// When this client will never be a member again: with the consumer protocol librdkafka 2.12
    /// takes a silence like that for the end.
    pub fn news(&self) -> KafkaResult<VecDeque<Rebalance>> {
        self.watchdog.recover(self.client.client());
        match self.client.poll(Duration::ZERO) {
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(error),
            Some(Err(error)) => {
                tracing::warn!(%error, "the group is out of reach; librdkafka tries again");
            }
            _ => {}
        }
        Ok(std::mem::take(&mut *self.client.context().rebalances()))
    }

    /// Says, for those who watch the lag, that everything before `next` is written.
    pub fn wrote(&self, partition: i32, next: i64) {
        // Refused once the partition is no longer ours: then it is no longer our business.
        let _ = self.client.store_offset(&self.topic, partition, next - 1);
    }
}

/// Every option whose default would break a promise is given here, with the reason.
fn settings(config: &Config) -> ClientConfig {
    let session_ms = config.consumer.kafka_session_timeout_ms;
    let max_poll_ms = config.consumer.kafka_max_poll_interval_ms.max(session_ms);
    let mut client = client_config(config);
    match config.consumer.kafka_group_protocol {
        GroupProtocol::Classic => client
            // A worker that comes or goes stops only the partitions that move.
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session_ms.to_string())
            // Ten a session, not three: a broker that was frozen for most of a session is back before
            // the worker gives it up.
            .set("heartbeat.interval.ms", (session_ms / 10).to_string()),
        // Those three are the brokers' business; librdkafka refuses them.
        GroupProtocol::Consumer => client.set("group.protocol", "consumer"),
    };
    client
        // Without group.instance.id: librdkafka takes a name that is fenced, as happens after a broker
        // was frozen, for an error that nothing mends but a restart.
        .set("max.poll.interval.ms", max_poll_ms.to_string())
        // Offsets in Kafka are for those who watch the lag; reading starts from PostgreSQL's.
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", "1000")
        .set("enable.auto.offset.store", "false");
    client
}

/// What librdkafka calls back, from within `poll`.
struct Context {
    watchdog: BrokerWatchdog,
    rebalances: Mutex<VecDeque<Rebalance>>,
    group: Check,
}

impl Context {
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
            tracing::error!(%error, "a rebalance could not be followed");
        }
        self.rebalances().push_back(rebalance);
    }
}

/// Holds partitions without reading them.
fn hold(client: &BaseConsumer<Context>, partitions: &mut TopicPartitionList) -> KafkaResult<()> {
    // Where there is nothing yet to be fetched until they are paused.
    partitions.set_all_offsets(Offset::End)?;
    client.incremental_assign(partitions)?;
    client.pause(partitions)
}

impl ClientContext for Context {
    /// `poll` returns it as well.
    fn error(&self, _: KafkaError, _: &str) {}

    fn stats(&self, statistics: Statistics) {
        self.watchdog.observe(&statistics);
        match &statistics.cgrp {
            Some(group) if group.join_state == "steady" => self.group.pass(),
            Some(group) if group.state != "up" => {
                self.group.fail(format!("group: {}", group.state))
            }
            _ => {}
        }
    }
}
