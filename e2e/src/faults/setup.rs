//! What runs in a run, before anything is broken.

use crate::answer::Status;
use crate::stack::Store;

/// The services and stores that a row asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Setup {
    /// More settings of all services.
    pub settings: &'static [(&'static str, &'static str)],
    /// Holds that end at once, in the rows that have such a storm.
    pub holds: u32,
    /// Instances of the API beyond two.
    pub more_instances: usize,
    pub redis: RedisKind,
    /// Whether two more brokers run, and one partition of the topic is on the third alone.
    pub three_brokers: bool,
    /// Where TCP proxies stand: in front of the API (for buyers), one store (for all services), or both stores of one
    /// worker.
    pub proxied: Option<Component>,
    /// Whether services cannot be ready before the fault, and sales open only after it.
    pub starts_unready: bool,
}

impl Setup {
    /// How a new order is answered while all is well.
    pub fn expected_status(&self) -> Status {
        match self.settings.contains(&("PUBLISH_WAIT_MS", "0")) {
            true => Status::Reserved,
            false => Status::Accepted,
        }
    }
}

/// The Redis of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum RedisKind {
    /// The stack's own, a single process.
    #[default]
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
