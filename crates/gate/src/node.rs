//! The connections to one Redis server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::ClientLike;
use fred::types::Builder;
use fred::types::config::{Config, ReconnectPolicy, TcpConfig, UnresponsiveConfig};
use futures_util::future::join_all;
use prometheus::IntCounter;
use socket2::TcpKeepalive;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// First and longest delay between two attempts to connect, in ms.
const RECONNECT_DELAY_MS: (u32, u32) = (50, 1_000);
/// Commands that may wait for a connection; further commands fail at once.
const COMMAND_BUFFER_MAX: usize = 10_000;
/// How often fred sends a command whose connection broke before the reply.
const COMMAND_ATTEMPTS_MAX: u32 = 3;
/// How long a connection may take to answer what was sent, and QUIT.
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
    connections: RwLock<Vec<Connection>>,
    next: AtomicUsize,
    /// Since when no connection has been seen established.
    down_since: Mutex<Option<Instant>>,
}

/// A connection, and the task that establishes and re-establishes it.
#[derive(Clone)]
struct Connection {
    client: Client,
    task: AbortHandle,
}

impl Node {
    /// Connects in the background.
    pub fn new(settings: NodeSettings) -> Result<Self, Error> {
        let connections = (0..settings.connections).map(|_| settings.connect());
        Ok(Self {
            connections: RwLock::new(connections.collect::<Result<_, _>>()?),
            next: AtomicUsize::new(0),
            down_since: Mutex::default(),
            settings,
        })
    }

    /// The next connection in turn. Its commands wait while it is being established.
    ///
    /// # Errors
    /// When none has been established for longer than a command may take. Callers that wait for a dead server would take up
    /// the places of those who ask another one.
    pub fn client(&self) -> Result<Client, Error> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let connections = self.connections.read();
        let connections = connections.unwrap_or_else(PoisonError::into_inner);
        let client = connections[next % connections.len()].client.clone();
        drop(connections);
        if !client.is_connected() && self.is_down() {
            return Err(Error::new(
                ErrorKind::IO,
                "no connection can be established",
            ));
        }
        Ok(client)
    }

    fn is_down(&self) -> bool {
        let down_since = self.note_connections();
        down_since.is_some_and(|since| since.elapsed() > self.settings.timeout)
    }

    /// Notes whether a connection is established; returns since when none has been.
    fn note_connections(&self) -> Option<Instant> {
        let down_since = self.down_since.lock();
        let mut down_since = down_since.unwrap_or_else(PoisonError::into_inner);
        let is_any_connected = self.connections().iter().any(|it| it.client.is_connected());
        *down_since = match is_any_connected {
            true => None,
            false => Some(down_since.unwrap_or_else(Instant::now)),
        };
        *down_since
    }

    fn connections(&self) -> Vec<Connection> {
        let connections = self.connections.read();
        connections.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether all connections are established, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.connections().iter().all(|it| it.client.is_connected())
    }

    /// Sends PING on every connection, and replaces those that do not reply.
    pub async fn probe(&self) {
        self.note_connections();
        let connections = self.connections();
        join_all(connections.iter().map(|it| self.probe_one(&it.client))).await;
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
        let connections = self.connections.write();
        let mut connections = connections.unwrap_or_else(PoisonError::into_inner);
        let place = connections
            .iter_mut()
            .find(|it| it.client.id() == unanswered.id());
        match place {
            Some(place) => tokio::spawn(std::mem::replace(place, fresh).close()),
            None => tokio::spawn(fresh.close()),
        };
    }

    /// Closes the connections after all sent commands have been answered, or after a limit.
    pub async fn close(&self) {
        join_all(self.connections().into_iter().map(Connection::close)).await;
    }
}

impl Connection {
    async fn close(self) {
        if timeout(QUIT_TIMEOUT, self.client.quit()).await.is_err() {
            tracing::debug!("Redis did not answer QUIT");
        }
        // A task that is connecting to a server that does not answer has not heard of QUIT, and would go on for ever.
        self.task.abort();
    }
}

impl NodeSettings {
    fn connect(&self) -> Result<Connection, Error> {
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
        let task = client.connect().abort_handle();
        Ok(Connection { client, task })
    }
}
