use clap::Args;

use super::CaCertificates;

/// The database that workers write to.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "PostgreSQL")]
pub struct PostgresSettings {
    /// PostgreSQL URL, such as postgres://user:password@host:5432/name
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,

    /// PEM file with the certificate authorities for PostgreSQL [default: the system's]
    #[arg(long, env = "DATABASE_CA_FILE")]
    pub database_ca_file: Option<CaCertificates>,
}
