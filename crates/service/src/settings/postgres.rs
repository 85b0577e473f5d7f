use clap::Args;

use super::CaCertificates;

/// The database that workers write to.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "PostgreSQL")]
pub struct PostgresSettings {
    /// URL of PostgreSQL, such as postgres://user:password@host:5432/name
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,

    /// PEM file of the certificate authorities of PostgreSQL [default: those of the system]
    #[arg(long, env = "DATABASE_CA_FILE")]
    pub database_ca_file: Option<CaCertificates>,
}
