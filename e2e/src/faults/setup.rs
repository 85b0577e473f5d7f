//! What runs in a run, before anything is broken.

use crate::stack::Store;

/// The services and stores that a row asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    /// More settings of all services.
    pub settings: &'static [(&'static str, &'static str)],
    /// Instances of the API.
    pub instances: usize,
    pub redis: RedisKind,
    /// Where TCP proxies stand: in front of the API (for buyers), one store (for all services), or both stores of one
    /// worker.
    pub proxied: Option<Component>,
    /// Whether services are ready and sales open before the fault.
    pub starts_ready: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            settings: &[],
            instances: 2,
            redis: RedisKind::Single,
            proxied: None,
            starts_ready: true,
        }
    }
}

/// The Redis of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RedisKind {
    /// The stack's own, a single process.
    Single,
    /// A master and two replicas, watched by three Sentinels.
    Sentinels,
    /// A Cluster of three masters with a replica each.
    Cluster,
}

/// Part of the system that a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Component {
    Api,
    Worker,
    Redis,
    Kafka,
    Postgres,
}

impl Component {
    /// The store that it is; none for a service.
    pub fn store(self) -> Option<Store> {
        match self {
            Self::Api | Self::Worker => None,
            Self::Redis => Some(Store::Redis),
            Self::Kafka => Some(Store::Kafka),
            Self::Postgres => Some(Store::Postgres),
        }
    }
}
