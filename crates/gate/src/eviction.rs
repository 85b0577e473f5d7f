//! Whether Redis may evict keys. An evicted key of a sale stops the sale.

use fred::interfaces::ClientLike;
use fred::types::InfoKind;
use fred::types::config::{Options, Server};

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
        let servers = self.client().active_connections();
        if servers.is_empty() {
            return Err(GateError::unexpected("a connection to Redis", "none yet"));
        }
        let mut evicting = Vec::new();
        for server in servers {
            let policy = self.eviction_policy(&server).await?;
            if policy != "noeviction" {
                let address = server.to_string();
                evicting.push(EvictingNode { address, policy });
            }
        }
        Ok(evicting)
    }

    async fn eviction_policy(&self, server: &Server) -> Result<String, GateError> {
        let is_cluster = self.connections.is_cluster();
        let at = Options {
            cluster_node: is_cluster.then(|| server.clone()),
            ..Options::default()
        };
        let client = self.client().with_options(&at);
        let info = client.info::<String>(Some(InfoKind::Memory));
        let info = self.timed("info", info).await?;
        let mut lines = info.lines();
        let policy = lines.find_map(|line| line.strip_prefix("maxmemory_policy:"));
        let policy = policy.map(|policy| policy.trim().to_owned());
        policy.ok_or_else(|| GateError::unexpected("maxmemory_policy in INFO memory", info))
    }
}
