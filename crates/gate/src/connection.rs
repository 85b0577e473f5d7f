//! Connections to Redis, established and re-established in the background.

use std::sync::{Arc, Weak};
use std::time::Duration;

use fluxgate_service::essential_tasks::EssentialTasks;
use fluxgate_service::settings::CaCertificates;
use fred::clients::Client;
use fred::error::Error;
use fred::types::Key;
use fred::types::config::{Config, ServerConfig, TlsConnector};
use futures_util::future::join_all;
use tokio::time::{MissedTickBehavior, interval};

use super::cluster::Cluster;
use super::node::{Node, NodeSettings};
use super::replicas::Replicas;
use super::scripts::Scripts;
use crate::metrics::GateMetrics;
use crate::{GateError, ReservationStore, keys};
use fluxgate_service::settings::RedisSettings;

/// Between two probes of a connection: far shorter than NATs and firewalls remember a quiet one.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// To whom the connections lead.
pub enum Connections {
    /// A single Redis, or the master that Sentinels name.
    Single(Box<Node>),
    /// The masters of a Cluster.
    Cluster(Arc<Cluster>),
}

impl Connections {
    fn new(
        settings: &RedisSettings,
        metrics: &GateMetrics,
        tasks: &EssentialTasks,
    ) -> Result<Self, Error> {
        let mut config = Config::from_url(&settings.redis_url)?;
        config.fail_fast = false;
        if config.uses_tls() {
            let ca_certificates = settings.redis_ca_file.as_ref();
            let connector: TlsConnector = CaCertificates::connector(ca_certificates).try_into()?;
            config.tls = Some(connector.into());
        }
        let seeds = match &config.server {
            ServerConfig::Clustered { hosts, .. } => Some(hosts.clone()),
            _ => None,
        };
        let settings = NodeSettings {
            config,
            connections: settings.redis_connections,
            timeout: Duration::from_millis(settings.redis_timeout_ms),
            replaced_total: metrics.redis_clients_replaced_total.clone(),
        };
        Ok(match seeds {
            Some(seeds) => Self::Cluster(Cluster::new(settings, seeds, tasks)),
            None => Self::Single(Box::new(Node::new(settings)?)),
        })
    }

    /// A connection to the server that has `key`.
    ///
    /// # Errors
    /// When it has had no connection for longer than a command may take, or no master of the Cluster is known to have it.
    pub async fn client_of(&self, key: &[u8]) -> Result<Client, Error> {
        match self {
            Self::Single(node) => node.client(),
            Self::Cluster(cluster) => cluster.client_of(key).await,
        }
    }

    /// A connection to each server that is not down, with a key that it would have and that never exists.
    pub fn each(&self) -> Vec<(Client, Key)> {
        match self {
            Self::Single(node) => {
                let client = node.client().into_iter();
                client.map(|it| (it, keys::PROBE.into())).collect()
            }
            Self::Cluster(cluster) => {
                let masters = cluster.masters().into_iter();
                let clients =
                    masters.filter_map(|it| Some((it.node.client().ok()?, it.probe_key()?)));
                clients.collect()
            }
        }
    }

    /// The Cluster, if it is one: its slots may move from one node to another.
    pub fn cluster(&self) -> Option<&Cluster> {
        match self {
            Self::Single(_) => None,
            Self::Cluster(cluster) => Some(cluster),
        }
    }

    async fn probe(&self) {
        match self {
            Self::Single(node) => node.probe().await,
            Self::Cluster(cluster) => {
                let masters = cluster.masters();
                join_all(masters.iter().map(|it| it.node.probe())).await;
                if masters.iter().any(|it| !it.node.is_connected()) {
                    cluster.doubt();
                }
            }
        }
    }

    async fn close(&self) {
        match self {
            Self::Single(node) => node.close().await,
            Self::Cluster(cluster) => {
                let masters = cluster.masters();
                join_all(masters.iter().map(|it| it.node.close())).await;
            }
        }
    }
}

/// Probes every connection regularly until the connections are dropped.
async fn probe_connections(connections: Weak<Connections>) {
    let mut probes = interval(PROBE_INTERVAL);
    probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        probes.tick().await;
        let Some(connections) = connections.upgrade() else {
            return;
        };
        connections.probe().await;
    }
}

impl ReservationStore {
    /// Creates the connections; they are established and re-established in the background, by `tasks`.
    ///
    /// # Errors
    /// When fred cannot parse the URL.
    pub fn connect(
        settings: &RedisSettings,
        metrics: GateMetrics,
        tasks: &EssentialTasks,
    ) -> Result<Self, Error> {
        let connections = Arc::new(Connections::new(settings, &metrics, tasks)?);
        let probing = probe_connections(Arc::downgrade(&connections));
        tasks.spawn_finite("redis_probe", probing);
        Ok(Self {
            connections,
            scripts: Arc::new(Scripts::embedded()),
            replicas: Replicas::of(settings),
            metrics,
        })
    }

    /// Loads the scripts into the script cache of every server, so that the first orders need not.
    ///
    /// # Errors
    /// When no server gave a usable answer.
    pub async fn load_scripts(&self) -> Result<(), GateError> {
        self.any("script_load", |client, _| async move {
            for (_, script) in self.scripts.all() {
                script.load(&client).await?;
            }
            Ok(())
        })
        .await
    }

    /// Closes the connections after all sent commands have been answered.
    pub async fn close(&self) {
        self.connections.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_told_by_the_scheme_in_any_spelling() {
        let is_cluster = |url: &str| Config::from_url(url).unwrap().server.is_clustered();
        for (url, expected) in [
            ("redis-cluster://here:6379", true),
            ("rediss-cluster://user:password@here:6379", true),
            ("REDIS-Cluster://here:6379", true),
            ("redis://my-cluster:6379", false),
            (
                "redis-sentinel://my-cluster:26379?sentinelServiceName=orders",
                false,
            ),
        ] {
            assert_eq!(is_cluster(url), expected, "{url}");
        }
    }

    #[test]
    fn tls_is_told_by_the_scheme_in_any_spelling() {
        for url in ["rediss://here", "REDISS://here", " Rediss-cluster://here"] {
            assert!(Config::from_url(url).unwrap().uses_tls(), "{url}");
        }
    }
}
