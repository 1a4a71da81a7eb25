//! What addresses are this host's own.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use nix::errno::Errno;

/// Whether an address leads to this host itself. The system is asked, for it knows what no list of interfaces does: all of
/// 127.0.0.0/8, and whole networks that are routed here. No packet is sent.
pub fn is_local(address: SocketAddr) -> bool {
    can_be_bound(address) || is_routed_here(address)
}

#[expect(clippy::disallowed_methods, reason = "this room makes the sockets")]
fn can_be_bound(mut address: SocketAddr) -> bool {
    address.set_port(0);
    UdpSocket::bind(address).map(drop).map_or_else(|error| is_exhausted(&error), |()| true)
}

/// IPv6 lets nobody bind an address of a network that is routed here. A datagram to it would leave from itself or from loopback.
#[expect(clippy::disallowed_methods, reason = "this room makes the sockets")]
fn is_routed_here(address: SocketAddr) -> bool {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(address)?;
        socket.local_addr()
    });
    source.map_or_else(|error| is_exhausted(&error), |source| source.ip() == address.ip() || source.ip().is_loopback())
}

/// Without a socket nothing can be asked, and who asks wants to be safe.
fn is_exhausted(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS))
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn every_loopback_address_is_local_and_a_documented_one_is_not() {
        for local in ["127.0.0.1:80", "127.1.2.3:80", "[::1]:80", "0.0.0.0:80"] {
            assert!(is_local(local.parse().expect("an address")), "{local}");
        }
        for other in ["192.0.2.7:80", "[2001:db8::7]:80"] {
            assert!(!is_local(other.parse().expect("an address")), "{other}");
        }
    }
}
