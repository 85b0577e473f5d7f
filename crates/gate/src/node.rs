//! The connections to one Redis server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::ClientLike;
use fred::types::Builder;
use fred::types::config::{Config, ReconnectPolicy, TcpConfig, UnresponsiveConfig};
use futures_util::future::join_all;
use prometheus::IntCounter;
use socket2::TcpKeepalive;

/// First and longest delay between two attempts to connect, in ms.
const RECONNECT_DELAY_MS: (u32, u32) = (50, 1_000);
/// Commands that may wait for a connection; further commands fail at once.
const COMMAND_BUFFER_MAX: usize = 10_000;
/// How often fred sends a command whose connection broke before the reply.
const COMMAND_ATTEMPTS_MAX: u32 = 3;
/// How long a replaced client may take to send QUIT.
const QUIT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the last sign of life to the kernel's first keep-alive; between two; how many may stay unanswered.
const KEEP_ALIVE: (Duration, Duration, u32) = (Duration::from_secs(15), Duration::from_secs(5), 3);

/// How connections are made: with which settings, and to whom.
#[derive(Clone)]
pub struct NodeSettings {
    /// Names the server, or the Sentinels that name it.
    pub config: Config,
    pub connections: usize,
    /// Longest time for a command, and to connect.
    pub timeout: Duration,
    pub replaced_total: IntCounter,
}

/// The connections to one Redis server, or to the master that Sentinels name. Each is replaced when it does not reply to
/// a probe: as long as commands are written, fred does not notice that a connection is dead.
pub struct Node {
    settings: NodeSettings,
    clients: RwLock<Vec<Client>>,
    next: AtomicUsize,
}

impl Node {
    /// Connects in the background.
    pub fn new(settings: NodeSettings) -> Result<Self, Error> {
        let clients = (0..settings.connections).map(|_| settings.connect());
        Ok(Self {
            clients: RwLock::new(clients.collect::<Result<_, _>>()?),
            next: AtomicUsize::new(0),
            settings,
        })
    }

    /// The next connection in turn.
    pub fn client(&self) -> Client {
        let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner);
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        clients[next % clients.len()].clone()
    }

    fn clients(&self) -> Vec<Client> {
        let clients = self.clients.read();
        clients.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether all connections are established, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.clients().iter().all(ClientLike::is_connected)
    }

    /// Sends PING on every connection, and replaces those that do not reply.
    pub async fn probe(&self) {
        join_all(self.clients().iter().map(|client| self.probe_one(client))).await;
    }

    async fn probe_one(&self, client: &Client) {
        if !client.is_connected() {
            return; // fred is connecting
        }
        let reply = client.ping::<()>(None).await;
        if reply.is_err_and(|error| *error.kind() == ErrorKind::Timeout) {
            self.replace(client);
        }
    }

    fn replace(&self, unanswered: &Client) {
        let Ok(fresh) = self.settings.connect() else {
            return; // these settings were accepted before
        };
        tracing::warn!("a connection to Redis does not reply; replacing it");
        self.settings.replaced_total.inc();
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = clients.iter_mut().find(|it| it.id() == unanswered.id()) {
            let unanswered = std::mem::replace(place, fresh);
            tokio::spawn(
                async move { tokio::time::timeout(QUIT_TIMEOUT, unanswered.quit()).await },
            );
        }
    }

    /// Closes the connections after all sent commands have been answered, or after a limit.
    pub async fn close(&self) {
        let clients = self.clients();
        let closing = join_all(clients.iter().map(ClientLike::quit));
        if tokio::time::timeout(QUIT_TIMEOUT, closing).await.is_err() {
            tracing::debug!("Redis did not answer QUIT");
        }
    }
}

impl NodeSettings {
    fn connect(&self) -> Result<Client, Error> {
        let timeout = self.timeout;
        let (idle, interval, retries) = KEEP_ALIVE;
        let keep_alive = TcpKeepalive::new()
            .with_time(idle)
            .with_interval(interval)
            .with_retries(retries);
        let client = Builder::from_config(self.config.clone())
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
}
