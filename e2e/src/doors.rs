//! The stores' encrypted doors: each asks for a password, and shows a certificate that only the stack's own
//! authority vouches for.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::process::Settings;

/// Where they are, and what opens them.
#[derive(Debug, Clone)]
pub struct Doors {
    /// Redis, without a database number.
    pub redis_url: String,
    /// Kafka's bootstrap brokers.
    pub kafka_brokers: String,
    /// PostgreSQL, without a schema. The certificate's name is checked, too.
    pub database_url: String,
    /// The authority's certificate.
    pub ca_file: String,
    /// Who may enter, at all three.
    pub username: String,
    /// With this password.
    pub password: String,
}

impl Doors {
    /// Reads the variables that `scripts/stack env` prints.
    ///
    /// # Errors
    /// When one of them is not set.
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

    /// The same settings, but through these doors: same Redis database, same schema.
    ///
    /// # Errors
    /// When a URL among them cannot be read.
    pub fn instead_of(&self, settings: Settings) -> Result<Settings> {
        let mut through = Settings::new();
        for (name, value) in settings {
            let value = match name.as_str() {
                "REDIS_URL" => {
                    let url = reqwest::Url::parse(&value).context("reading REDIS_URL")?;
                    format!("{}{}", self.redis_url, url.path())
                }
                "DATABASE_URL" => {
                    let (_, schema) = value.split_once("options=").context("no schema")?;
                    format!("{}&options={schema}", self.database_url)
                }
                "KAFKA_BROKERS" => self.kafka_brokers.clone(),
                _ => value,
            };
            through.push((name, value));
        }
        let more = [
            ("REDIS_CA_FILE", &*self.ca_file),
            ("DATABASE_CA_FILE", &self.ca_file),
            ("KAFKA_CA_FILE", &self.ca_file),
            ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl"),
            ("KAFKA_USERNAME", &self.username),
            ("KAFKA_PASSWORD", &self.password),
        ];
        through.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Ok(through)
    }

    /// A file beside the authority's certificate, which the servers themselves use.
    pub(crate) fn server_file(&self, name: &str) -> String {
        let path = PathBuf::from(&self.ca_file).with_file_name(name);
        path.to_string_lossy().into_owned()
    }
}
