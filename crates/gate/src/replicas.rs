//! Waiting for replicas before an order is answered 202 (REDIS_WAIT_REPLICAS).

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, ServerInterface};
use fred::types::config::Options;
use fred::types::{Key, Value};
use futures_util::future::join_all;

use crate::{GateError, ReservationStore};
use fluxgate_service::settings::RedisSettings;

/// Replicas that must acknowledge an order, and the time they have.
#[derive(Debug, Clone, Copy)]
pub struct Replicas {
    wanted: u8,
    within: Duration,
}

impl Replicas {
    pub fn of(settings: &RedisSettings) -> Self {
        Self {
            wanted: settings.redis_wait_replicas,
            // Less than the command timeout, so that Redis answers before the client gives up.
            within: Duration::from_millis(settings.redis_timeout_ms / 2),
        }
    }
}

impl ReservationStore {
    /// As [`Self::each_on_replicas`], for one sale.
    pub(crate) async fn on_replicas(&self, client: &Client, sale: &Key) -> Result<(), GateError> {
        let outcomes = self.each_on_replicas(client, &[sale]).await;
        outcomes.into_iter().collect()
    }

    /// Waits until enough replicas have acknowledged all writes of this connection, at the node that holds these sale hashes.
    /// One outcome per sale: an error if too few have in time, or if the sale hash is gone. The writes stand: a retry with
    /// the same key finds them.
    pub(crate) async fn each_on_replicas(
        &self,
        client: &Client,
        sales: &[&Key],
    ) -> Vec<Result<(), GateError>> {
        if self.replicas.wanted == 0 || sales.is_empty() {
            return vec![Ok(()); sales.len()];
        }
        // From Redis 7.2 on, WAIT covers the connection's own writes only. An order that was found, not written, needs a
        // write to wait for; this one changes nothing.
        let touched = join_all(sales.iter().map(|sale| self.touch(client, sale))).await;
        let waited = match touched.iter().any(Result::is_ok) {
            true => self.wait(client).await,
            false => Ok(()),
        };
        let outcomes = touched.into_iter();
        outcomes
            .map(|touched| touched.and_then(|()| waited.clone()))
            .collect()
    }

    async fn touch(&self, client: &Client, sale: &Key) -> Result<(), GateError> {
        let script = &self.scripts.touch_sale;
        let none: Vec<Value> = Vec::new();
        let touched = script.evalsha_with_reload(client, vec![sale.clone()], none);
        match self.timed("wait", touched).await? {
            true => Ok(()),
            // The sale is gone, so there is nothing that replicas could acknowledge.
            false => Err(self.too_few(0)),
        }
    }

    async fn wait(&self, client: &Client) -> Result<(), GateError> {
        let Replicas { wanted, within } = self.replicas;
        let here = Options {
            // Sent again on a new connection, WAIT would cover none of the writes.
            max_attempts: Some(1),
            fail_fast: true,
            ..Options::default()
        };
        let within = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        let client = client.with_options(&here);
        let wait = client.wait::<i64>(wanted.into(), within);
        let has = self.timed("wait", wait).await?;
        if has < i64::from(wanted) {
            return Err(self.too_few(has));
        }
        Ok(())
    }

    fn too_few(&self, has: i64) -> GateError {
        let wanted = self.replicas.wanted;
        let error = GateError::TooFewReplicas { has, wanted };
        self.count(&error);
        error
    }
}
