//! Reading the topic, on a thread of its own. With `writer/dead_letter_topic.rs` and `topics.rs`
//! all there is of `rdkafka`.
//!
//! Kafka decides *which* partitions a worker reads, PostgreSQL *where* it starts: behind the last
//! record that was written. So every partition begins by loading its position, and loads it again
//! whenever a write finds that PostgreSQL holds another one (somebody else wrote, or the database
//! was restored). Each loading is a new *generation* of the partition; whatever was read or asked
//! for in an older one is ignored.
//!
//! Since PostgreSQL lets only one of two readers write, the group is a division of labour, not a
//! lock. So membership and reading are two clients, [`Member`] and [`Log`]: when the group and the
//! worker lose each other (a frozen coordinator), the worker reads on until the group has spoken
//! again, or until PostgreSQL shows that somebody else writes the partition.

mod claims;
mod lanes;
mod loader;
mod log;
mod member;
mod partition;
mod reader;

pub use claims::Claims;
pub use lanes::Lanes;
pub use loader::Loader;
pub use log::Log;
pub use member::{Member, Rebalance};
pub use reader::{Reader, ReaderParts};

use rdkafka::ClientConfig;

use crate::config::Config;

/// What others want of the reader. A command of an older generation is ignored.
#[derive(Debug)]
pub enum Command {
    /// The position is known: read on from `offset`.
    Start {
        /// The partition.
        partition: i32,
        /// The generation it was loaded for.
        generation: u64,
        /// The first record to read.
        offset: i64,
    },
    /// PostgreSQL holds another position: load it and read on from there.
    Reload {
        /// The partition.
        partition: i32,
        /// The generation that missed.
        generation: u64,
    },
    /// PostgreSQL came back older than it was: load the position again, whatever was read since.
    Restored {
        /// The partition.
        partition: i32,
    },
    /// Stop reading a partition for good.
    Halt {
        /// The partition.
        partition: i32,
        /// The generation in which something was wrong.
        generation: u64,
        /// What was wrong.
        reason: String,
    },
}

/// What both clients have in common.
fn client_config(config: &Config) -> ClientConfig {
    let mut client = fluxgate_log::client_config(&config.kafka, "inventory-worker");
    client.set("group.id", &config.consumer.kafka_group);
    client
}
