//! Every setting of the service. `inventory-worker --help` prints the table.
//!
//! If a setting is missing or invalid, the program prints its name and exits with code 2.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use fluxgate_ledger::{Ledger, UrlError};
use fluxgate_log::GroupSettings;
use fluxgate_service::settings::{
    KafkaSettings, LogSettings, PostgresSettings, ShutdownSettings, Switch,
};
use fluxgate_service::traces::TraceSettings;

/// Writes a flash sale's orders from Kafka to PostgreSQL, in batches, exactly once
#[derive(Debug, Clone, Parser)]
#[command(name = "inventory-worker", version)]
#[allow(missing_docs)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub config: Config,
}

/// What the program does; `run` if none is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Write orders until SIGTERM
    Run,
    /// Bring the schema and the topics up to date, then exit
    Migrate,
    /// Ask the worker on HTTP_ADDR whether it is ready: exit code 0 if so, otherwise 1
    Health,
}

/// All settings, for every command.
#[derive(Debug, Clone, Args)]
#[allow(missing_docs)]
pub struct Config {
    #[command(flatten)]
    pub http: HttpSettings,
    #[command(flatten)]
    pub kafka: KafkaSettings,
    #[command(flatten)]
    pub consumer: ConsumerSettings,
    #[command(flatten)]
    pub database: DatabaseSettings,
    #[command(flatten)]
    pub batch: BatchSettings,
    #[command(flatten)]
    pub migrate: MigrateSettings,
    #[command(flatten)]
    pub shutdown: ShutdownSettings,
    #[command(flatten)]
    pub log: LogSettings,
    #[command(flatten)]
    pub traces: TraceSettings,
}

/// The HTTP listener.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpSettings {
    /// Address and port for probes and /metrics
    #[arg(long, env = "HTTP_ADDR", default_value = "127.0.0.1:8081")]
    pub http_addr: SocketAddr,
}

/// The consumer group and the topic for dead letters.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Consumer group")]
pub struct ConsumerSettings {
    /// Topic that gets a copy of every dead letter
    #[arg(long, env = "KAFKA_DLQ_TOPIC", default_value = "orders.dlq")]
    pub kafka_dlq_topic: String,

    /// Consumer group
    #[arg(long, env = "KAFKA_GROUP", default_value = "inventory-group")]
    pub kafka_group: String,

    /// How the worker takes part in the group.
    #[command(flatten)]
    pub membership: GroupSettings,
}

/// The connection to PostgreSQL.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "PostgreSQL")]
pub struct DatabaseSettings {
    /// The database.
    #[command(flatten)]
    pub postgres: PostgresSettings,

    /// Milliseconds that writing a batch may take before the attempt is abandoned and retried
    #[arg(long, env = "FLUSH_TIMEOUT_MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
    pub flush_timeout_ms: u64,
}

impl DatabaseSettings {
    /// The ledger, with connections for this many writers.
    ///
    /// # Errors
    /// When DATABASE_URL or DATABASE_CA_FILE cannot be used.
    pub fn connect(&self, writers: u32) -> Result<Ledger, UrlError> {
        let timeout = Duration::from_millis(self.flush_timeout_ms);
        Ledger::connect(&self.postgres, "inventory-worker", writers, timeout)
    }
}

/// When a batch is written.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Batches")]
pub struct BatchSettings {
    /// Number of records at which a batch is written
    #[arg(long, env = "BATCH_MAX_ROWS", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub batch_max_rows: u32,

    /// Milliseconds after its first record until a batch is written, however small it is
    #[arg(long, env = "BATCH_MAX_AGE_MS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub batch_max_age_ms: u64,

    /// Milliseconds between two small batches of a writer. If it had none for that long, what has come is written as soon as
    /// no more records are waiting to be read
    #[arg(long, env = "BATCH_INTERVAL_MS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pub batch_interval_ms: u64,

    /// Batches written concurrently, each from different partitions and over its own connection
    #[arg(long, env = "BATCH_WRITERS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub batch_writers: u32,

    /// Maximum dead letters per partition in one batch. With more, the partition is halted, because the fault is
    /// then not in single records
    #[arg(long, env = "DEAD_LETTERS_MAX_PER_BATCH", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=50_000))]
    pub dead_letters_max_per_batch: u32,
}

impl BatchSettings {
    /// The longest that a record waits for others to join its batch.
    pub fn max_age(&self) -> Duration {
        Duration::from_millis(self.batch_max_age_ms)
    }

    /// The shortest time between two small batches of a writer.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.batch_interval_ms)
    }
}

/// What `migrate` creates if it is missing.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Schema and topics")]
pub struct MigrateSettings {
    /// Whether `run` first brings the schema and the topics up to date
    #[arg(long, env = "MIGRATE_ON_START", default_value = "on")]
    pub migrate_on_start: Switch,

    /// Partitions of the topic
    #[arg(long, env = "KAFKA_PARTITIONS", default_value_t = 12, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub kafka_partitions: i32,

    /// Replicas per partition
    #[arg(long, env = "KAFKA_REPLICATION", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=10))]
    pub kafka_replication: i32,

    /// Milliseconds for which the topic keeps records; -1: forever
    #[arg(long, env = "KAFKA_RETENTION_MS", default_value_t = -1, allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pub kafka_retention_ms: i64,
}
