//! The names of NTP servers, as users write them.

use std::net::{IpAddr, SocketAddr};

/// The host, and `host:port` for the resolver; port 123 where none is given.
pub(super) fn parse_server(server: &str) -> Option<(String, String)> {
    if let Ok(address) = server.parse::<SocketAddr>() {
        return (address.port() != 0).then(|| (address.ip().to_string(), server.to_owned()));
    }
    if let Ok(ip) = server.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Some((ip.to_string(), SocketAddr::new(ip, NTP_PORT).to_string()));
    }
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().ok().filter(|port| *port != 0)?),
        None => (server, NTP_PORT),
    };
    let fits = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    (name.len() <= 253 && name.split('.').all(fits)).then(|| (host.to_owned(), format!("{host}:{port}")))
}

pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

const NTP_PORT: u16 = 123;

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
}
