//! Where a database is, and how its certificate is verified.

mod ssl_mode;

use std::time::Duration;

use fluxgate_service::settings::CaCertificates;
use postgres_native_tls::MakeTlsConnector;
use tokio_postgres::Config;

use ssl_mode::SslMode;

/// A parsed connection URL.
#[derive(Clone)]
pub struct Address {
    /// The driver's settings.
    pub config: Config,
    /// The TLS connector, used if `config` asks for TLS.
    pub tls: MakeTlsConnector,
}

/// The URL cannot be used. The text never contains the URL, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// Neither a URL nor key=value pairs.
    #[error("invalid connection string")]
    Malformed,
    /// The driver refuses a parameter.
    #[error("{0}")]
    Syntax(#[from] tokio_postgres::Error),
    /// libpq does not know this `sslmode`.
    #[error("sslmode must be disable, allow, prefer, require, verify-ca or verify-full")]
    SslMode,
    /// The TLS library refuses the certificate authorities.
    #[error("TLS: {0}")]
    Tls(#[from] native_tls::Error),
}

impl Address {
    /// Parses a URL or libpq's key=value pairs, with all of libpq's `sslmode`s. Without an application name it gets
    /// `application_name`.
    ///
    /// | `sslmode` | the server's certificate |
    /// |---|---|
    /// | `verify-full`, `require` | must be signed by one of `ca_certificates` (default: the system's) and name the host |
    /// | `verify-ca` | must be signed by one of them |
    /// | `prefer` (the default), `allow` | is not verified; TLS is used if the server offers it |
    /// | `disable` | no TLS |
    ///
    /// Only `require` differs from libpq, which verifies less.
    ///
    /// # Errors
    /// When the URL or the certificate authorities cannot be used.
    pub fn read(
        url: &str,
        ca_certificates: Option<&CaCertificates>,
        application_name: &str,
    ) -> Result<Self, UrlError> {
        let (url, mode) = ssl_mode::take(url)?;
        let mode = mode.unwrap_or(SslMode::Prefer);
        let mut config: Config = url.parse()?;
        config.ssl_mode(mode.of_driver());
        if config.get_application_name().is_none() {
            config.application_name(application_name);
        }
        let mut connector = CaCertificates::connector(ca_certificates);
        connector
            .danger_accept_invalid_certs(matches!(mode, SslMode::Disable | SslMode::Prefer))
            .danger_accept_invalid_hostnames(mode != SslMode::VerifyFull);
        Ok(Self {
            config,
            tls: MakeTlsConnector::new(connector.build()?),
        })
    }

    /// Bounds the time to connect, and ends a connection that the network has dropped in silence: one in use after
    /// `timeout`, a quiet one after about twice that.
    pub fn limit_silence(&mut self, timeout: Duration) {
        // The kernel takes whole seconds, from 1.
        let quiet = timeout.max(Duration::from_secs(1));
        self.config
            .connect_timeout(timeout)
            .tcp_user_timeout(timeout)
            .keepalives_idle(quiet)
            .keepalives_interval(quiet);
    }
}
