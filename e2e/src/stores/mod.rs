//! The stores of one deployment, as an onlooker sees them: his own sandbox's, or those of services that run elsewhere.

mod flow;
mod settings;

use anyhow::Result;

use crate::truth::{Database, Gate, Log};
use settings::Settings;

/// Redis, Kafka and PostgreSQL under one set of names.
#[derive(Debug, Clone)]
pub struct Stores {
    /// The tables.
    pub database: Database,
    /// The Redis database.
    pub gate: Gate,
    /// The topic of orders.
    pub log: Log,
}

impl Stores {
    /// The stores of a deployment, by the variables that its services are started with.
    ///
    /// # Errors
    /// When one is not set, or Redis does not answer.
    pub async fn from_env() -> Result<Self> {
        let settings = Settings::from_env()?;
        let authorities = settings.redis_ca_file.as_ref();
        Ok(Self {
            gate: Gate::connect_through(&settings.redis_url, authorities).await?,
            log: Log::of(&settings.kafka, &settings.kafka_group)?,
            database: Database::behind(&settings.database_url, settings.database_ca_file),
        })
    }
}
