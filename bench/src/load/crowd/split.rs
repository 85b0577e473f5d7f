//! Which client holds what. Pure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Well below the files that a process may open, 20,000 on a small machine, and below the 28,000
/// ports that one source address has.
const PER_CLIENT_MAX: u32 = 10_000;

/// Of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub server: SocketAddr,
    pub source: IpAddr,
    pub connections: u32,
    pub per_second: u32,
}

/// Spreads connections and rate evenly over as many clients as they take: as many for each server. Crowds of
/// different numbers have no source address in common: for a minute after one has gone, its ports are
/// taken, and the kernel looks long for a free one among them.
pub fn split(servers: &[SocketAddr], connections: u32, per_second: u32, crowd: u8) -> Vec<Share> {
    let servers_count = u32::try_from(servers.len()).unwrap_or(u32::MAX).max(1);
    let per_server = connections.div_ceil(servers_count);
    let clients = per_server.div_ceil(PER_CLIENT_MAX).max(1) * servers_count;
    (0..clients)
        .zip(servers.iter().cycle())
        .map(|(n, server)| Share {
            server: *server,
            source: source(crowd, n),
            connections: part(connections, clients, n),
            per_second: part(per_second, clients, n),
        })
        .collect()
}

/// The nth of so many parts that differ by one at most.
fn part(whole: u32, parts: u32, n: u32) -> u32 {
    whole / parts + u32::from(n < whole % parts)
}

/// Loopback is a whole network; the first address is everybody's.
fn source(crowd: u8, n: u32) -> IpAddr {
    let first = u32::from(Ipv4Addr::new(127, 1, crowd, 1));
    Ipv4Addr::from(first + n).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(count: u16) -> Vec<SocketAddr> {
        (0..count)
            .map(|n| ([127, 0, 0, 1], 8_000 + n).into())
            .collect()
    }

    #[test]
    fn nothing_is_lost_and_no_client_has_more_than_it_may_open() {
        for (count, connections) in [(1, 256), (1, 18_000), (3, 54_000), (3, 50_001), (2, 1)] {
            let shares = split(&servers(count), connections, 2_000, 0);
            let sum: u32 = shares.iter().map(|share| share.connections).sum();
            let rate: u32 = shares.iter().map(|share| share.per_second).sum();
            assert_eq!((sum, rate), (connections, 2_000));
            assert!(shares.iter().all(|it| it.connections <= PER_CLIENT_MAX));
        }
    }

    #[test]
    fn every_server_gets_as_many_and_every_client_an_address_of_its_own() {
        let shares = split(&servers(3), 54_000, 2_000, 0);
        assert_eq!(shares.len(), 6);
        for server in servers(3) {
            let its = shares.iter().filter(|share| share.server == server);
            assert_eq!(its.map(|share| share.connections).sum::<u32>(), 18_000);
        }
        let sources: std::collections::HashSet<_> = shares.iter().map(|it| it.source).collect();
        assert_eq!(sources.len(), 6);
        assert!(sources.iter().all(IpAddr::is_loopback));
    }

    #[test]
    fn few_connections_take_one_client() {
        assert_eq!(split(&servers(1), 256, 2_000, 0).len(), 1);
    }
}
