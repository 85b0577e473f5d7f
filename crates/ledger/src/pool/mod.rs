//! Pools of connections.

mod pool_metrics;

use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts,
};

use crate::Address;

pub use pool_metrics::PoolMetrics;

/// How a pool is set up.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// Most connections.
    pub size: usize,
    /// Maximum time to get a connection, and maximum time without an acknowledgement from the network.
    pub timeout: Duration,
    /// Statements that each new connection runs first.
    pub session_settings: Option<String>,
}

impl Address {
    /// A pool of connections to this address; each is made when it is first needed.
    pub fn pool(mut self, settings: PoolSettings) -> Pool {
        let timeout = settings.timeout;
        self.config
            .connect_timeout(timeout)
            .tcp_user_timeout(timeout)
            // The kernel takes whole seconds, from 1.
            .keepalives_idle(timeout.max(Duration::from_secs(1)));
        let recycling_method = RecyclingMethod::Fast;
        let manager =
            Manager::from_config(self.config, self.tls, ManagerConfig { recycling_method });
        let mut pool = Pool::builder(manager)
            .max_size(settings.size)
            .timeouts(Timeouts {
                wait: Some(timeout),
                create: Some(timeout),
                recycle: Some(timeout),
            })
            .runtime(Runtime::Tokio1);
        if let Some(statements) = settings.session_settings {
            pool = pool.post_create(Hook::async_fn(move |client, _| {
                let statements = statements.clone();
                Box::pin(async move {
                    let set = client.batch_execute(&statements).await;
                    set.map_err(HookError::Backend)
                })
            }));
        }
        pool.build()
            .expect("timeouts need a runtime, and one is given")
    }
}
