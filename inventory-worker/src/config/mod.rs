//! Every setting of the service: one struct per concern, the variable's name beside each field.
//!
//! `inventory-worker --help` prints the table. A bad or missing setting ends the program with exit
//! code 2 and the variable's name.

mod batch;
mod consumer;
mod database;
mod migrate;

pub use batch::BatchSettings;
pub use consumer::{ConsumerSettings, GroupProtocol};
pub use database::DatabaseSettings;
pub use migrate::MigrateSettings;

use clap::{Args, Parser, Subcommand};
use fluxgate_service::settings::{HttpSettings, KafkaSettings, LogSettings, ShutdownSettings};
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

/// What the program is asked to do; `run` when nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Write orders until told to stop
    Run,
    /// Bring the schema and the topics up to date, then end
    Migrate,
    /// ReservationRequest the worker that runs on HTTP_ADDR whether it is ready: exit code 0, or 1
    Health,
}

/// All settings, for both commands.
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
