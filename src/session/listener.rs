//! A TCP listener: accepts, and survives whatever accepting brings.

use std::{
    future::poll_fn,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, SystemTime},
};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::tcp::TcpSpec;
use crate::{
    envelope::{Body, Envelope, ListenerId},
    identity::{Caller, Scoped},
    subscriber::Lane,
};

/// How long accepting rests after a failure (file descriptors used up, mostly) or while nothing more may be opened.
const SHORTEST_REST: Duration = Duration::from_millis(5);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// One TCP server socket.
pub struct Listener {
    /// The id, unique in its owner's namespace.
    pub id: ListenerId,
    /// Who opened it, and owns the sessions it accepts.
    pub owner: Arc<Caller>,
    /// The bound address.
    pub local: SocketAddr,
    /// What its sessions are opened with.
    pub spec: TcpSpec,
    /// When it was opened.
    pub created: SystemTime,
    lane: Lane,
    accepted: AtomicU64,
    stop: CancellationToken,
    closed: CancellationToken,
}

impl Listener {
    /// A listener that is bound; `lane` leads to its subscriber.
    pub fn new(id: ListenerId, owner: Arc<Caller>, local: SocketAddr, spec: TcpSpec, lane: Lane) -> Self {
        Self {
            id,
            owner,
            local,
            spec,
            created: SystemTime::now(),
            lane,
            accepted: AtomicU64::new(0),
            stop: CancellationToken::new(),
            closed: CancellationToken::new(),
        }
    }

    /// The id with its namespace.
    pub fn scoped_id(&self) -> Scoped<ListenerId> {
        Scoped::new(&self.owner.namespace, self.id.clone())
    }

    /// Where its events go.
    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Emits one of its events.
    pub fn emit(&self, body: Body) {
        self.lane.push_event(Envelope::of_listener(&self.id, body));
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Makes it stop.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until its socket is closed and its last envelope emitted.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Its last envelope; its socket is closed.
    pub fn close(&self) {
        self.emit(Body::Closed);
        self.closed.cancel();
    }
}

/// Accepts until stopped, then closes the socket. `may_accept` is asked before each connection is taken from the kernel's queue;
/// `accepted` makes a session of it; `failed` is told where accepting failed. None of them may wait.
pub async fn accept_loop(
    listener: Arc<Listener>,
    socket: TcpListener,
    may_accept: impl Fn() -> bool + Send + Sync,
    accepted: impl Fn(TcpStream) + Send + Sync,
    failed: impl Fn() + Send + Sync,
) {
    let mut rest = SHORTEST_REST;
    loop {
        // Asked again with each wake-up: what was free when the waiting began may be taken by now.
        let accepting = poll_fn(|cx| if may_accept() { socket.poll_accept(cx).map(Some) } else { Poll::Ready(None) });
        let outcome = tokio::select! {
            biased;
            () = listener.stop.cancelled() => break,
            outcome = accepting => outcome,
        };
        match outcome {
            Some(Ok((stream, _))) => {
                rest = SHORTEST_REST;
                listener.accepted.fetch_add(1, Ordering::Relaxed);
                accepted(stream);
                continue;
            }
            // The peer left before it was accepted: nothing is wrong here.
            Some(Err(error)) if is_of_one_connection(&error) => continue,
            Some(Err(error)) => {
                failed();
                tracing::warn!(listener = %listener.id, %error, ?rest, "accepting failed; resting");
            }
            None => tracing::debug!(listener = %listener.id, ?rest, "nothing more may be opened; resting"),
        }
        tokio::select! {
            () = listener.stop.cancelled() => break,
            () = tokio::time::sleep(rest) => {}
        }
        rest = (rest * 2).min(LONGEST_REST);
    }
}

fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
