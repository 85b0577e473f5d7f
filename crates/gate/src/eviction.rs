//! Whether Redis may evict keys. An evicted key of a sale stops the sale.

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::InfoKind;

use crate::{GateError, ReservationStore};

/// A node that evicts keys when it is out of memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvictingNode {
    /// Host and port.
    pub address: String,
    /// Its `maxmemory-policy`.
    pub policy: String,
}

impl ReservationStore {
    /// The nodes in use whose `maxmemory-policy` is not `noeviction`.
    ///
    /// # Errors
    /// When a node gave no usable answer, or the user may not call INFO.
    pub async fn evicting_nodes(&self) -> Result<Vec<EvictingNode>, GateError> {
        let mut evicting = Vec::new();
        let mut each = self.connections.each();
        each.retain(|(client, _)| client.is_connected());
        if each.is_empty() {
            return Err(GateError::unexpected("a connection to Redis", "none yet"));
        }
        for (client, _) in each {
            let policy = self.eviction_policy(&client).await?;
            if policy != "noeviction" {
                let servers = client.active_connections();
                let address = servers.first().map(ToString::to_string);
                let address = address.unwrap_or_default();
                evicting.push(EvictingNode { address, policy });
            }
        }
        Ok(evicting)
    }

    async fn eviction_policy(&self, client: &Client) -> Result<String, GateError> {
        let info = client.info::<String>(Some(InfoKind::Memory));
        let info = self.timed("info", info).await?;
        let mut lines = info.lines();
        let policy = lines.find_map(|line| line.strip_prefix("maxmemory_policy:"));
        let policy = policy.map(|policy| policy.trim().to_owned());
        policy.ok_or_else(|| GateError::unexpected("maxmemory_policy in INFO memory", info))
    }
}
