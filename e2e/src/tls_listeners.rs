//! The stores' encrypted listeners. Each asks for a password and shows a certificate that only the
//! stack's own certificate authority has signed.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::process::{Settings, changed};

/// Where they are, and how to log in.
#[derive(Debug, Clone)]
pub struct TlsListeners {
    /// Redis, without a database number.
    pub redis_url: String,
    pub kafka_brokers: String,
    /// PostgreSQL, without a schema. The certificate's name is checked, too.
    pub database_url: String,
    pub ca_file: String,
    pub username: String,
    pub password: String,
}

impl TlsListeners {
    /// Reads the variables that `scripts/stack env` prints.
    pub fn from_env() -> Result<Self> {
        let variable = |name| std::env::var(name).with_context(|| format!("{name} is not set"));
        Ok(Self {
            redis_url: variable("SECURE_REDIS_URL")?,
            kafka_brokers: variable("SECURE_KAFKA_BROKERS")?,
            database_url: variable("SECURE_DATABASE_URL")?,
            ca_file: variable("SECURE_CA_FILE")?,
            username: variable("SECURE_USERNAME")?,
            password: variable("SECURE_PASSWORD")?,
        })
    }

    /// The same settings, but through these listeners: same Redis database, same schema.
    pub fn instead_of(&self, settings: &Settings) -> Result<Settings> {
        let redis = reqwest::Url::parse(&settings["REDIS_URL"]).context("reading REDIS_URL")?;
        let schema = settings["DATABASE_URL"].split_once("options=");
        let (_, schema) = schema.context("no schema")?;
        let redis_url = format!("{}{}", self.redis_url, redis.path());
        let database_url = format!("{}&options={schema}", self.database_url);
        let through = [
            ("REDIS_URL", &*redis_url),
            ("DATABASE_URL", &database_url),
            ("KAFKA_BROKERS", &self.kafka_brokers),
            ("REDIS_CA_FILE", &self.ca_file),
            ("DATABASE_CA_FILE", &self.ca_file),
            ("KAFKA_CA_FILE", &self.ca_file),
            ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl"),
            ("KAFKA_USERNAME", &self.username),
            ("KAFKA_PASSWORD", &self.password),
        ];
        Ok(changed(settings, &through))
    }

    /// A file beside the authority's certificate, which the servers themselves use.
    pub(crate) fn server_file(&self, name: &str) -> String {
        let path = PathBuf::from(&self.ca_file).with_file_name(name);
        path.to_string_lossy().into_owned()
    }
}
