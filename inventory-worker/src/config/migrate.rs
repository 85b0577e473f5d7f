use clap::Args;
use fluxgate_service::settings::Switch;

/// What `migrate` makes where it is missing.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Schema and topics")]
pub struct MigrateSettings {
    /// Whether `run` brings schema and topics up to date first
    #[arg(long, env = "MIGRATE_ON_START", default_value = "on")]
    pub migrate_on_start: Switch,

    /// Partitions of the topic
    #[arg(long, env = "KAFKA_PARTITIONS", default_value_t = 12, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub kafka_partitions: i32,

    /// Copies of each partition
    #[arg(long, env = "KAFKA_REPLICATION", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=10))]
    pub kafka_replication: i32,

    /// Milliseconds that the topic keeps records; -1: for ever
    #[arg(long, env = "KAFKA_RETENTION_MS", default_value_t = -1, allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..))]
    pub kafka_retention_ms: i64,
}
