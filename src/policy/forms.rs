//! The addresses that an address stands for. IPv6 has many ways to carry an IPv4 address, and what is at the far end is the IPv4
//! host: whoever judges only the outer address is walked around.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A Teredo address names its server and its client, and may look like ISATAP too.
const MOST_INSIDE: usize = 3;

/// An IPv4-mapped address as the IPv4 address that the system reaches by it, everything else unchanged.
pub fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Everything about an address that has to be allowed: itself in canonical form first, then each IPv4 address inside it.
pub fn forms(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let outer = canonical(address);
    let inner = match outer {
        IpAddr::V4(_) => [None; MOST_INSIDE],
        IpAddr::V6(v6) => inside(v6),
    };
    std::iter::once(outer).chain(inner.into_iter().flatten().map(IpAddr::V4))
}

fn inside(address: Ipv6Addr) -> [Option<Ipv4Addr>; MOST_INSIDE] {
    let s = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    let last = v4(s[6], s[7]);
    // Interface identifiers of ISATAP (RFC 5214, section 6.1), below whatever prefix.
    let isatap = (s[4] & 0xfdff == 0 && s[5] == 0x5efe).then_some(last);
    match s {
        // :: and ::1 stand for themselves.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None; MOST_INSIDE],
        // IPv4-compatible; IPv4-translated.
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => [Some(last), None, None],
        // NAT64: the well-known prefix, and the one for local use with prefixes of 96 bits and of 48 (RFC 6052, section 2.2). How a
        // network cuts the latter cannot be known; all of it is denied unless a rule names it.
        [0x64, 0xff9b, 0 | 1, 0, 0, 0, ..] => [Some(last), None, None],
        [0x64, 0xff9b, 1, ..] => [Some(v4(s[3], (s[4] & 0xff) << 8 | s[5] >> 8)), isatap, None],
        // Teredo: the server, and the client with its bits turned round.
        [0x2001, 0, ..] => [Some(v4(s[2], s[3])), Some(v4(!s[6], !s[7])), isatap],
        // 6to4.
        [0x2002, high, low, ..] => [Some(v4(high, low)), isatap, None],
        _ => [isatap, None, None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(address: &str) -> Vec<String> {
        forms(address.parse().expect("an address")).map(|form| form.to_string()).collect()
    }

    #[test]
    fn each_way_to_carry_an_ipv4_address_gives_it_away() {
        assert_eq!(shown("127.0.0.1"), ["127.0.0.1"]);
        assert_eq!(shown("::1"), ["::1"]);
        assert_eq!(shown("::"), ["::"]);
        assert_eq!(shown("2606:4700::1111"), ["2606:4700::1111"]);
        assert_eq!(shown("::ffff:127.0.0.1"), ["127.0.0.1"]);
        assert_eq!(shown("::127.0.0.1"), ["::7f00:1", "127.0.0.1"]);
        assert_eq!(shown("::ffff:0:127.0.0.1"), ["::ffff:0:7f00:1", "127.0.0.1"]);
        assert_eq!(shown("64:ff9b::169.254.169.254"), ["64:ff9b::a9fe:a9fe", "169.254.169.254"]);
        assert_eq!(shown("64:ff9b:1::10.0.0.1"), ["64:ff9b:1::a00:1", "10.0.0.1"]);
        // A prefix of 48 bits: 10.1, then bits 64 to 71 that must be zero, then 2.3.
        assert_eq!(shown("64:ff9b:1:a01:2:300::"), ["64:ff9b:1:a01:2:300::", "10.1.2.3"]);
        assert_eq!(shown("2002:7f00:1::1"), ["2002:7f00:1::1", "127.0.0.1"]);
        // The example of RFC 4380's like: server 65.54.227.120, client 192.0.2.45.
        assert_eq!(
            shown("2001:0:4136:e378:8000:63bf:3fff:fdd2"),
            ["2001:0:4136:e378:8000:63bf:3fff:fdd2", "65.54.227.120", "192.0.2.45"]
        );
        assert_eq!(shown("2001:db8::5efe:10.0.0.1"), ["2001:db8::5efe:a00:1", "10.0.0.1"]);
        assert_eq!(shown("fe80::200:5efe:10.0.0.1"), ["fe80::200:5efe:a00:1", "10.0.0.1"]);
    }
}
