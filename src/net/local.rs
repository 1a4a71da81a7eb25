//! What addresses this host has.

use std::net::{SocketAddr, UdpSocket};

/// Whether an address is one of this host's own. The system is asked by binding it, which also knows what no list of interfaces
/// does: all of 127.0.0.0/8, and whole networks routed to this host.
#[expect(clippy::disallowed_methods, reason = "this room makes the sockets")]
pub fn is_local(address: SocketAddr) -> bool {
    let any_port = match address {
        SocketAddr::V4(v4) => SocketAddr::from((*v4.ip(), 0)),
        // The zone of a link-local address is needed.
        SocketAddr::V6(mut v6) => {
            v6.set_port(0);
            v6.into()
        }
    };
    match UdpSocket::bind(any_port) {
        Ok(_) => true,
        // Anything else than "not mine" (no file descriptors left, for example) leaves it open, and the question is about safety.
        Err(error) => error.kind() != std::io::ErrorKind::AddrNotAvailable && !is_unsupported(&error),
    }
}

/// A family that the host does not have has no address of it.
fn is_unsupported(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32)
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
