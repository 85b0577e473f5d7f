//! Pools of connections.

mod closing;
mod connections;
mod pool_metrics;

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};

use tokio_postgres::config::TargetSessionAttrs;

use crate::Address;

pub use closing::Closing;
pub use connections::Connections;
use pool_metrics::PoolMetrics;

/// How a pool is set up.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// Most connections.
    pub size: usize,
    /// Maximum time to get a connection, and maximum time without an acknowledgement from the network.
    pub timeout: Duration,
    /// Whether a connection that takes no writes is refused.
    pub writes: bool,
}

impl Address {
    /// A pool of connections to this address; each is made when it is first needed.
    pub fn pool(mut self, settings: PoolSettings) -> Pool {
        let timeout = settings.timeout;
        self.limit_silence(timeout);
        if settings.writes {
            let attributes = TargetSessionAttrs::ReadWrite;
            self.config.target_session_attrs(attributes);
        }
        let recycling_method = RecyclingMethod::Fast;
        let manager =
            Manager::from_config(self.config, self.tls, ManagerConfig { recycling_method });
        let pool = Pool::builder(manager)
            .max_size(settings.size)
            .timeouts(Timeouts {
                wait: Some(timeout),
                create: Some(timeout),
                recycle: Some(timeout),
            })
            .runtime(Runtime::Tokio1);
        pool.build()
            .expect("timeouts need a runtime, and one is given")
    }
}
