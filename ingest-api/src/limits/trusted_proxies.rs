use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;

/// The proxies whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Arc<[IpNet]>);

/// An address in `X-Forwarded-For` that is needed and cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl TrustedProxies {
    /// The client of a connection from `peer`, whose request has these values of `X-Forwarded-For`.
    ///
    /// Each proxy adds the address that connected to it at the end, so what an untrusted one sent stands at the beginning:
    /// this reads from the end, up to the first address that is no trusted proxy. If all are, it is the first.
    ///
    /// # Errors
    /// If one of the addresses up to there cannot be read.
    pub fn client<'a>(
        &self,
        peer: IpAddr,
        forwarded_for: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Result<IpAddr, Malformed> {
        let mut client = peer;
        let values = forwarded_for.rev();
        let mut addresses = values.flat_map(|value| value.rsplit(|it| *it == b','));
        while self.contains(client) {
            // An empty element of a list counts for nothing (RFC 9110, 5.6.1).
            let mut filled = addresses.by_ref().map(<[u8]>::trim_ascii);
            match filled.find(|it| !it.is_empty()) {
                Some(address) => client = parse_address(address).ok_or(Malformed)?,
                None => break,
            }
        }
        Ok(client)
    }

    fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let networks = text.split(',').map(|it| network(it.trim()));
        networks.collect::<Result<_, _>>().map(Self)
    }
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    let network: IpNet = address
        .or_else(|_| text.parse())
        .map_err(|_| format!("'{text}' must be a network such as 10.0.0.0/8, or an address"))?;
    if network.prefix_len() == 0 {
        return Err(format!(
            "'{text}' would let every client choose its address"
        ));
    }
    match network {
        IpNet::V6(it) if it.addr().to_ipv4_mapped().is_some() => {
            Err(format!("'{text}' must be written as a network of IPv4"))
        }
        network => Ok(network),
    }
}

/// An address as proxies write it, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    let with_port = || text.parse().map(|it: SocketAddr| it.ip()).ok();
    let in_brackets = || {
        let address: Ipv6Addr = text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
        Some(address.into())
    };
    let address = text.parse().ok();
    address.or_else(with_port).or_else(in_brackets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PEER: &str = "10.0.0.1";

    fn proxies(text: &str) -> TrustedProxies {
        text.parse().unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn client(trusted: &str, peer: &str, values: &[&str]) -> Result<IpAddr, Malformed> {
        let values = values.iter().map(|it| it.as_bytes());
        proxies(trusted).client(address(peer), values)
    }

    #[test]
    fn without_trusted_proxies_the_peer_is_the_client_whatever_it_sends() {
        let nobody = TrustedProxies::default();
        let values = ["192.0.2.7", "nonsense"].map(str::as_bytes);
        assert_eq!(
            nobody.client(address(PEER), values.into_iter()),
            Ok(address(PEER))
        );
        let stranger = client("10.0.0.0/8", "203.0.113.9", &["192.0.2.7"]);
        assert_eq!(stranger, Ok(address("203.0.113.9")));
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_trusted_proxy() {
        let trusted = "10.0.0.0/8, 2001:db8:1::/48,203.0.113.4";
        for (values, expected) in [
            (vec!["192.0.2.7"], "192.0.2.7"),
            (vec!["8.8.8.8, 192.0.2.7"], "192.0.2.7"),
            (vec!["8.8.8.8", "192.0.2.7"], "192.0.2.7"),
            (vec!["192.0.2.7, 10.1.1.1"], "192.0.2.7"),
            (
                vec!["8.8.8.8,192.0.2.7", "2001:db8:1::5,203.0.113.4"],
                "192.0.2.7",
            ),
            (vec!["192.0.2.7:4711"], "192.0.2.7"),
            (vec!["2001:db8:2::7"], "2001:db8:2::7"),
            (vec!["[2001:db8:2::7]"], "2001:db8:2::7"),
            (vec!["[2001:db8:2::7]:4711"], "2001:db8:2::7"),
            (vec!["192.0.2.7, ::ffff:10.1.1.1"], "192.0.2.7"),
            // What a client has sent itself is not looked at.
            (vec!["nonsense, \u{fffd}, 192.0.2.7"], "192.0.2.7"),
            (vec!["10.1.1.1, 192.0.2.7"], "192.0.2.7"),
            // Empty elements count for nothing.
            (vec!["192.0.2.7, ,", ""], "192.0.2.7"),
            // The proxies themselves.
            (vec![], PEER),
            (vec![""], PEER),
            (vec!["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        ] {
            assert_eq!(
                client(trusted, PEER, &values),
                Ok(address(expected)),
                "{values:?}"
            );
        }
    }

    #[test]
    fn an_address_that_is_needed_and_cannot_be_read_is_malformed() {
        for value in [
            "unknown",
            "_hidden",
            "192.0.2",
            "192.0.2.7.",
            "192.0.2.07",
            "192.0.2.7, unknown",
            "192.0.2.7 10.1.1.1",
            "[192.0.2.7]",
            "fe80::1%eth0",
            "192.0.2.7:99999",
            "\u{fffd}",
        ] {
            assert_eq!(
                client("10.0.0.0/8", PEER, &[value]),
                Err(Malformed),
                "{value}"
            );
        }
    }

    #[test]
    fn an_ipv4_mapped_peer_is_a_peer_of_ipv4() {
        let peer = format!("::ffff:{PEER}");
        assert_eq!(
            client("10.0.0.0/8", &peer, &["192.0.2.7"]),
            Ok(address("192.0.2.7"))
        );
    }

    #[test]
    fn what_is_no_list_of_networks_is_refused() {
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/8,",
            "ingress",
            "0.0.0.0/0",
            "::/0",
            "::ffff:10.0.0.0/104",
            "10.0.0.0/8 10.1.0.0/16",
        ] {
            assert!(bad.parse::<TrustedProxies>().is_err(), "{bad}");
        }
    }

    /// What a client may send, in pieces that look like the header and others.
    fn sent() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let pieces = prop_oneof![
            Just(b", ".to_vec()),
            Just(b"10.0.0.9".to_vec()),
            Just(b"::ffff:10.0.0.9".to_vec()),
            Just(b"[2001:db8::1]:80".to_vec()),
            any::<[u8; 4]>().prop_map(|it| IpAddr::from(it).to_string().into_bytes()),
            any::<[u8; 16]>().prop_map(|it| IpAddr::from(it).to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 0..8),
        ];
        let value = prop::collection::vec(pieces, 0..8).prop_map(|it| it.concat());
        prop::collection::vec(value, 0..4)
    }

    proptest! {
        #[test]
        fn an_untrusted_peer_is_the_client_whatever_it_sends(peer: IpAddr, sent in sent()) {
            let trusted = proxies("10.0.0.0/8");
            prop_assume!(!trusted.contains(peer));
            let client = trusted.client(peer, sent.iter().map(Vec::as_slice));
            prop_assert_eq!(client, Ok(peer));
        }

        /// As a chain of trusted proxies forwards it: in the header's last value, or in one of its own.
        #[test]
        fn a_client_cannot_choose_its_address(
            client: IpAddr, sent in sent(), hops in prop::collection::vec(any::<[u8; 3]>(), 0..4), in_new_value: bool
        ) {
            let trusted = proxies("10.0.0.0/8");
            prop_assume!(!trusted.contains(client));
            let hops = hops.iter().map(|[b, c, d]| format!("10.{b}.{c}.{d}"));
            let added: Vec<_> = std::iter::once(client.to_string()).chain(hops).collect();
            let added = added.join(", ").into_bytes();
            let mut values = sent;
            match values.last_mut() {
                Some(last) if !in_new_value => last.extend([&b", "[..], &added].concat()),
                _ => values.push(added),
            }
            let found = trusted.client(address(PEER), values.iter().map(Vec::as_slice));
            prop_assert_eq!(found, Ok(client));
        }

        #[test]
        fn a_proxy_is_the_client_only_if_nobody_else_is_named(sent in sent()) {
            let trusted = proxies("10.0.0.0/8");
            let found = trusted.client(address(PEER), sent.iter().map(Vec::as_slice));
            let elements = sent.iter().flat_map(|it| it.split(|it| *it == b','));
            let elements = elements.map(<[u8]>::trim_ascii).filter(|it| !it.is_empty());
            let named: Vec<_> = elements.map(parse_address).collect();
            let is_proxy = |it: IpAddr| trusted.contains(it);
            let is_right = match found {
                Ok(found) if is_proxy(found) => named.iter().all(|it| it.is_some_and(is_proxy)),
                Ok(found) => named.contains(&Some(found)),
                Err(Malformed) => named.contains(&None),
            };
            prop_assert!(is_right, "{:?}", found);
        }
    }
}
