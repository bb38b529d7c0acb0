//! Addresses as people write them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};

/// Where to listen, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    /// Nowhere.
    Off,
    /// Here.
    At(SocketAddr),
}

/// Reads `off`, a port, `:port`, `host:port` or `[v6]:port`. A name is looked up.
pub(crate) fn parse_address(text: &str) -> Result<Address, String> {
    let text = text.trim();
    if ["off", "none", "false"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Ok(Address::Off);
    }
    let text = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        return Ok(Address::At(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)));
    }
    if let Ok(address) = text.parse() {
        return Ok(Address::At(address));
    }
    let shape = || format!("`{text}` is not an address; write host:port, such as 127.0.0.1:3000");
    if !text.contains(':') {
        return Err(shape());
    }
    let mut found = text.to_socket_addrs().map_err(|_| shape())?.collect::<Vec<_>>();
    // `localhost` names both families; the older one is where clients look first.
    found.sort_by_key(SocketAddr::is_ipv6);
    found.first().copied().map(Address::At).ok_or_else(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_usual_form() {
        let at = |text: &str| match parse_address(text) {
            Ok(Address::At(address)) => address.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(at("3000"), "127.0.0.1:3000");
        assert_eq!(at(":0"), "127.0.0.1:0");
        assert_eq!(at("0.0.0.0:80"), "0.0.0.0:80");
        assert_eq!(at("[::1]:80"), "[::1]:80");
        assert_eq!(at("localhost:80"), "127.0.0.1:80");
        assert_eq!(parse_address("OFF"), Ok(Address::Off));
        assert!(parse_address("example").is_err());
        assert!(parse_address("127.0.0.1:99999").is_err());
        assert!(parse_address("").is_err());
    }
}
