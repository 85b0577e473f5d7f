//! Leases for work that one instance at a time is to do.

use std::time::{Duration, Instant};

use fluxgate_gate::{GateError, Lease, ReservationStore};

/// How long a lease lasts: the longest pause of the work after its instance stops.
const LENGTH: Duration = Duration::from_secs(3);

/// A lease, as one instance asks for it.
pub struct InstanceLease {
    store: ReservationStore,
    lease: Lease,
    /// Identifies this instance in the lease.
    instance: String,
}

impl InstanceLease {
    /// A lease that is not taken yet.
    pub fn new(store: ReservationStore, lease: Lease) -> Self {
        Self {
            store,
            lease,
            instance: uuid::Uuid::new_v4().to_string(),
        }
    }

    /// Takes or renews the lease; false if another instance has it.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    async fn take(&self) -> Result<bool, GateError> {
        let taken = self.store.take_lease(self.lease, &self.instance, LENGTH);
        taken.await
    }

    /// Does `work` under the lease. `None` if another instance has the lease, or if it is lost before the work is done; then the
    /// work is dropped.
    ///
    /// # Errors
    /// When Redis gave no usable answer about the lease.
    pub async fn during<R>(&self, work: impl Future<Output = R>) -> Result<Option<R>, GateError> {
        if !self.take().await? {
            return Ok(None);
        }
        tokio::select! {
            done = work => Ok(Some(done)),
            () = self.keep() => {
                tracing::debug!(lease = ?self.lease, "lease lost during a pass; the pass ends");
                Ok(None)
            }
        }
    }

    /// Renews the lease until it is lost: another instance has it, or Redis has not renewed it in time.
    async fn keep(&self) {
        let mut renewed_at = Instant::now();
        while renewed_at.elapsed() < LENGTH {
            tokio::time::sleep(LENGTH / 3).await;
            let asked_at = Instant::now();
            match self.take().await {
                Ok(true) => renewed_at = asked_at,
                Ok(false) => return,
                Err(error) => {
                    tracing::debug!(%error, lease = ?self.lease, "lease not renewed; trying again")
                }
            }
        }
    }
}
