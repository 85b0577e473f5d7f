//! Services that run, wherever they do: started by a test, by compose, by Kubernetes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::client::Client;
use crate::order::Sale;
use crate::stores::Stores;

/// Longest that whoever runs a sale waits for an answer: a change waits up to 8 seconds for Kafka.
const ADMIN_PATIENCE: Duration = Duration::from_secs(15);

/// Where its API answers, and the stores behind it.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Copies of the API, or one place that leads to all of them.
    pub urls: Vec<String>,
    /// The administrator's word.
    pub admin_token: String,
    /// What its services write to.
    pub stores: Stores,
}

impl Deployment {
    /// The deployment at these URLs. The rest is in the variables that its services are started with.
    ///
    /// # Errors
    /// When a variable is not set, or Redis does not answer.
    pub async fn from_env(urls: &[String]) -> Result<Self> {
        Ok(Self {
            urls: urls.to_vec(),
            admin_token: std::env::var("ADMIN_TOKEN").context("ADMIN_TOKEN is not set")?,
            stores: Stores::from_env().await?,
        })
    }

    /// Whoever runs the sale.
    ///
    /// # Errors
    /// When there is no URL, or the HTTP client cannot be built.
    pub fn admin(&self) -> Result<Client> {
        let url = self.urls.first().context("no URL was given")?;
        Client::with(url, &self.admin_token, ADMIN_PATIENCE)
    }

    /// Ends these sales, so that Redis forgets them after a while.
    ///
    /// # Errors
    /// When one cannot be closed.
    pub async fn close(&self, sales: &[Sale]) -> Result<()> {
        let admin = self.admin()?;
        for sale in sales {
            let path = format!("/products/{}/close", sale.product);
            let (status, body) = admin.change(&path, "close", &serde_json::json!({})).await?;
            ensure!(status == 200, "closing {}: {status} {body}", sale.product);
        }
        Ok(())
    }
}
