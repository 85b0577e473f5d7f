//! The faults, one row of the matrix each. A new one is a line in `table` and a function that injects it.

mod connections;
mod kafka;
mod postgres;
mod redis;
mod services;
mod table;

use anyhow::Result;
use futures_util::future::LocalBoxFuture;

use super::clients::Rates;
use super::environment::Environment;
use super::proxy::Mode;
use crate::checker::Violation;
use crate::stack::{Stack, Store};
pub use table::all;

/// Changes whenever a row, the clients or the checker do: results of another version do not count as done.
pub(super) const VERSION: u32 = 4;

/// Breaks something and repairs it. What is broken when it returns stays broken on purpose.
type Inject = Box<dyn for<'a> Fn(&'a mut Environment) -> LocalBoxFuture<'a, Result<()>>>;

type Settings = &'static [(&'static str, &'static str)];

/// One row of the matrix.
pub struct Row {
    /// Its name on the command line and in results.
    pub name: String,
    /// What is done, in one line.
    pub(super) about: &'static str,
    pub(super) inject: Inject,
    /// More settings of all services.
    pub(super) settings: Settings,
    pub(super) rates: Rates,
    /// Instances of the API.
    pub(super) instances: usize,
    pub(super) redis: RedisKind,
    /// Where TCP proxies stand; see [`Network`](super::network::Network).
    pub(super) proxied: Option<Component>,
    /// Whether services are ready and sales open before the fault.
    pub(super) starts_ready: bool,
    /// Whether the fault may make Redis lose acknowledged writes. A loss must be reported.
    pub(super) may_lose: bool,
    /// Whether the fault may lose writes and ends with a rebuild, so that the service must be normal again.
    pub(super) rebuilds: bool,
    /// Violations that the fault causes by its nature.
    pub(super) excuses: fn(&Violation) -> bool,
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
    fn store(self) -> Option<Store> {
        match self {
            Self::Api | Self::Worker => None,
            Self::Redis => Some(Store::Redis),
            Self::Kafka => Some(Store::Kafka),
            Self::Postgres => Some(Store::Postgres),
        }
    }
}

impl Row {
    fn new(
        name: impl Into<String>,
        about: &'static str,
        inject: impl for<'a> Fn(&'a mut Environment) -> LocalBoxFuture<'a, Result<()>> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            about,
            inject: Box::new(inject),
            settings: &[],
            rates: Rates::default(),
            instances: 2,
            redis: RedisKind::Single,
            proxied: None,
            starts_ready: true,
            may_lose: false,
            rebuilds: false,
            excuses: |_| false,
        }
    }
}

/// The row cannot be run here, for this reason.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Skipped(pub String);
