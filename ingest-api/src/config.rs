//! Every setting of the program: one struct per concern, the environment variable beside each field.
//!
//! `ingest-api --help` prints them as a table. If a setting is missing or invalid, the program prints its name and exits
//! with code 2.

mod access;
mod pages;
mod queue;
mod rate_limits;
mod sales;

pub use access::{AdminSettings, IdentitySettings, Origins};
pub use pages::{CheckoutUrl, PageSettings};
pub use queue::{QueueSecrets, QueueSettings};
pub use rate_limits::RateLimitSettings;
pub use sales::{SaleFeatures, SaleSettings};

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use fluxgate_log::PublisherSettings;
use fluxgate_service::settings::{
    CaCertificates, KafkaSettings, LogSettings, RedisSettings, ShutdownSettings, Switch,
};
use fluxgate_service::traces::TraceSettings;

/// Takes the orders of a flash sale over HTTP and sells exactly the stock
#[derive(Debug, Clone, Parser)]
#[command(name = "ingest-api", version)]
#[allow(missing_docs)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub config: Config,
}

/// What the program does; `run` by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Take orders until SIGTERM
    Run,
    /// Ask the instance on OPS_ADDR, or else on HTTP_ADDR, whether it is ready: exit code 0 if so, otherwise 1
    Health,
}

/// All settings, one field per group.
#[derive(Debug, Clone, Args)]
#[allow(missing_docs)]
pub struct Config {
    #[command(flatten)]
    pub http: HttpSettings,
    #[command(flatten)]
    pub connections: ConnectionSettings,
    #[command(flatten)]
    pub limits: LimitSettings,
    #[command(flatten)]
    pub rate_limits: RateLimitSettings,
    #[command(flatten)]
    pub admin: AdminSettings,
    #[command(flatten)]
    pub identity: IdentitySettings,
    #[command(flatten)]
    pub pages: PageSettings,
    #[command(flatten)]
    pub redis: RedisSettings,
    #[command(flatten)]
    pub sold_out: SoldOutSettings,
    #[command(flatten)]
    pub kafka: KafkaSettings,
    #[command(flatten)]
    pub publisher: PublisherSettings,
    #[command(flatten)]
    pub outbox: OutboxSettings,
    #[command(flatten)]
    pub ledger: LedgerSettings,
    #[command(flatten)]
    pub sales: SaleSettings,
    #[command(flatten)]
    pub queue: QueueSettings,
    #[command(flatten)]
    pub compat: CompatSettings,
    #[command(flatten)]
    pub shutdown: ShutdownSettings,
    #[command(flatten)]
    pub log: LogSettings,
    #[command(flatten)]
    pub traces: TraceSettings,
}

impl Config {
    /// Threads that serve HTTP.
    pub fn http_threads(&self) -> usize {
        let one_per_core = || std::thread::available_parallelism().map_or(2, usize::from);
        let threads = self.limits.http_threads.map(usize::from);
        threads.unwrap_or_else(one_per_core)
    }
}

/// The listeners.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpSettings {
    /// Address and port for clients
    #[arg(long, env = "HTTP_ADDR", default_value = "127.0.0.1:8080")]
    pub http_addr: SocketAddr,

    /// Address and port for probes and /metrics only, not counted in CONNECTIONS_MAX; HTTP_ADDR then serves no
    /// /metrics [default: none; HTTP_ADDR serves probes and /metrics]
    #[arg(long, env = "OPS_ADDR")]
    pub ops_addr: Option<SocketAddr>,
}

/// Client connections.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connections")]
pub struct ConnectionSettings {
    /// Maximum client connections per instance, one open file each; further connections wait in the backlog
    /// [default: 25000, or as many as the open-file limit allows]
    #[arg(long, env = "CONNECTIONS_MAX", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub connections_max: Option<u32>,

    /// Maximum connections waiting to be accepted; the kernel caps it at net.core.somaxconn
    #[arg(long, env = "CONNECTIONS_BACKLOG", default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub connections_backlog: u32,

    /// Maximum event streams per instance, each with a connection of its own; further ones are answered 503
    /// `overloaded`. Must be less than CONNECTIONS_MAX [default: 10000, or half of CONNECTIONS_MAX if that is less]
    #[arg(long, env = "STREAMS_MAX", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub streams_max: Option<u32>,

    /// Seconds after which an idle connection is closed; must exceed the load balancer's idle timeout, so that
    /// the load balancer closes first
    #[arg(long, env = "KEEP_ALIVE_SECONDS", default_value_t = 75, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub keep_alive_seconds: u64,

    /// Seconds from the first byte of a request to its answer, and for which a client may leave an answer unread; after
    /// them, the connection is closed. At least 15, because an admin call may take 12 s. Must exceed BODY_TIMEOUT_MS
    #[arg(long, env = "REQUEST_TIMEOUT_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(15..=300))]
    pub request_timeout_seconds: u64,
}

impl ConnectionSettings {
    /// How long a connection may be idle.
    pub fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.keep_alive_seconds)
    }

    /// How long a request may take to arrive and to be answered, and an answer to be read.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds)
    }
}

/// Requests in flight, body size and threads.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitSettings {
    /// Maximum requests in flight per instance, and orders that wait for Redis on one HTTP thread; further ones are answered 503 `overloaded`
    #[arg(long, env = "IN_FLIGHT_MAX", default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(1..))]
    pub in_flight_max: u32,

    /// Largest request body in bytes; a larger one is answered 413
    #[arg(long, env = "BODY_LIMIT_BYTES", default_value_t = 16_384, value_parser = clap::value_parser!(u32).range(256..=4_194_304))]
    pub body_limit_bytes: u32,

    /// Milliseconds within which a request body must arrive; a later one is answered 408
    #[arg(long, env = "BODY_TIMEOUT_MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    pub body_timeout_ms: u64,

    /// Threads that serve HTTP [default: one per core]
    #[arg(long, env = "HTTP_THREADS", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub http_threads: Option<u16>,
}

impl LimitSettings {
    /// How long a body may take.
    pub fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }
}

/// The sold-out cache.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sold out")]
pub struct SoldOutSettings {
    /// Milliseconds for which an instance refuses orders from memory before it asks Redis again; returned units
    /// are back on sale after at most this long. 0: every order asks Redis
    #[arg(long, env = "SOLD_OUT_LEASE_MS", default_value_t = 250, value_parser = clap::value_parser!(u64).range(0..=1_000))]
    pub sold_out_lease_ms: u64,

    /// Maximum orders of sold-out and closed sales that an instance keeps in memory, 8 bytes each
    #[arg(long, env = "SOLD_OUT_ORDERS_MAX", default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(0..=100_000_000))]
    pub sold_out_orders_max: u32,
}

impl SoldOutSettings {
    /// How long a refusal lease lasts.
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.sold_out_lease_ms)
    }
}

/// The outbox and the records of closed sales.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Outbox")]
pub struct OutboxSettings {
    /// Maximum outbox entries per sale, each of one event or of the up to 64 orders of a call; at the limit, new orders are answered 503 `overloaded`
    #[arg(long, env = "OUTBOX_MAX", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub outbox_max: u32,

    /// Whether the orders of one call to Redis share an outbox entry, which costs Redis less; only once no instance of
    /// version 0.2.0 or earlier is left
    #[arg(long, env = "OUTBOX_SHARED_ENTRIES", default_value = "off")]
    pub outbox_shared_entries: Switch,

    /// Milliseconds between passes of the outbox relay, which republishes events that two consecutive passes
    /// have seen
    #[arg(long, env = "OUTBOX_RELAY_INTERVAL_MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    pub outbox_relay_interval_ms: u64,

    /// Seconds for which Redis keeps a sale's records after the sale has closed
    #[arg(long, env = "ORDER_RECORD_TTL_SECONDS", default_value_t = 604_800, value_parser = clap::value_parser!(u64).range(1..=315_360_000))]
    pub order_record_ttl_seconds: u64,
}

impl OutboxSettings {
    /// The time between two passes of the outbox relay.
    pub fn outbox_relay_interval(&self) -> Duration {
        Duration::from_millis(self.outbox_relay_interval_ms)
    }

    /// How long Redis keeps the records of a closed sale.
    pub fn record_ttl(&self) -> Duration {
        Duration::from_secs(self.order_record_ttl_seconds)
    }
}

/// Reads of PostgreSQL: order status, and products that Redis does not know.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "PostgreSQL")]
pub struct LedgerSettings {
    /// PostgreSQL URL for reads, such as a replica's. Of one server, not of a balancer over several: between two replicas a
    /// status could go back [default: DATABASE_URL; with neither, order statuses stop at `accepted`, and a product that is
    /// not in Redis is unknown]
    #[arg(long, env = "READ_DATABASE_URL", hide_env_values = true)]
    pub read_database_url: Option<String>,

    /// The worker's PostgreSQL URL; used for reads if READ_DATABASE_URL is not set [default: none]
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// PEM file with the certificate authorities for PostgreSQL [default: the system's]
    #[arg(long, env = "DATABASE_CA_FILE")]
    pub database_ca_file: Option<CaCertificates>,

    /// Maximum connections for reads
    #[arg(long, env = "READ_DATABASE_CONNECTIONS", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub read_database_connections: u8,

    /// Timeout of a read in milliseconds
    #[arg(long, env = "READ_DATABASE_TIMEOUT_MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub read_database_timeout_ms: u64,
}

/// The routes of the original Flux-Gate, for its clients.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Compatibility")]
pub struct CompatSettings {
    /// Whether to serve `POST /init` and `POST /order` of the original Flux-Gate; without AUTH_… settings they
    /// need no token
    #[arg(long, env = "COMPAT_ROUTES", default_value = "off")]
    pub compat_routes: Switch,

    /// Maximum requests per second to `POST /order`, per instance; further requests are redirected. With `limits` in
    /// SALE_FEATURES, maximum orders per second of each sale that `POST /init` opens [default: none]
    #[arg(
        long,
        env = "COMPAT_RATE_PER_SECOND",
        requires = "compat_waiting_room_url"
    )]
    pub compat_rate_per_second: Option<NonZeroU32>,

    /// URL to which requests beyond COMPAT_RATE_PER_SECOND, and orders without a turn in a queue, are redirected [default: none]
    #[arg(long, env = "COMPAT_WAITING_ROOM_URL")]
    pub compat_waiting_room_url: Option<String>,
}
