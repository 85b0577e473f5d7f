//! Connections to Redis, established and re-established in the background.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use fluxgate_service::settings::CaCertificates;
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::ClientLike;
use fred::types::Builder;
use fred::types::config::{Config, ReconnectPolicy, TcpConfig, TlsConnector, UnresponsiveConfig};
use futures_util::future::join_all;
use prometheus::IntCounter;
use socket2::TcpKeepalive;

use super::probe;
use super::replicas::Replicas;
use super::scripts::Scripts;
use crate::metrics::GateMetrics;
use crate::{GateError, ReservationStore};
use fluxgate_service::settings::RedisSettings;

/// First and longest delay between two attempts to connect, in ms.
const RECONNECT_DELAY_MS: (u32, u32) = (50, 1_000);
/// Commands that may wait for a connection; further commands fail at once.
const COMMAND_BUFFER_MAX: usize = 10_000;
/// How often fred sends a command whose connection broke before the reply.
const COMMAND_ATTEMPTS_MAX: u32 = 3;
/// The shortest time without any reply after which the client is replaced.
const REPLY_TIMEOUT_MIN: Duration = Duration::from_secs(2);
/// How long a replaced client may take to send QUIT.
const QUIT_TIMEOUT: Duration = Duration::from_secs(5);

/// From the last sign of life to the kernel's first keep-alive; between two; how many may stay unanswered.
const KEEP_ALIVE: (Duration, Duration, u32) = (Duration::from_secs(15), Duration::from_secs(5), 3);

/// Connections, each of which is replaced when it does not reply to a probe, and all when Redis has not replied for too
/// long.
///
/// fred does not always recover by itself: after a Cluster has moved a slot under load, its commands may time out
/// forever; and as long as commands are written, it does not notice that a connection is dead.
pub struct Connections {
    settings: RedisSettings,
    is_cluster: bool,
    clients: RwLock<Vec<Client>>,
    next: AtomicUsize,
    born: Instant,
    /// Milliseconds from `born` to the first timeout since the last reply; 0 if the last call was answered.
    unanswered_since_ms: AtomicU64,
    replaced_total: IntCounter,
}

impl Connections {
    fn new(settings: &RedisSettings, replaced_total: IntCounter) -> Result<Self, Error> {
        let clients = (0..settings.redis_connections).map(|_| connect(settings));
        Ok(Self {
            settings: settings.clone(),
            is_cluster: is_cluster(&settings.redis_url)?,
            clients: RwLock::new(clients.collect::<Result<_, _>>()?),
            next: AtomicUsize::new(0),
            born: Instant::now(),
            unanswered_since_ms: AtomicU64::new(0),
            replaced_total,
        })
    }

    /// The next connection in turn.
    pub fn client(&self) -> Client {
        let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner);
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        clients[next % clients.len()].clone()
    }

    /// All connections.
    pub fn clients(&self) -> Vec<Client> {
        let clients = self.clients.read();
        clients.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether slots may move from one node to another.
    pub fn is_cluster(&self) -> bool {
        self.is_cluster
    }

    /// Redis has replied, with a value or an error.
    pub fn answered(&self) {
        // Load first: while Redis replies, no thread writes this cache line.
        if self.unanswered_since_ms.load(Ordering::Relaxed) != 0 {
            self.unanswered_since_ms.store(0, Ordering::Relaxed);
        }
    }

    /// A command timed out.
    pub fn timed_out(&self) {
        let now_ms = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        let since_ms = self.unanswered_since_ms.load(Ordering::Relaxed);
        if since_ms == 0 {
            self.unanswered_since_ms
                .store(now_ms.max(1), Ordering::Relaxed);
            return;
        }
        let limit =
            REPLY_TIMEOUT_MIN.max(Duration::from_millis(self.settings.redis_timeout_ms) * 3);
        if u128::from(now_ms.saturating_sub(since_ms)) < limit.as_millis() {
            return;
        }
        // One of the threads that see the timeout replaces the clients; the new ones have the whole time again.
        let began = self.unanswered_since_ms.compare_exchange(
            since_ms,
            now_ms,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if began.is_ok() {
            tracing::warn!("Redis has not replied for too long; reconnecting");
            self.clients()
                .iter()
                .for_each(|client| self.replace(client));
        }
    }

    /// Puts a new client in the place of this one, unless that has been done.
    pub fn replace(&self, unanswered: &Client) {
        let Ok(fresh) = connect(&self.settings) else {
            return; // these settings were accepted before
        };
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        let place = clients.iter_mut().find(|it| it.id() == unanswered.id());
        let Some(unanswered) = place.map(|place| std::mem::replace(place, fresh)) else {
            return;
        };
        self.replaced_total.inc();
        tokio::spawn(async move { tokio::time::timeout(QUIT_TIMEOUT, unanswered.quit()).await });
    }

    async fn close(&self) {
        for outcome in join_all(self.clients().iter().map(ClientLike::quit)).await {
            if let Err(error) = outcome {
                tracing::debug!(%error, "Redis did not answer QUIT");
            }
        }
    }
}

impl ReservationStore {
    /// Creates the connections; they are established and re-established in the background.
    ///
    /// # Errors
    /// When fred cannot parse the URL.
    pub fn connect(settings: &RedisSettings, metrics: GateMetrics) -> Result<Self, Error> {
        let replaced = metrics.redis_clients_replaced_total.clone();
        let connections = Arc::new(Connections::new(settings, replaced)?);
        tokio::spawn(probe::probe_connections(Arc::downgrade(&connections)));
        Ok(Self {
            connections,
            scripts: Arc::new(Scripts::embedded()),
            replicas: Replicas::of(settings),
            metrics,
        })
    }

    /// Loads the scripts into Redis's script cache, so that the first orders need not.
    ///
    /// # Errors
    /// When Redis gave no usable answer.
    pub async fn load_scripts(&self) -> Result<(), GateError> {
        let client = self.client();
        for script in self.scripts.all() {
            self.timed("script_load", script.load(&client)).await?;
        }
        Ok(())
    }

    /// Closes the connections after all sent commands have been answered.
    pub async fn close(&self) {
        self.connections.close().await;
    }
}

/// As fred reads the URL, so that both always agree.
fn is_cluster(url: &str) -> Result<bool, Error> {
    Ok(Config::from_url(url)?.server.is_clustered())
}

fn connect(settings: &RedisSettings) -> Result<Client, Error> {
    let mut config = Config::from_url(&settings.redis_url)?;
    config.fail_fast = false;
    if config.uses_tls() {
        let ca_certificates = settings.redis_ca_file.as_ref();
        let connector: TlsConnector = CaCertificates::connector(ca_certificates).try_into()?;
        config.tls = Some(connector.into());
    }

    let timeout = Duration::from_millis(settings.redis_timeout_ms);
    let (idle, interval, retries) = KEEP_ALIVE;
    let keep_alive = TcpKeepalive::new()
        .with_time(idle)
        .with_interval(interval)
        .with_retries(retries);
    let client = Builder::from_config(config)
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
                keepalive: Some(keep_alive.clone()),
                ..TcpConfig::default()
            };
            // Without this a paused server is never detected: its connections stay open.
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
        .build()?;
    drop(client.connect());
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_told_by_the_scheme_in_any_spelling() {
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
            assert_eq!(is_cluster(url).unwrap(), expected, "{url}");
        }
    }

    #[test]
    fn tls_is_told_by_the_scheme_in_any_spelling() {
        for url in ["rediss://here", "REDISS://here", " Rediss-cluster://here"] {
            assert!(Config::from_url(url).unwrap().uses_tls(), "{url}");
        }
    }
}
