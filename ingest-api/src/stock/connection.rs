use std::sync::Arc;
use std::time::Duration;

use fred::error::Error;
use fred::interfaces::ClientLike;
use fred::types::Builder;
use fred::types::config::{Config, ReconnectPolicy, TcpConfig, UnresponsiveConfig};

use super::replicas::Replicas;
use super::scripts::Scripts;
use super::{Stock, StockError};
use crate::config::RedisSettings;
use crate::metrics::Metrics;

/// First and longest pause between two attempts to connect, in ms.
const RECONNECT_DELAY_MS: (u32, u32) = (50, 1_000);
/// Commands that may wait for a connection. Above it they fail at once.
const COMMAND_BUFFER_MAX: usize = 10_000;
/// How often fred sends a command whose connection broke before the answer came.
const COMMAND_ATTEMPTS_MAX: u32 = 3;

impl Stock {
    /// Sets up the connections; they are made, and made again, in the background.
    ///
    /// # Errors
    /// When the URL is none that fred understands.
    pub fn connect(settings: &RedisSettings, metrics: Metrics) -> Result<Self, Error> {
        let mut config = Config::from_url(&settings.redis_url)?;
        config.fail_fast = false;

        let timeout = Duration::from_millis(settings.redis_timeout_ms);
        let pool = Builder::from_config(config)
            .with_performance_config(|performance| {
                performance.default_command_timeout = timeout;
            })
            .with_connection_config(|connection| {
                connection.connection_timeout = timeout;
                connection.internal_command_timeout = timeout;
                connection.max_command_attempts = COMMAND_ATTEMPTS_MAX;
                connection.max_command_buffer_len = COMMAND_BUFFER_MAX;
                connection.tcp = TcpConfig {
                    nodelay: Some(true),
                    ..TcpConfig::default()
                };
                // Without this a paused server is never noticed: its connections stay open.
                connection.unresponsive = UnresponsiveConfig {
                    max_timeout: Some(timeout * 2),
                    interval: timeout / 2,
                };
            })
            .set_policy(ReconnectPolicy::new_exponential(
                0,
                RECONNECT_DELAY_MS.0,
                RECONNECT_DELAY_MS.1,
                2,
            ))
            .build_pool(settings.redis_connections)?;
        drop(pool.connect());
        Ok(Self {
            pool,
            scripts: Arc::new(Scripts::embedded()),
            replicas: Replicas::of(settings),
            metrics,
        })
    }

    /// Puts the scripts into Redis's cache, so that the first orders need not.
    ///
    /// # Errors
    /// When Redis does not take them now.
    pub async fn load_scripts(&self) -> Result<(), StockError> {
        let client = self.pool.next();
        for script in self.scripts.all() {
            self.timed("script_load", script.load(client)).await?;
        }
        Ok(())
    }

    /// Ends the connections after what was sent has been answered.
    pub async fn close(&self) {
        if let Err(error) = self.pool.quit().await {
            tracing::debug!(%error, "redis did not say goodbye");
        }
    }
}
