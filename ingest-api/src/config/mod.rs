//! Every setting of the service: one struct per concern, the variable's name beside each field.
//!
//! `ingest-api --help` prints the table. A bad or missing setting ends the program with exit
//! code 2 and the variable's name.

mod admin;
mod compat;
mod connections;
mod ledger;
mod limits;
mod ops;
mod outbox;
mod publisher;
mod sold_out;

pub use admin::AdminSettings;
pub use compat::CompatSettings;
pub use connections::ConnectionSettings;
pub use ledger::LedgerSettings;
pub use limits::LimitSettings;
pub use ops::OpsSettings;
pub use outbox::OutboxSettings;
pub use publisher::PublisherSettings;
pub use sold_out::SoldOutSettings;

use clap::{Args, Parser, Subcommand};
use fluxgate_service::settings::{
    HttpSettings, KafkaSettings, LogSettings, RedisSettings, ShutdownSettings,
};
use fluxgate_service::traces::TraceSettings;

/// Takes a flash sale's orders over HTTP and sells exactly the stock there is
#[derive(Debug, Clone, Parser)]
#[command(name = "ingest-api", version)]
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
    /// Take orders until told to stop
    Run,
    /// ReservationRequest the copy that runs on OPS_ADDR, or else on HTTP_ADDR, whether it is ready: exit code 0, or 1
    Health,
}

/// All settings.
#[derive(Debug, Clone, Args)]
#[allow(missing_docs)]
pub struct Config {
    #[command(flatten)]
    pub http: HttpSettings,
    #[command(flatten)]
    pub ops: OpsSettings,
    #[command(flatten)]
    pub connections: ConnectionSettings,
    #[command(flatten)]
    pub limits: LimitSettings,
    #[command(flatten)]
    pub admin: AdminSettings,
    #[command(flatten)]
    pub redis: RedisSettings,
    #[command(flatten)]
    pub sold_out: SoldOutSettings,
    #[command(flatten)]
    pub kafka: KafkaSettings,
    #[command(flatten)]
    pub publisher: PublisherSettings,
    #[command(flatten)]
    pub outbox: OutboxSettings,
    #[command(flatten)]
    pub ledger: LedgerSettings,
    #[command(flatten)]
    pub compat: CompatSettings,
    #[command(flatten)]
    pub shutdown: ShutdownSettings,
    #[command(flatten)]
    pub log: LogSettings,
    #[command(flatten)]
    pub traces: TraceSettings,
}
