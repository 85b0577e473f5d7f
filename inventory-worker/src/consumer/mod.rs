//! Reading the topic, on a thread of its own. With `writer/dead_letter_topic.rs` and `topics.rs`
//! all there is of `rdkafka`.
//!
//! Kafka decides *which* partitions a worker reads, PostgreSQL *where* it starts: behind the last
//! record that was written. So every partition begins by loading its position, and loads it again
//! whenever a write finds that PostgreSQL holds another one (somebody else wrote, or the database
//! was restored). Each loading is a new *generation* of the partition; whatever was read or asked
//! for in an older one is ignored.

mod context;
mod loader;
mod partition;
mod reader;

pub use context::{Context, Rebalance};
pub use loader::Loader;
pub use reader::{Reader, ReaderParts};

use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;

use crate::config::Config;

/// The consumer, shared by the thread that polls it and the writer that stores offsets in it.
pub type Consumer = BaseConsumer<Context>;

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

/// Every option whose default would break a promise is given here, with the reason.
pub fn client_config(config: &Config) -> ClientConfig {
    let session_ms = config.consumer.kafka_session_timeout_ms;
    let max_poll_ms = config.consumer.kafka_max_poll_interval_ms.max(session_ms);
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.kafka.kafka_brokers)
        .set("client.id", "inventory-worker")
        // Without group.instance.id: librdkafka takes a name that is fenced, as happens after a broker
        // was frozen, for an error that nothing mends but a restart.
        .set("group.id", &config.consumer.kafka_group)
        // A worker that comes or goes stops only the partitions that move.
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", session_ms.to_string())
        // Ten a session, not three: a broker that was frozen for most of a session is back before the
        // worker gives it up, and no ghost of the worker is left in the group for another session.
        .set("heartbeat.interval.ms", (session_ms / 10).to_string())
        .set("max.poll.interval.ms", max_poll_ms.to_string())
        // Offsets in Kafka are for those who watch the lag; reading starts from PostgreSQL's.
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", "1000")
        .set("enable.auto.offset.store", "false")
        // A position that the log does not have must be seen, not papered over.
        .set("auto.offset.reset", "error")
        // Bounds what librdkafka reads ahead, and so the worker's memory.
        .set("queued.min.messages", "20000")
        .set("queued.max.messages.kbytes", "16384")
        // Read on soon after a full queue has emptied; the default of a second is an idle worker.
        .set("fetch.queue.backoff.ms", "10")
        // The broker answers at once above this size and else after this wait: answering every few
        // records cost it more than writing them.
        .set("fetch.min.bytes", "65536")
        .set("fetch.wait.max.ms", "10")
        .set("fetch.error.backoff.ms", "100")
        .set("statistics.interval.ms", "1000")
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("allow.auto.create.topics", "false")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000");
    client
}
