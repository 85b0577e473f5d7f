//! Every setting of the program.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use fluxgate_domain::ids::ProductId;
use fluxgate_service::settings::RedisSettings;
use fluxgate_service::settings::{CaCertificates, KafkaSettings, LogSettings};

/// Compares what Redis, Kafka and PostgreSQL say about the sales, and repairs what was lost
#[derive(Debug, Clone, Parser)]
#[command(name = "reconciler", version)]
#[allow(missing_docs)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub settings: Settings,
}

/// What the program is asked to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Compare all stores, while the sales run. Exit code 0: all right, 1: something is wrong, 2:
    /// nobody can tell now
    Audit(Audit),
    /// Publish what Redis remembers and PostgreSQL lacks: after Kafka has lost the end of its log
    Republish(Republish),
    /// Stop a sale, and fill Redis with what PostgreSQL has of it: after Redis has lost writes. Exit
    /// code 0: it sells again, 1: refused, 2: not finished; run it again
    Rebuild {
        /// The product whose sale is rebuilt
        #[arg(required = true, value_parser = product)]
        products: Vec<ProductId>,
    },
}

/// Which sales.
#[derive(Debug, Clone, Args)]
pub struct Products {
    /// Only these products [default: all that any store knows]
    #[arg(value_parser = product)]
    pub products: Vec<ProductId>,
}

/// What to compare.
#[derive(Debug, Clone, Args)]
pub struct Audit {
    /// Which sales.
    #[command(flatten)]
    pub products: Products,

    /// Also the sales that Redis has let go of, ORDER_RECORD_TTL_SECONDS after their end
    #[arg(long)]
    pub all: bool,
}

/// How to publish again.
#[derive(Debug, Clone, Args)]
pub struct Republish {
    /// Which sales.
    #[command(flatten)]
    pub products: Products,

    /// Take partitions whose log ends before their position as what they are: Kafka has lost the
    /// difference. Moves those positions back to the end of the log, so that workers read on
    #[arg(long)]
    pub accept_shorter_log: bool,
}

/// Where the stores are.
#[derive(Debug, Clone, Args)]
#[allow(missing_docs)]
pub struct Settings {
    #[command(flatten)]
    pub redis: RedisSettings,
    #[command(flatten)]
    pub kafka: KafkaSettings,

    /// PostgreSQL, as the worker knows it
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,

    /// PEM file of the authorities that vouch for it [default: those of the system]
    #[arg(long, env = "DATABASE_CA_FILE")]
    pub database_ca_file: Option<CaCertificates>,

    /// Seconds to wait for the workers to write what is on Kafka
    #[arg(long, env = "RECONCILE_WAIT_SECONDS", default_value_t = 30, global = true, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub reconcile_wait_seconds: u64,

    /// Seconds that a sale's records are kept in Redis after it has closed
    #[arg(long, env = "ORDER_RECORD_TTL_SECONDS", default_value_t = 604_800, global = true, value_parser = clap::value_parser!(u64).range(1..=315_360_000))]
    pub order_record_ttl_seconds: u64,

    #[command(flatten)]
    pub log: LogSettings,
}

impl Settings {
    /// How long to wait for the workers.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.reconcile_wait_seconds)
    }

    /// For how long Redis has a sale after its end.
    pub fn record_ttl(&self) -> Duration {
        Duration::from_secs(self.order_record_ttl_seconds)
    }
}

fn product(text: &str) -> Result<ProductId, String> {
    ProductId::parse(text).map_err(|error| error.to_string())
}
