//! What every HTTP client of ours starts from.

use std::sync::LazyLock;

use native_tls::TlsConnector;
use reqwest::ClientBuilder;
use reqwest::redirect::Policy;

/// Shared: each one reads the system's authorities, and a crowd has hundreds of clients.
static TLS: LazyLock<TlsConnector> =
    LazyLock::new(|| TlsConnector::new().expect("the system's TLS without any setting"));

/// A client that goes where it is sent: by no proxy, after no redirect, and without waiting to fill a packet.
pub fn client() -> ClientBuilder {
    ClientBuilder::new()
        .no_proxy()
        .redirect(Policy::none())
        .tcp_nodelay(true)
        .tls_backend_preconfigured(TLS.clone())
}
