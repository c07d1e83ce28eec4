//! Addresses to listen on, as people write them.

use std::net::{SocketAddr, ToSocketAddrs};

/// `127.0.0.1:4566`, `[::1]:4566`, or `localhost:4566`. Another name is refused with the address that it stands for: a
/// name can come to mean an address that other machines reach.
pub(crate) fn parse(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let how = "write an address and a port, such as 127.0.0.1:4566 or [::1]:4566";
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(format!("{text:?} is no address with a port: {how}"));
    };
    let Ok(port) = port.parse::<u16>() else {
        return Err(format!("{port:?} is no port: {how}"));
    };
    if host.is_empty() {
        return Err(format!("{text:?} names no address: {how}"));
    }
    let found = (host, port).to_socket_addrs();
    let found: Vec<SocketAddr> = found.map_err(|error| format!("{host:?}: {error}; {how}"))?.collect();
    let first = found.first().ok_or_else(|| format!("{host:?} stands for no address; {how}"))?;
    if !found.iter().all(|address| address.ip().is_loopback()) {
        return Err(format!("{host:?} can be reached from other machines: if that is wanted, write {first}"));
    }
    Ok(*found.iter().find(|address| address.is_ipv4()).unwrap_or(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_name_of_this_machine() {
        for text in ["127.0.0.1:4566", "[::1]:0", "0.0.0.0:1"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        assert_eq!(parse("localhost:4567").unwrap().to_string(), "127.0.0.1:4567");
    }

    #[test]
    fn what_is_no_address_says_how_to_write_one() {
        for bad in ["", "4566", ":4566", "127.0.0.1", "127.0.0.1:x", "localhost:99999", "::1:"] {
            assert!(parse(bad).unwrap_err().contains("127.0.0.1:4566"), "{bad}");
        }
    }
}
