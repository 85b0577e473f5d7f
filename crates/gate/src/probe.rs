//! Whether each connection is alive, and whether Redis takes writes.

use std::sync::Weak;
use std::time::Duration;

use fred::clients::Client;
use fred::error::ErrorKind;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::config::Options;
use futures_util::future::join_all;
use tokio::time::{MissedTickBehavior, interval};

use crate::connection::Connections;
use crate::{GateError, ReservationStore, keys};

/// Between two probes of a connection: far shorter than NATs and firewalls remember a quiet one.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// The same in a Cluster. fred itself replaces the connection to a node that has not replied for twice
/// REDIS_TIMEOUT_MS, counted from the last command; probes must leave it that time.
const CLUSTER_PROBE_INTERVAL: Duration = Duration::from_secs(3);

impl ReservationStore {
    /// Asks Redis for a write that changes nothing. A replica refuses it, and so does a master that has too few replicas
    /// or cannot write to its disk. A Redis that is out of memory does not: it still answers everything but orders.
    ///
    /// # Errors
    /// When Redis takes no writes, or gave no usable answer. In a Cluster, one master answers for all.
    pub async fn probe_write(&self) -> Result<(), GateError> {
        let client = self.client();
        let write = client.pexpire::<(), _>(keys::PROBE, 1, None);
        self.timed("probe", write).await
    }
}

/// Sends PING on every connection until the connections are dropped, and replaces those that do not reply.
pub async fn probe_connections(connections: Weak<Connections>) {
    let mut probes = interval(PROBE_INTERVAL);
    probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        probes.tick().await;
        let Some(connections) = connections.upgrade() else {
            return;
        };
        let clients = connections.clients();
        // fred is already connecting the others.
        let connected = clients.iter().filter(|client| client.is_connected());
        if connections.is_cluster() {
            join_all(connected.map(ping_nodes)).await;
            probes.reset_after(CLUSTER_PROBE_INTERVAL);
        } else {
            join_all(connected.map(|client| replace_if_silent(&connections, client))).await;
        }
    }
}

async fn replace_if_silent(connections: &Connections, client: &Client) {
    let reply = client.ping::<()>(None).await;
    if reply.is_err_and(|error| *error.kind() == ErrorKind::Timeout) {
        tracing::warn!("a connection to Redis does not reply; replacing it");
        connections.replace(client);
    }
}

async fn ping_nodes(client: &Client) {
    let pings = client.active_connections().into_iter().map(|node| async {
        let at = Options {
            cluster_node: Some(node),
            ..Options::default()
        };
        client.with_options(&at).ping::<()>(None).await
    });
    // What a reply or a timeout says is for fred to judge.
    join_all(pings).await;
}
