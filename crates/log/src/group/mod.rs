//! Which partitions this process should read.
//!
//! A group distributes work and is not a lock (docs/decisions/0011): a process that has lost its membership may keep
//! reading, because positions elsewhere decide who writes. So membership and reading use two clients.

mod assignment;
mod membership;

use fluxgate_service::settings::KafkaSettings;
use rdkafka::ClientConfig;

pub use assignment::Assignment;
pub use membership::{GroupError, GroupMembership, Rebalance};

use crate::client_config;

/// The options of any consumer.
pub fn group_client_config(kafka: &KafkaSettings, client_id: &str, group: &str) -> ClientConfig {
    let mut config = client_config(kafka, client_id);
    config.set("group.id", group);
    config
}

/// The options of a consumer that is told what to read, from where. Their defaults would break a guarantee.
pub fn reader_client_config(kafka: &KafkaSettings, client_id: &str, group: &str) -> ClientConfig {
    let mut config = group_client_config(kafka, client_id, group);
    config
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // An offset that the log does not have must be reported, not replaced by another.
        .set("auto.offset.reset", "error")
        // The last offsets of a log may have no record: only this event shows that they were passed.
        .set("enable.partition.eof", "true");
    config
}
