//! All settings of the program.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use fluxgate_domain::ids::ProductId;
use fluxgate_service::settings::{KafkaSettings, LogSettings, PostgresSettings, RedisSettings};

/// Compares what Redis, Kafka and PostgreSQL hold about the sales, and repairs what was lost
#[derive(Debug, Clone, Parser)]
#[command(name = "reconciler", version)]
#[allow(missing_docs)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub settings: Settings,
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Compare all stores while the sales run. Exit code 0: right, 1: wrong, 2:
    /// undecided
    Audit(Audit),
    /// Let the workers read a log that is not the one they have read, from its beginning. Exit code 0: done, 1: a
    /// partition is not halted, 2: undecided
    AcceptLog(AcceptLog),
    /// Publish the records in Redis that PostgreSQL lacks, after Kafka has lost records
    Republish(Products),
    /// Stop a sale and restore its Redis data from PostgreSQL, after Redis has lost writes. Exit
    /// code 0: the sale is open again, 1: refused, 2: not finished, run it again
    Rebuild {
        /// Products whose sales are rebuilt
        #[arg(required = true, value_parser = product)]
        products: Vec<ProductId>,
    },
}

/// The sales to process.
#[derive(Debug, Clone, Args)]
pub struct Products {
    /// Only these products [default: all products of all stores]
    #[arg(value_parser = product)]
    pub products: Vec<ProductId>,
}

/// Arguments of `audit`.
#[derive(Debug, Clone, Args)]
pub struct Audit {
    /// The sales to process.
    #[command(flatten)]
    pub products: Products,

    /// Include retired sales: gone from Redis ORDER_RECORD_TTL_SECONDS after their end
    #[arg(long)]
    pub all: bool,
}

/// Arguments of `accept-log`.
#[derive(Debug, Clone, Args)]
pub struct AcceptLog {
    /// Only these partitions [default: all that are halted]
    #[arg(value_parser = clap::value_parser!(i32).range(0..))]
    pub partitions: Vec<i32>,

    /// The program that is to read the log
    #[arg(long, default_value = "inventory-worker")]
    pub consumer: String,
}

/// Connections to the stores.
#[derive(Debug, Clone, Args)]
#[allow(missing_docs)]
pub struct Settings {
    #[command(flatten)]
    pub redis: RedisSettings,
    #[command(flatten)]
    pub kafka: KafkaSettings,

    #[command(flatten)]
    pub postgres: PostgresSettings,

    /// Seconds to wait for the workers to write what is on Kafka
    #[arg(long, env = "RECONCILE_WAIT_SECONDS", default_value_t = 30, global = true, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub reconcile_wait_seconds: u64,

    /// Seconds for which Redis keeps a sale's records after the sale has closed
    #[arg(long, env = "ORDER_RECORD_TTL_SECONDS", default_value_t = 604_800, global = true, value_parser = clap::value_parser!(u64).range(1..=315_360_000))]
    pub order_record_ttl_seconds: u64,

    #[command(flatten)]
    pub log: LogSettings,
}

impl Settings {
    /// The longest wait for the workers.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.reconcile_wait_seconds)
    }

    /// How long Redis keeps a sale after its end.
    pub fn record_ttl(&self) -> Duration {
        Duration::from_secs(self.order_record_ttl_seconds)
    }
}

fn product(text: &str) -> Result<ProductId, String> {
    ProductId::parse(text).map_err(|error| error.to_string())
}
