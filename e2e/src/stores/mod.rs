//! What the stores hold, read without any of the programs under test: of a sandbox, or of services
//! that run elsewhere.

mod drain;
mod kafka;
mod postgres;
mod redis;

pub use drain::Ends;
pub use kafka::{Record, Topic};
pub use postgres::{Positions, Postgres, WriteLock};
pub use redis::{Redis, SavedSale};

use anyhow::{Result, anyhow};
use clap::Parser;
use fluxgate_service::settings::{CaCertificates, KafkaSettings};

use crate::checker::StoreContents;
use crate::order::{Sale, buyer_number};

/// Redis, Kafka and PostgreSQL under one set of names.
#[derive(Debug, Clone)]
pub struct Stores {
    pub postgres: Postgres,
    pub redis: Redis,
    /// The topic of orders.
    pub topic: Topic,
}

/// How the stores of a deployment are reached: by the variables that its services are started with.
#[derive(Debug, Parser)]
struct Settings {
    #[command(flatten)]
    kafka: KafkaSettings,

    /// Consumer group of the workers
    #[arg(long, env = "KAFKA_GROUP", default_value = "inventory-group")]
    kafka_group: String,

    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    redis_url: String,

    #[arg(long, env = "REDIS_CA_FILE")]
    redis_ca_file: Option<CaCertificates>,

    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,

    #[arg(long, env = "DATABASE_CA_FILE")]
    database_ca_file: Option<CaCertificates>,
}

impl Stores {
    /// The stores of a deployment, by the variables that its services are started with.
    ///
    /// # Errors
    /// When a variable is missing or invalid, with its name, or Redis does not answer.
    pub async fn from_env() -> Result<Self> {
        let settings = Settings::try_parse_from(["stores"]).map_err(|error| {
            let text = error.to_string();
            let (what, _usage) = text.split_once("\n\n").unwrap_or((&text, ""));
            anyhow!("the stores' settings in the environment: {what}")
        })?;
        let certificates = settings.redis_ca_file.as_ref();
        Ok(Self {
            redis: Redis::connect(&settings.redis_url, certificates).await?,
            topic: Topic::of(&settings.kafka, &settings.kafka_group)?,
            postgres: Postgres::new(&settings.database_url, settings.database_ca_file),
        })
    }

    /// What all stores hold of a sale.
    pub async fn contents(&self, sale: &Sale) -> Result<StoreContents> {
        self.contents_before(sale, &self.ends().await?).await
    }

    /// The same, where others order meanwhile: what they put on the topic behind `ends` does not
    /// count as lag.
    pub async fn contents_before(&self, sale: &Sale, ends: &Ends) -> Result<StoreContents> {
        let product = sale.product.as_str();
        Ok(StoreContents {
            opening_total: sale.total.into(),
            redis: self.redis.sale(&sale.product).await?,
            lag: self.lag(ends).await?,
            rows: self.postgres.rows(product, buyer_number).await?,
            ledger: self.postgres.ledger(product).await?,
            change_sequences: self.postgres.change_sequences(product).await?,
            changes: self.postgres.changes(product).await?,
            dead_letters: self.postgres.dead_letters_of(product).await?,
        })
    }
}
