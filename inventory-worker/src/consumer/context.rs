use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use fluxgate_core::ops::Check;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;

use crate::progress::Progress;

/// A change of what this worker owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebalance {
    /// These partitions came. They are paused until their position is known.
    Assigned(Vec<i32>),
    /// These partitions went.
    Revoked(Vec<i32>),
}

/// What librdkafka calls back, from within `poll`.
pub struct Context {
    topic: String,
    rebalances: Mutex<VecDeque<Rebalance>>,
    progress: Progress,
    group: Check,
}

impl Context {
    /// Notes rebalances, lag (in `progress`) and whether the group is joined (in `group`).
    pub fn new(topic: String, progress: Progress, group: Check) -> Self {
        Self {
            topic,
            rebalances: Mutex::default(),
            progress,
            group,
        }
    }

    /// What changed since it was last asked, oldest first.
    pub fn take_rebalances(&self) -> VecDeque<Rebalance> {
        std::mem::take(
            &mut *self
                .rebalances
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    fn note(&self, rebalance: Rebalance) {
        let mut rebalances = self
            .rebalances
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        rebalances.push_back(rebalance);
    }

    fn assign(
        &self,
        consumer: &BaseConsumer<Self>,
        partitions: &mut TopicPartitionList,
    ) -> KafkaResult<()> {
        // Any valid start will do: they are paused at once and sought before the first record.
        partitions.set_all_offsets(Offset::End)?;
        consumer.incremental_assign(partitions)?;
        consumer.pause(partitions)?;
        self.note(Rebalance::Assigned(numbers(partitions)));
        Ok(())
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        error: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let handled = match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.assign(consumer, partitions)
            }
            // Revoked, or lost: whoever owns them next starts from PostgreSQL's position.
            _ => {
                self.note(Rebalance::Revoked(numbers(partitions)));
                consumer.incremental_unassign(partitions)
            }
        };
        if let Err(error) = handled {
            tracing::error!(%error, "a rebalance could not be followed");
        }
    }
}

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        match &statistics.cgrp {
            Some(group) if group.join_state == "steady" => self.group.pass(),
            Some(group) if group.state != "up" => {
                self.group.fail(format!("group: {}", group.state))
            }
            _ => {}
        }
        if let Some(topic) = statistics.topics.get(&self.topic) {
            let partitions = topic.partitions.values();
            self.progress
                .show(partitions.map(|partition| (partition.partition, partition.hi_offset)));
        }
    }
}

fn numbers(partitions: &TopicPartitionList) -> Vec<i32> {
    partitions
        .elements()
        .iter()
        .map(|element| element.partition())
        .collect()
}
