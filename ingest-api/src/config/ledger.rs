use clap::Args;
use fluxgate_service::settings::CaCertificates;

/// Where the truth is read: order status, and products that Redis does not know.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "PostgreSQL")]
pub struct LedgerSettings {
    /// PostgreSQL to read from, such as a replica [default: DATABASE_URL; with neither, an order's
    /// status ends at `accepted` and a product that Redis does not know is unknown]
    #[arg(long, env = "READ_DATABASE_URL", hide_env_values = true)]
    pub read_database_url: Option<String>,

    /// PostgreSQL, as the worker knows it; only read from, and only without READ_DATABASE_URL
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// PEM file of the authorities that vouch for it [default: those of the system]
    #[arg(long, env = "DATABASE_CA_FILE")]
    pub database_ca_file: Option<CaCertificates>,

    /// Connections to it
    #[arg(long, env = "READ_DATABASE_CONNECTIONS", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub read_database_connections: u8,

    /// Milliseconds that one read may take
    #[arg(long, env = "READ_DATABASE_TIMEOUT_MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub read_database_timeout_ms: u64,
}
