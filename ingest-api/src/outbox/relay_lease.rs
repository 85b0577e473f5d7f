use std::time::{Duration, Instant};

use fluxgate_gate::{GateError, ReservationStore};

/// How long the lease lasts: the longest pause of the relay after its instance stops.
const LEASE: Duration = Duration::from_secs(3);

/// The relay lease, as one instance asks for it: at most one instance at a time is to run the relay.
pub struct RelayLease {
    store: ReservationStore,
    /// Identifies this instance in the lease.
    instance: String,
}

impl RelayLease {
    /// A lease that is not taken yet.
    pub fn new(store: ReservationStore) -> Self {
        Self {
            store,
            instance: uuid::Uuid::new_v4().to_string(),
        }
    }

    /// Takes or renews the lease; false if another instance has it.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn take(&self) -> Result<bool, GateError> {
        self.store.take_relay_lease(&self.instance, LEASE).await
    }

    /// Renews the lease until it is lost: another instance has it, or Redis has not renewed it in time.
    pub async fn keep(&self) {
        let mut renewed_at = Instant::now();
        while renewed_at.elapsed() < LEASE {
            tokio::time::sleep(LEASE / 3).await;
            let asked_at = Instant::now();
            match self.take().await {
                Ok(true) => renewed_at = asked_at,
                Ok(false) => return,
                Err(error) => tracing::debug!(%error, "relay lease not renewed; trying again"),
            }
        }
    }
}
