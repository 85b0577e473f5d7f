use std::net::SocketAddr;

use clap::Args;

/// Where those ask who watch the service.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "HTTP")]
pub struct OpsSettings {
    /// Address and port for probes and /metrics alone, outside CONNECTIONS_MAX; /metrics is then no
    /// longer on HTTP_ADDR [default: none, all on HTTP_ADDR]
    #[arg(long, env = "OPS_ADDR")]
    pub ops_addr: Option<SocketAddr>,
}
