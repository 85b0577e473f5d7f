//! The log: every Kafka client of Fluxgate. The only crate with `rdkafka` in its manifest.
//!
//! | module | holds |
//! |---|---|
//! | `publisher` | [`Publisher`]: one message per event, waited for at most as long as its caller allows |
//! | `topic_appender` | [`TopicAppender`]: records appended to a topic, each waited for |
//! | `record_reader` | [`RecordReader`]: looks at single records of a topic, and at the topic itself |
//! | `topic_reader` | [`TopicReader`]: reads the partitions it is given, from the offsets it is given |
//! | `continuity` | [`check_log`]: whether a log is still the log that was read |
//! | `group` | [`GroupMembership`] and [`Assignment`]: which partitions this process should read |
//! | `topics` | creates missing topics |
//! | `cleanup_policy` | checks that a topic is not compacted, or stops its compaction |
//! | `broker_watchdog` | recovers clients that have lost all brokers |
//! | `client_config`, `headers`, `settings`, `metrics`, `error` | what these clients share |
//!
//! The crate knows events, partitions and offsets. It knows nothing about outboxes or rows: a [`Publisher`] hands the
//! context of each message back once Kafka has acknowledged it.

mod broker_watchdog;
mod cleanup_policy;
mod client_config;
mod continuity;
mod error;
mod group;
mod headers;
mod metrics;
mod publisher;
mod record_reader;
mod settings;
mod topic_appender;
mod topic_reader;
mod topics;

pub use broker_watchdog::BrokerWatchdog;
pub use cleanup_policy::{check_cleanup_policy, stop_compaction};
pub use client_config::client_config;
pub use continuity::{
    Evidence, FoundAtMark, HaltReason, LogBounds, LogCheck, check_anchor, check_log,
};
pub use error::LogError;
pub use group::{Assignment, GroupError, GroupMembership, Rebalance};
pub use headers::headers;
pub use metrics::{ClientMetrics, PublisherMetrics};
pub use publisher::{AckQueue, OutgoingMessage, Publication, Publisher, Wait};
pub use record_reader::RecordReader;
pub use settings::{GroupProtocol, GroupSettings, PublisherSettings};
pub use topic_appender::{AppenderSettings, RecordToAppend, TopicAppender};
pub use topic_reader::{OnBounds, ReadError, ReceivedRecord, TopicReader};
pub use topics::{NewTopic, TopicError, create_missing_topics};
