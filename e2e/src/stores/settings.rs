use anyhow::{Result, anyhow};
use clap::Parser;
use fluxgate_service::settings::{CaCertificates, KafkaSettings};

/// How the stores of a deployment are reached: by the variables that its services are started with.
#[derive(Debug, Parser)]
pub struct Settings {
    /// Brokers and topic
    #[command(flatten)]
    pub kafka: KafkaSettings,

    /// Consumer group of the workers
    #[arg(long, env = "KAFKA_GROUP", default_value = "inventory-group")]
    pub kafka_group: String,

    /// Redis
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: String,

    /// Who vouches for it
    #[arg(long, env = "REDIS_CA_FILE")]
    pub redis_ca_file: Option<CaCertificates>,

    /// PostgreSQL
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,

    /// Who vouches for it
    #[arg(long, env = "DATABASE_CA_FILE")]
    pub database_ca_file: Option<CaCertificates>,
}

impl Settings {
    /// Reads the variables, and nothing else.
    ///
    /// # Errors
    /// When one is missing or bad, with its name.
    pub fn from_env() -> Result<Self> {
        Self::try_parse_from(["stores"]).map_err(|error| {
            let text = error.to_string();
            let (what, _usage) = text.split_once("\n\n").unwrap_or((&text, ""));
            anyhow!("the stores' settings in the environment: {what}")
        })
    }
}
