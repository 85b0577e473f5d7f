//! What the stores hold, read without any of the programs under test: of a sandbox, or of services
//! that run elsewhere.

mod drain;
mod holds;
mod kafka;
mod postgres;
mod reassignment;
mod record;
mod redis;
mod slow_log;

pub use drain::Ends;
pub use kafka::Topic;
pub use postgres::{Connection, Placed, Postgres};
pub use reassignment::move_partition;
pub use record::Record;
pub use redis::{Redis, SavedSale, queue_keys, sale_key, sale_keys};

use anyhow::{Result, anyhow};
use clap::Parser;
use fluxgate_service::settings::{KafkaSettings, PostgresSettings, RedisSettings};

use crate::checker::StoreContents;
use crate::order::Sale;

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

    #[command(flatten)]
    redis: RedisSettings,

    #[command(flatten)]
    postgres: PostgresSettings,
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
        let redis = settings.redis;
        Ok(Self {
            redis: Redis::connect(&redis.redis_url, redis.redis_ca_file.as_ref()).await?,
            topic: Topic::of(&settings.kafka, &settings.kafka_group)?,
            postgres: Postgres(settings.postgres),
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
            rows: self.postgres.rows(product).await?,
            ledger: self.postgres.ledger(product).await?,
            changes: self.postgres.changes(product).await?,
            queue_numbers: self.postgres.queue_numbers(product).await?,
            expiries: self.postgres.expiries(product).await?,
            dead_letters: self.postgres.dead_letters_of(product).await?,
        })
    }
}
