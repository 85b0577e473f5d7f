//! Orders that must not be answered 202 before replicas have them.

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, HashesInterface, ServerInterface};
use fred::types::config::Options;
use fred::types::{ClusterHash, Key};
use fred::util::redis_keyslot;

use crate::{GateError, ReservationStore};
use fluxgate_service::settings::RedisSettings;

/// How many replicas must have an order, and how long that may take.
#[derive(Debug, Clone, Copy)]
pub struct Replicas {
    wanted: u8,
    within: Duration,
}

impl Replicas {
    pub fn of(settings: &RedisSettings) -> Self {
        Self {
            wanted: settings.redis_wait_replicas,
            // Redis answers before the client gives the command up.
            within: Duration::from_millis(settings.redis_timeout_ms / 2),
        }
    }
}

impl ReservationStore {
    /// Waits until enough replicas have all that was written on this connection, at the node that
    /// holds `key`.
    ///
    /// # Errors
    /// When they have not in time. What was written stands all the same: the same key tells.
    pub(crate) async fn on_replicas(&self, client: &Client, key: &Key) -> Result<(), GateError> {
        let Replicas { wanted, within } = self.replicas;
        if wanted == 0 {
            return Ok(());
        }
        // From Redis 7.2 on, a connection waits for what it has written itself, and an order that was
        // found, not written, would be answered for on an earlier write's word. This changes nothing.
        let touched = client.hincrby::<i64, _, _>(key.clone(), "seq", 0);
        self.timed("wait", touched).await?;
        let here = Options {
            // Sent again on a new connection it would ask a promoted replica about nothing at all.
            max_attempts: Some(1),
            fail_fast: true,
            cluster_hash: Some(ClusterHash::Custom(redis_keyslot(key.as_bytes()))),
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
