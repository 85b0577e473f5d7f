//! Whether Redis takes writes.

use fred::interfaces::KeysInterface;

use crate::{GateError, ReservationStore};

impl ReservationStore {
    /// Asks Redis for a write that changes nothing. A replica refuses it, and so does a master that has too few replicas
    /// or cannot write to its disk. A Redis that is out of memory does not: it still answers everything but orders.
    ///
    /// # Errors
    /// When Redis takes no writes, or gave no usable answer; of a Cluster, no master does.
    pub async fn probe_write(&self) -> Result<(), GateError> {
        let write = |client: fred::clients::Client, key| async move {
            client.pexpire::<(), _>(key, 1, None).await
        };
        self.any("probe", write).await
    }
}
