//! A service's query of its own health, for container engines that run a command as health check.

use std::io::{Error, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// The time that the service has to answer.
const TIMEOUT: Duration = Duration::from_secs(2);
const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const READY: &str = "HTTP/1.1 200 ";

/// Asks `/health` of the service that listens on `address` on this machine.
///
/// # Errors
/// When it does not answer 200.
pub fn check_health(mut address: SocketAddr) -> std::io::Result<()> {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let mut connection = TcpStream::connect_timeout(&address, TIMEOUT)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.set_write_timeout(Some(TIMEOUT))?;
    connection.write_all(REQUEST)?;
    let mut answer = String::new();
    connection.take(16_384).read_to_string(&mut answer)?;
    if answer.starts_with(READY) {
        return Ok(());
    }
    let status = answer.lines().next().unwrap_or("no response");
    Err(Error::other(status.to_owned()))
}
