//! Ranges of addresses.

use std::net::IpAddr;

/// `203.0.113.0/24`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    network: u128,
    bits: u32,
    is_v4: bool,
}

impl Range {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        (bits <= width).then(|| Self { network: number(address), bits, is_v4: address.is_ipv4() })
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        // An IPv4 client of a socket for both is written as ::ffff:a.b.c.d.
        let address = address.to_canonical();
        if address.is_ipv4() != self.is_v4 {
            return false;
        }
        let width = if self.is_v4 { 32 } else { 128 };
        let differing = number(address) ^ self.network;
        differing.checked_shr(width - self.bits).unwrap_or(0) == 0
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (range, address, is) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:1::2", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "::1", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
        ] {
            assert_eq!(
                Range::parse(range).unwrap().contains(address.parse().unwrap()),
                is,
                "{range} {address}"
            );
        }
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/-1", "host"] {
            assert_eq!(Range::parse(bad), None, "{bad}");
        }
    }
}
