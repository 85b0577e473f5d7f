//! Waiting for replicas before an order is answered 202 (REDIS_WAIT_REPLICAS).

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, HashesInterface, ServerInterface};
use fred::types::Key;
use fred::types::config::Options;

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
    /// Waits until enough replicas have acknowledged all writes of this connection, at the node that holds `key`.
    ///
    /// # Errors
    /// When too few have in time. The writes stand: a retry with the same key finds them.
    pub(crate) async fn on_replicas(&self, client: &Client, key: &Key) -> Result<(), GateError> {
        let Replicas { wanted, within } = self.replicas;
        if wanted == 0 {
            return Ok(());
        }
        // From Redis 7.2 on, WAIT covers the connection's own writes only. An order that was found, not written, needs a
        // write to wait for; this one changes nothing.
        let touched = client.hincrby::<i64, _, _>(key.clone(), "seq", 0);
        self.timed("wait", touched).await?;
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
            let error = GateError::TooFewReplicas { has, wanted };
            self.count(&error);
            return Err(error);
        }
        Ok(())
    }
}
