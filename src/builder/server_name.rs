//! The names of NTP servers, as users write them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The host, and `host:port` for the resolver; port 123 where none is given.
pub(super) fn parse_server(server: &str) -> Option<(String, String)> {
    if let Ok(address) = server.parse::<SocketAddr>() {
        return (address.port() != 0).then(|| (address.ip().to_string(), server.to_owned()));
    }
    if let Ok(ip) = server.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Some((ip.to_string(), SocketAddr::new(ip, NTP_PORT).to_string()));
    }
    if let Some(parsed) = parse_zoned(server) {
        return Some(parsed);
    }
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().ok().filter(|port| *port != 0)?),
        None => (server, NTP_PORT),
    };
    let fits = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    (name.len() <= 253 && name.split('.').all(fits))
        .then(|| (host.to_owned(), format!("{host}:{port}")))
}

/// An IPv6 address of one link, as in `fe80::1%eth0`, `[fe80::1%eth0]` or `[fe80::1%eth0]:123`.
///
/// The zone is an interface of this machine, which the resolver knows; it wants no brackets.
fn parse_zoned(server: &str) -> Option<(String, String)> {
    let (host, port) = match server.strip_prefix('[') {
        None => (server, NTP_PORT),
        Some(rest) => match rest.split_once(']')? {
            (host, "") => (host, NTP_PORT),
            (host, port) => (host, port.strip_prefix(':')?.parse().ok().filter(|port| *port != 0)?),
        },
    };
    let (address, zone) = host.split_once('%')?;
    address.parse::<Ipv6Addr>().ok()?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (!zone.is_empty() && zone.len() <= LONGEST_ZONE && zone.bytes().all(fits))
        .then(|| (host.to_owned(), format!("{host}:{port}")))
}

pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

const NTP_PORT: u16 = 123;
/// Names of interfaces are up to 15 bytes on Linux and macOS, and numbers on Windows.
const LONGEST_ZONE: usize = 15;

#[cfg(all(test, not(sureclock_loom)))]
mod tests {
    use super::*;

    #[test]
    fn server_names_get_their_port() {
        let parsed = |s: &str| parse_server(s).unwrap().1;
        assert_eq!(parsed("ntp.example.org"), "ntp.example.org:123");
        assert_eq!(parsed("ntp.example.org:11123"), "ntp.example.org:11123");
        assert_eq!(parsed("::1"), "[::1]:123");
        assert_eq!(parsed("[::1]:5"), "[::1]:5");
        assert_eq!(parsed("192.0.2.1"), "192.0.2.1:123");
    }

    #[test]
    fn an_address_of_one_link_is_taken_with_the_name_of_its_interface() {
        let parsed = |s: &str| parse_server(s).map(|(_, server)| server);
        let plain = Some("fe80::1%lo:123".to_owned());
        assert_eq!([parsed("fe80::1%lo"), parsed("[fe80::1%lo]")], [plain.clone(), plain]);
        assert_eq!(parsed("[fe80::1%eth0.7]:5"), Some("fe80::1%eth0.7:5".to_owned()));
        assert_eq!(parsed("[fe80::1%3]:5"), Some("[fe80::1%3]:5".to_owned()), "by its number");
        for bad in [
            "fe80::1%",
            "[fe80::1%lo",
            "[fe80::1%lo]5",
            "[fe80::1%lo]:0",
            "fe80::1%a b",
            "x%lo",
            "1.2.3.4%lo",
        ] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[cfg_attr(miri, ignore = "of the system's interfaces")]
    fn the_resolver_knows_the_interface() {
        use std::net::ToSocketAddrs as _;
        let (_, server) = parse_server("[fe80::1%lo]:5").unwrap();
        let found: Vec<SocketAddr> = server.to_socket_addrs().unwrap().collect();
        assert!(
            matches!(found[0], SocketAddr::V6(address) if address.scope_id() == 1 && address.port() == 5)
        );
    }
}
