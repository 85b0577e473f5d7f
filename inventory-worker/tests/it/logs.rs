//! Logs that change behind the worker.

use fluxgate_ledger::AuditReader;
use fluxgate_service::settings::PostgresSettings;
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::fixture::until;
use crate::line::{Line, PARTITIONS, Running};

/// Deletes the topic and makes it again.
pub async fn make_topic_anew(line: &Line) {
    delete_topic(line).await;
    make_topic(line).await;
}

pub async fn delete_topic(line: &Line) {
    let (admin, options) = (line.admin(), AdminOptions::new());
    let deleted = admin.delete_topics(&[&line.topic], &options).await;
    deleted.unwrap().remove(0).unwrap();
}

pub async fn make_topic(line: &Line) {
    make_topic_of(line, PARTITIONS).await;
}

pub async fn make_topic_of(line: &Line, partitions: i32) {
    let (admin, options) = (line.admin(), AdminOptions::new());
    let topic = NewTopic::new(&line.topic, partitions, TopicReplication::Fixed(1));
    until("the topic is made again", async || {
        let created = admin.create_topics([&topic], &options).await;
        created.unwrap().remove(0).is_ok()
    })
    .await;
}

/// Removes the records of a partition before an offset, as retention does.
pub async fn remove_before(line: &Line, partition: i32, offset: i64) {
    let mut offsets = TopicPartitionList::new();
    let added = offsets.add_partition_offset(&line.topic, partition, Offset::Offset(offset));
    added.unwrap();
    let (admin, options) = (line.admin(), AdminOptions::new());
    let removed = admin.delete_records(&offsets, &options).await;
    removed.unwrap();
}

pub async fn until_halted(worker: &Running, partitions: f64) {
    until("partitions are halted", async || {
        worker.metric("partitions_halted").await == partitions
    })
    .await;
}

/// What `reconciler accept-log` does.
pub async fn accept_logs(line: &Line, begin: i64) {
    let settings = PostgresSettings {
        database_url: line.schema.database_url.clone(),
        database_ca_file: None,
    };
    let ledger = AuditReader::connect(&settings, "test", &line.topic).await;
    let (ledger, consumer) = (ledger.unwrap(), "inventory-worker");
    for halted in ledger.halted(consumer).await.unwrap() {
        assert!(ledger.accept_log(consumer, &halted, begin).await.unwrap());
    }
}
