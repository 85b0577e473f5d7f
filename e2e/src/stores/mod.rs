//! The stores of one deployment, as an onlooker sees them: his own sandbox's, or those of services that run elsewhere.

mod flow;

use anyhow::{Context, Result};

use crate::truth::{Database, Gate, Log};

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
        let required = |name| std::env::var(name).with_context(|| format!("{name} is not set"));
        let or = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
        let redis_url = required("REDIS_URL")?;
        let (brokers, database_url) = (required("KAFKA_BROKERS")?, required("DATABASE_URL")?);
        let topic = or("KAFKA_TOPIC", "orders");
        let group = or("KAFKA_GROUP", "inventory-group");
        Ok(Self {
            gate: Gate::connect(&redis_url).await?,
            log: Log::new(&brokers, &topic, &group)?,
            database: Database::new(&database_url),
        })
    }
}
