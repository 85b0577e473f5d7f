//! What an operator can do to the topic of a run.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;

use crate::sandbox::Sandbox;

/// The topic of a sandbox's orders.
pub struct Topic {
    name: String,
    admin: AdminClient<DefaultClientContext>,
}

impl Topic {
    /// The topic of `sandbox`.
    ///
    /// # Errors
    /// When a client cannot be built.
    pub fn of(sandbox: &Sandbox) -> Result<Self> {
        let admin = ClientConfig::new()
            .set("bootstrap.servers", &sandbox.stack.kafka_brokers)
            .create()
            .context("building a Kafka admin client")?;
        Ok(Self {
            name: sandbox.stores.log.topic().to_owned(),
            admin,
        })
    }

    /// The largest batch that it takes, from now on.
    ///
    /// # Errors
    /// When Kafka does not do it.
    pub async fn allow_bytes(&self, bytes: usize) -> Result<()> {
        let bytes = bytes.to_string();
        // All settings are given: those left out would go back to their defaults.
        let config = AlterConfig::new(ResourceSpecifier::Topic(&self.name))
            .set("max.message.bytes", &bytes)
            .set("retention.ms", "-1");
        let done = self.admin.alter_configs(&[config], &options()).await?;
        for outcome in done {
            outcome.map_err(|(_, error)| anyhow!("changing the topic: {error}"))?;
        }
        Ok(())
    }

    /// Adds partitions until it has so many.
    ///
    /// # Errors
    /// When Kafka does not do it.
    pub async fn grow_to(&self, partitions: usize) -> Result<()> {
        let wanted = NewPartitions::new(&self.name, partitions);
        let done = self.admin.create_partitions(&[wanted], &options()).await?;
        for outcome in done {
            outcome.map_err(|(_, error)| anyhow!("adding partitions: {error}"))?;
        }
        Ok(())
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(Duration::from_secs(10)))
}
