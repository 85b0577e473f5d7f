//! Services that run, started by a test, by compose or by Kubernetes, and the stores behind them.

use anyhow::{Context, Result, anyhow};

use crate::client::{ADMIN_TIMEOUT, Client};
use crate::order::{Action, Sale};
use crate::stores::Stores;
use crate::wait::stop_signal;

/// Where the API answers, and the stores behind it.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Instances of the API, or one address that leads to all of them.
    pub urls: Vec<String>,
    pub admin_token: String,
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

    /// An admin of the first instance.
    pub fn admin(&self) -> Result<Client> {
        let url = self.urls.first().context("no URL was given")?;
        Client::with(url, &self.admin_token, ADMIN_TIMEOUT)
    }

    /// Opens these sales for as long as `act` takes or until a signal comes; then closes them, so
    /// that Redis forgets them after a while.
    pub async fn with_sales<T>(
        &self,
        sales: &[Sale],
        act: impl AsyncFnOnce() -> Result<T>,
    ) -> Result<T> {
        let admin = self.admin()?;
        let open_and_act = async {
            for sale in sales {
                admin.open(sale).await?;
            }
            act().await
        };
        let outcome = tokio::select! {
            outcome = open_and_act => outcome,
            signal = stop_signal() => Err(anyhow!("stopped by {}", signal?)),
        };
        let mut closed = Ok(());
        for sale in sales {
            closed = closed.and(admin.expect_done(sale, Action::Close).await);
        }
        let outcome = outcome?;
        closed?;
        Ok(outcome)
    }
}
