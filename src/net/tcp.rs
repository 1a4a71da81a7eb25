//! TCP sockets: connecting (all addresses raced) and listening.

use std::{io, net::SocketAddr, time::Duration};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};

use super::canonical;
use crate::envelope::Ends;

/// The delay before the next address is tried beside those that have not answered (RFC 8305, section 8: 250 ms).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// A silent peer is probed after this long …
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// … this often …
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// … this many times, then the connection counts as dead.
const KEEPALIVE_PROBES: u32 = 3;

/// Connects to the first of the addresses that answers; a new attempt starts every 250 ms, or as soon as one fails.
///
/// # Errors
/// The first attempt's error where all failed (later ones are often only "no route" of the other family), or `TimedOut`.
pub async fn connect(addrs: &[SocketAddr], receive_buffer: usize, deadline: Instant) -> io::Result<(TcpStream, Ends)> {
    let timed_out = |_| Err(io::ErrorKind::TimedOut.into());
    // Mostly there is one address, and nothing to race.
    if let [addr] = addrs {
        return timeout_at(deadline, connect_one(*addr, receive_buffer)).await.unwrap_or_else(timed_out);
    }
    let mut attempts = JoinSet::new();
    let mut waiting = addrs.iter().copied();
    let mut first_error = None;
    let mut next_start = Instant::now();
    let mut exhausted = false;
    let race = async {
        loop {
            if !exhausted && (attempts.is_empty() || Instant::now() >= next_start) {
                match waiting.next() {
                    Some(addr) => {
                        attempts.spawn(connect_one(addr, receive_buffer));
                        next_start = Instant::now() + ATTEMPT_DELAY;
                    }
                    None => exhausted = true,
                }
            }
            tokio::select! {
                ended = attempts.join_next() => match ended {
                    Some(Ok(Ok(stream))) => return Ok(stream),
                    Some(Ok(Err(error))) => {
                        first_error.get_or_insert(error);
                    }
                    Some(Err(panic)) => {
                        first_error.get_or_insert_with(|| io::Error::other(panic));
                    }
                    None if exhausted => {
                        return Err(first_error.take().unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()));
                    }
                    None => {}
                },
                () = sleep_until(next_start), if !exhausted => {}
            }
        }
    };
    timeout_at(deadline, race).await.unwrap_or_else(timed_out)
}

async fn connect_one(addr: SocketAddr, receive_buffer: usize) -> io::Result<(TcpStream, Ends)> {
    let socket = new_socket(&addr, receive_buffer)?;
    let stream = TcpSocket::from_std_stream(socket.into()).connect(addr).await?;
    // A dial to a free local port can meet itself (simultaneous open): nobody listens there.
    let ends = ends(&stream)?;
    if ends.local == ends.remote {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    tune(&stream);
    Ok((stream, ends))
}

/// Opens a server socket. `::` takes IPv4 as well.
///
/// # Errors
/// What the system says: the address is in use, not ours, or not allowed.
pub fn listen(addr: SocketAddr, receive_buffer: usize, backlog: u32) -> io::Result<TcpListener> {
    let socket = new_socket(&addr, receive_buffer)?;
    // Both lives of a listener need it, or TIME_WAIT keeps the second from binding.
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        socket.set_only_v6(!addr.ip().is_unspecified())?;
    }
    socket.bind(&addr.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

/// Takes over a server socket that another process opened.
///
/// # Errors
/// What the system says.
pub fn inherit(socket: std::net::TcpListener) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

#[expect(clippy::disallowed_methods, reason = "this room makes the sockets")]
fn new_socket(addr: &SocketAddr, receive_buffer: usize) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(*addr), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    // Before connect and listen: the window is agreed in the handshake, and accepted sockets inherit it.
    if receive_buffer > 0 {
        warn_if_refused("SO_RCVBUF", socket.set_recv_buffer_size(receive_buffer));
    }
    Ok(socket)
}

/// What every open connection gets, accepted or dialled: small messages leave at once, and a vanished peer is noticed.
pub fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    warn_if_refused("TCP_NODELAY", socket.set_tcp_nodelay(true));
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_PROBES);
    warn_if_refused("SO_KEEPALIVE", socket.set_tcp_keepalive(&keepalive));
}

fn warn_if_refused(option: &'static str, result: io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(option, %error, "the system refused a socket option");
    }
}

/// Both ends of an open connection.
///
/// # Errors
/// Where the connection is gone already.
pub fn ends(stream: &TcpStream) -> io::Result<Ends> {
    Ok(Ends { local: canonical(stream.local_addr()?), remote: canonical(stream.peer_addr()?) })
}

/// Sends FIN; reading goes on. A connection that is gone already needs none.
pub fn send_fin(stream: &TcpStream) {
    let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Write);
}

/// Makes the coming close send RST and throw away what is queued.
pub fn reset_on_close(stream: &TcpStream) {
    warn_if_refused("SO_LINGER", SockRef::from(stream).set_linger(Some(Duration::ZERO)));
}
