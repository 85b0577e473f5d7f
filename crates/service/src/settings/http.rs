use std::net::SocketAddr;

use clap::Args;

/// The HTTP listener.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpSettings {
    /// Address and port to listen on; each service has its own default
    #[arg(long, env = "HTTP_ADDR")]
    pub http_addr: Option<SocketAddr>,
}

impl HttpSettings {
    /// The address to listen on: the setting, or 127.0.0.1 with the service's own port.
    pub fn address_or(&self, port: u16) -> SocketAddr {
        self.http_addr
            .unwrap_or_else(|| ([127, 0, 0, 1], port).into())
    }
}
