//! UDP sockets: binding, multicast membership, sending, and receiving with the kernel's drop count.

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsRawFd,
    sync::{Mutex, PoisonError},
};

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt, sockopt::RxqOvfl,
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};
use tokio::{io::Interest, net::UdpSocket};

use super::canonical;

/// A group to join, on an interface of the caller's or the system's choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The group's address.
    pub group: IpAddr,
    /// The interface's index.
    pub interface: Option<u32>,
}

/// How a datagram is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// Allow a broadcast destination.
    pub broadcast: bool,
    /// Time to live, or hop limit, of multicast.
    pub multicast_ttl: Option<u8>,
    /// Whether this host gets multicast too.
    pub multicast_loopback: Option<bool>,
    /// The interface multicast goes out on.
    pub multicast_interface: Option<u32>,
}

/// The largest datagram there is, as its length field tells.
pub const DATAGRAM_BYTES: usize = 65_535;

/// One received datagram.
pub struct Received<'a> {
    /// What it holds.
    pub payload: &'a [u8],
    /// Who sent it.
    pub from: SocketAddr,
    /// Datagrams this socket's kernel queue has dropped so far (wraps); None where it has dropped none.
    pub kernel_dropped: Option<u32>,
}

/// Binds a socket and joins the groups.
///
/// # Errors
/// What the system says to the bind or to a membership.
#[expect(clippy::disallowed_methods, reason = "this room makes the sockets")]
pub fn bind(addr: SocketAddr, groups: &[Membership], reuse: bool, receive_buffer: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(reuse)?;
    if addr.is_ipv6() {
        socket.set_only_v6(!addr.ip().is_unspecified())?;
    }
    if receive_buffer > 0
        && let Err(error) = socket.set_recv_buffer_size(receive_buffer)
    {
        tracing::warn!(%error, "the system refused SO_RCVBUF");
    }
    // Linux delivers every group that any socket of the host joined unless told otherwise.
    if addr.is_ipv4() {
        socket.set_multicast_all_v4(false)?;
    } else {
        socket.set_multicast_all_v6(false)?;
        if addr.ip().is_unspecified() {
            socket.set_multicast_all_v4(false)?;
        }
    }
    setsockopt(&socket, RxqOvfl, &1)?;
    socket.bind(&addr.into())?;
    for membership in groups {
        join(&socket, membership)?;
    }
    UdpSocket::from_std(socket.into())
}

fn join(socket: &Socket, membership: &Membership) -> io::Result<()> {
    match membership.group {
        IpAddr::V4(group) => {
            let interface = match membership.interface {
                Some(index) => InterfaceIndexOrAddress::Index(index),
                None => InterfaceIndexOrAddress::Address(Ipv4Addr::UNSPECIFIED),
            };
            socket.join_multicast_v4_n(&group, &interface)
        }
        IpAddr::V6(group) => socket.join_multicast_v6(&group, membership.interface.unwrap_or(0)),
    }
}

/// A socket to send one datagram from.
///
/// # Errors
/// What the system says.
pub fn sender(to: &SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    bind(SocketAddr::new(any, 0), &[], false, 0)
}

/// The destination in the socket's own family: an IPv6 socket reaches IPv4 by mapped addresses.
fn in_family(socket: &UdpSocket, to: SocketAddr) -> io::Result<SocketAddr> {
    Ok(match (socket.local_addr()?.is_ipv6(), to.ip()) {
        (true, IpAddr::V4(v4)) => SocketAddr::new(v4.to_ipv6_mapped().into(), to.port()),
        _ => to,
    })
}

/// Sends one datagram, waiting while the socket's own queue is full. Callers share the socket and each has its own wishes: they are
/// set with each datagram, and `one_at_a_time` keeps those of another caller from coming in between.
///
/// # Errors
/// What the system says.
pub async fn send(
    socket: &UdpSocket,
    one_at_a_time: &Mutex<()>,
    to: SocketAddr,
    payload: &[u8],
    options: &SendOptions,
) -> io::Result<usize> {
    let target = in_family(socket, to)?;
    socket
        .async_io(Interest::WRITABLE, || {
            let _held = one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
            apply(&SockRef::from(socket), &to, options)?;
            SockRef::from(socket).send_to(payload, &target.into())
        })
        .await
}

fn apply(socket: &SockRef<'_>, to: &SocketAddr, options: &SendOptions) -> io::Result<()> {
    socket.set_broadcast(options.broadcast)?;
    match to.ip() {
        IpAddr::V4(ip) if ip.is_multicast() => {
            socket.set_multicast_ttl_v4(u32::from(options.multicast_ttl.unwrap_or(1)))?;
            socket.set_multicast_loop_v4(options.multicast_loopback.unwrap_or(true))?;
            match options.multicast_interface {
                Some(index) => set_multicast_interface_v4(socket, index),
                None => socket.set_multicast_if_v4(&Ipv4Addr::UNSPECIFIED),
            }
        }
        IpAddr::V6(ip) if ip.is_multicast() => {
            socket.set_multicast_hops_v6(u32::from(options.multicast_ttl.unwrap_or(1)))?;
            socket.set_multicast_loop_v6(options.multicast_loopback.unwrap_or(true))?;
            socket.set_multicast_if_v6(options.multicast_interface.unwrap_or(0))
        }
        _ => Ok(()),
    }
}

// IP_MULTICAST_IF wants an address of the interface here; any of them will do.
fn set_multicast_interface_v4(socket: &SockRef<'_>, index: u32) -> io::Result<()> {
    let name = nix::net::if_::if_indextoname(index)?;
    let wanted = name.to_string_lossy();
    let found = nix::ifaddrs::getifaddrs()?
        .filter(|interface| interface.interface_name == wanted)
        .find_map(|interface| interface.address?.as_sockaddr_in().map(|address| address.ip()));
    match found {
        Some(address) => socket.set_multicast_if_v4(&address),
        None => Err(io::ErrorKind::AddrNotAvailable.into()),
    }
}

/// The index of an interface given by name, by number, or by one of its IPv4 addresses.
pub fn interface_index(text: &str) -> Option<u32> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        let name = nix::ifaddrs::getifaddrs()
            .ok()?
            .find(|interface| {
                interface.address.as_ref().and_then(|a| a.as_sockaddr_in()).is_some_and(|a| a.ip() == address)
            })?
            .interface_name;
        return nix::net::if_::if_nametoindex(name.as_str()).ok();
    }
    text.parse().ok().or_else(|| nix::net::if_::if_nametoindex(text).ok())
}

/// Receives the datagrams that are there, in one system call, and hands them to `each`; returns how many. The buffer has room for one
/// with every `DATAGRAM_BYTES`.
///
/// # Errors
/// `WouldBlock` where none is; else what the socket reports (an ICMP answer to an earlier send, for example).
pub fn try_receive(socket: &UdpSocket, buffer: &mut [u8], mut each: impl FnMut(Received<'_>)) -> io::Result<usize> {
    let mut parts: Vec<_> = buffer.chunks_exact_mut(DATAGRAM_BYTES).map(|part| [IoSliceMut::new(part)]).collect();
    let most = parts.len();
    // Made anew each time: the kernel overwrites the lengths in it, and nix does not set them again.
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(most, Some(nix::cmsg_space!(u32)));
    let mut count = 0;
    let result = socket.try_io(Interest::READABLE, || {
        for message in recvmmsg(socket.as_raw_fd(), &mut headers, parts.iter_mut(), MsgFlags::empty(), None)? {
            count += 1;
            let dropped = |control| match control {
                ControlMessageOwned::RxqOvfl(count) => Some(count),
                _ => None,
            };
            let Some(from) = message.address.as_ref().and_then(socket_addr) else { continue };
            each(Received {
                payload: message.iovs().next().unwrap_or_default(),
                from: canonical(from),
                kernel_dropped: message.cmsgs()?.find_map(dropped),
            });
        }
        // Fewer than asked for: the socket is drained, and saying so here saves the next, useless system call.
        if count < most { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    });
    match (count, result) {
        (0, Err(error)) => Err(error),
        (count, _) => Ok(count),
    }
}

fn socket_addr(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::new(v4.ip().into(), v4.port()));
    }
    address
        .as_sockaddr_in6()
        .map(|v6| std::net::SocketAddrV6::new(v6.ip(), v6.port(), v6.flowinfo(), v6.scope_id()).into())
}
