use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts,
};
use prometheus::Registry;

use crate::Address;
use crate::pool_metrics::PoolMetrics;

/// What a pool of connections is like.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// Connections, at most.
    pub size: usize,
    /// How long it may take to get one, and how long the network may be silent.
    pub timeout: Duration,
    /// What each connection is told first.
    pub greeting: Option<String>,
}

impl Address {
    /// Connections to it, made when first needed.
    ///
    /// # Panics
    /// Never: a runtime is given, which is all that timeouts need.
    pub fn pool(mut self, settings: PoolSettings) -> Pool {
        let timeout = settings.timeout;
        self.config
            .connect_timeout(timeout)
            .tcp_user_timeout(timeout)
            // In whole seconds, and the kernel takes no 0.
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
        if let Some(greeting) = settings.greeting {
            pool = pool.post_create(Hook::async_fn(move |client, _| {
                let greeting = greeting.clone();
                Box::pin(async move {
                    let greeted = client.batch_execute(&greeting).await;
                    greeted.map_err(HookError::Backend)
                })
            }));
        }
        pool.build()
            .expect("a runtime is given, which is all that timeouts need")
    }
}

/// Lets `registry` show how much of a pool is in use. `service` begins the metrics' names.
///
/// # Panics
/// When this is done twice for one service.
pub fn show(pool: &Pool, service: &str, registry: &Registry) {
    let metrics = PoolMetrics::new(pool.clone(), service);
    registry
        .register(Box::new(metrics))
        .expect("a service shows one pool, once");
}
