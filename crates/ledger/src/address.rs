use fluxgate_service::settings::CaCertificates;
use postgres_native_tls::MakeTlsConnector;
use tokio_postgres::Config;

use crate::ssl_mode::{self, SslMode};

/// Where a database is, and how its server is checked.
#[derive(Clone)]
pub struct Address {
    /// What `tokio_postgres` connects with.
    pub config: Config,
    /// What it encrypts with, where `config` says so.
    pub tls: MakeTlsConnector,
}

/// Why a URL cannot be used. Never shows the URL: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// It is no connection string.
    #[error("{0}")]
    Syntax(#[from] tokio_postgres::Error),
    /// The TLS library refuses the authorities.
    #[error("TLS: {0}")]
    Tls(#[from] native_tls::Error),
}

impl Address {
    /// Reads a URL, with all of libpq's `sslmode`s. `application_name` is used where it gives none.
    ///
    /// With `verify-full`, and with `require`, the server must show a certificate of its name that the
    /// `authorities` (or, without them, those of the system) vouch for; with `verify-ca` of any name.
    /// `prefer`, which a URL without `sslmode` means, encrypts where the server can and checks nothing.
    /// Only `require` differs from libpq, which checks less.
    ///
    /// # Errors
    /// When the URL or the authorities cannot be used.
    pub fn read(
        url: &str,
        ca_certificates: Option<&CaCertificates>,
        application_name: &str,
    ) -> Result<Self, UrlError> {
        let (url, mode) = ssl_mode::take(url);
        let mut config: Config = url.parse()?;
        if config.get_application_name().is_none() {
            config.application_name(application_name);
        }
        let mut connector = CaCertificates::connector(ca_certificates);
        connector
            .danger_accept_invalid_certs(mode == SslMode::Unchecked)
            .danger_accept_invalid_hostnames(mode != SslMode::Checked);
        Ok(Self {
            config,
            tls: MakeTlsConnector::new(connector.build()?),
        })
    }
}
