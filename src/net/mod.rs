//! Every socket is made here: resolving, connecting, binding, options, multicast.
//!
//! Options that only tune a socket warn when the system refuses them; options that change what it means (address reuse, multicast
//! membership) fail the call.

pub mod descriptors;
pub mod local;
pub mod resolve;
pub mod tcp;
pub mod udp;

use std::net::{IpAddr, SocketAddr};

/// An IPv4-mapped IPv6 address as the IPv4 address it stands for, everything else unchanged.
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(v4.into(), addr.port()),
            None => addr,
        },
        IpAddr::V4(_) => addr,
    }
}

/// An address as text, with its zone where it has one.
pub fn host_text(addr: &SocketAddr) -> String {
    match addr {
        // As `to_string` writes it, in a quarter of the time: each dial tells four of them.
        SocketAddr::V4(v4) => {
            let (mut text, mut digits) = (String::with_capacity("255.255.255.255".len()), itoa::Buffer::new());
            for octet in v4.ip().octets() {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(digits.format(octet));
            }
            text
        }
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
        other => other.ip().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_standard_library_writes_them() {
        for host in ["0.0.0.0", "10.20.0.1", "255.255.255.255", "::", "2001:db8::7", "::ffff:192.0.2.1"] {
            let ip: IpAddr = host.parse().expect("an address");
            assert_eq!(host_text(&SocketAddr::new(ip, 1)), ip.to_string());
        }
        assert_eq!(host_text(&"[fe80::7%3]:1".parse().expect("an address")), "fe80::7%3");
    }
}
