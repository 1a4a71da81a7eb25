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
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
        other => other.ip().to_string(),
    }
}
