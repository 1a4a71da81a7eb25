//! A UDP session: a bound socket whose datagrams go to the holder of its data claim.

use std::{
    cell::RefCell,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tokio::{
    io::Interest,
    net::UdpSocket,
    time::{Instant, sleep_until},
};

use super::{
    core::{Close, Core, Due, OnTimeout},
    tap::Direction,
};
use crate::{
    claims::{ClaimMove, DataClaim},
    envelope::{Body, CloseReason, Envelope, State},
    error::{Error, Reason, io_sentence},
    identity::Caller,
    net::udp::{Received, SendOptions, send, try_receive},
    subscriber::DroppedBy,
};

/// The largest datagram there is.
const DATAGRAM_BYTES: usize = 65_535;

/// Datagrams of one socket before others get their turn on the thread.
const DATAGRAMS_IN_A_ROW: usize = 64;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; DATAGRAM_BYTES].into());
}

/// One UDP socket.
pub struct UdpSession {
    /// What it shares with TCP sessions.
    pub core: Core,
    /// The bound address.
    pub local: SocketAddr,
    /// The groups joined.
    pub groups: Arc<[String]>,
    utf8: bool,
    socket: Mutex<Option<Arc<UdpSocket>>>,
    sending: Mutex<()>,
    permitted: Mutex<Option<Permitted>>,
    claim: Mutex<DataClaim>,
    received: AtomicU64,
    sent: AtomicU64,
    dropped: AtomicU64,
}

/// Where the policy let somebody send last.
struct Permitted {
    epoch: u64,
    caller: Arc<Caller>,
    to: SocketAddr,
    broadcast: bool,
}

impl UdpSession {
    /// A session of a bound socket; `claim` is its opener's.
    pub fn new(
        core: Core,
        socket: Arc<UdpSocket>,
        local: SocketAddr,
        groups: Arc<[String]>,
        utf8: bool,
        claim: DataClaim,
    ) -> Self {
        Self {
            core,
            local,
            groups,
            utf8,
            socket: Mutex::new(Some(socket)),
            sending: Mutex::default(),
            permitted: Mutex::default(),
            claim: Mutex::new(claim),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Where it is in its life.
    pub fn state(&self) -> State {
        match self.core.close_request() {
            Some(_) => State::Disconnecting,
            None => State::Listening,
        }
    }

    /// Datagrams received, sent and dropped.
    pub fn datagrams(&self) -> (u64, u64, u64) {
        (self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed))
    }

    /// Whether this caller's last datagram went to this address, under the policy of this epoch.
    pub fn is_permitted(&self, epoch: u64, caller: &Arc<Caller>, to: SocketAddr, broadcast: bool) -> bool {
        self.permitted().as_ref().is_some_and(|last| {
            (last.epoch, last.to, last.broadcast) == (epoch, to, broadcast)
                && (Arc::ptr_eq(&last.caller, caller) || last.caller == *caller)
        })
    }

    /// Keeps a destination that the policy of this epoch allows this caller.
    pub fn permit(&self, epoch: u64, caller: &Arc<Caller>, to: SocketAddr, broadcast: bool) {
        *self.permitted() = Some(Permitted { epoch, caller: Arc::clone(caller), to, broadcast });
    }

    /// Sends one datagram from this socket.
    ///
    /// # Errors
    /// SESSION_NOT_CONNECTED where it is closing; else what the system says.
    pub async fn send(
        &self,
        to: SocketAddr,
        payload: &[u8],
        options: &SendOptions,
    ) -> Result<io::Result<usize>, Error> {
        let socket = self.socket().clone();
        let Some(socket) = socket.filter(|_| self.core.close_request().is_none()) else {
            return Err(Error::new(Reason::SessionNotConnected, "the UDP session is closing")
                .with("sessionId", &self.core.id)
                .with("state", self.state().as_str()));
        };
        let result = send(&socket, &self.sending, to, payload, options).await;
        if let Ok(bytes) = &result {
            if self.core.taps.any() {
                self.core.taps.copy(Direction::Sent, self.core.sent(), payload, Some(to));
            }
            self.core.count_sent(*bytes);
            self.core.note_activity();
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
        Ok(result)
    }

    /// Moves the data claim. Returns the generation and who held it before.
    pub fn move_claim(&self, to: ClaimMove) -> (u64, Arc<str>) {
        let mut claim = self.claim();
        let before = Arc::clone(claim.holder().name());
        if claim.apply(&self.core.id, to) {
            self.core.changed();
        }
        (claim.generation(), before)
    }

    /// Calls back with the data claim.
    pub fn with_claim<T>(&self, look: impl FnOnce(&DataClaim) -> T) -> T {
        look(&self.claim())
    }

    fn deliver(&self, received: &Received, payload: Bytes) {
        if self.core.usage.as_ref().is_some_and(|usage| usage.received.left().is_err()) {
            // Its owner has received as much as it may in this time.
            self.count_drops(1, DroppedBy::Quota);
            return;
        }
        self.core.tap_received(&payload, Some(received.from));
        self.core.count_received(payload.len());
        self.received.fetch_add(1, Ordering::Relaxed);
        let body = Body::Datagram { from: received.from, payload, utf8: self.utf8 };
        let dropped = self.claim().lane().push_datagram(Envelope::of_session(&self.core.id, body));
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
    }

    fn count_drops(&self, datagrams: u32, by: DroppedBy) {
        self.dropped.fetch_add(datagrams.into(), Ordering::Relaxed);
        self.claim().lane().count_dropped(datagrams.into(), by);
    }

    fn close_socket(&self) {
        *self.socket() = None;
    }

    fn socket(&self) -> MutexGuard<'_, Option<Arc<UdpSocket>>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn permitted(&self) -> MutexGuard<'_, Option<Permitted>> {
        self.permitted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self) -> MutexGuard<'_, DataClaim> {
        self.claim.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs an open UDP session to its end; returns why it ended. When it returns the socket is closed, but for a send under way.
pub async fn drive(session: Arc<UdpSession>, socket: Arc<UdpSocket>) -> CloseReason {
    let mut timer = std::pin::pin!(sleep_until(Instant::now()));
    let mut kernel_dropped = 0;
    let mut deadline = None;
    let reason = loop {
        if let Some(Close::Abort(reason) | Close::Graceful(reason)) = session.core.close_request() {
            break reason;
        }
        if session.core.take_timers_changed() {
            deadline = session.core.next_deadline();
            if let Some(deadline) = deadline {
                timer.as_mut().reset(deadline);
            }
        }
        tokio::select! {
            biased;
            () = session.core.wake.notified() => {}
            _ = socket.ready(Interest::READABLE) => receive(&session, &socket, &mut kernel_dropped),
            () = timer.as_mut(), if deadline.is_some() => {
                session.core.timers_changed();
                match session.core.due() {
                    Due::Nothing => {}
                    Due::Inactive(after) => {
                        session.with_claim(|claim| session.core.emit_timeout(claim.lane(), after));
                        if session.core.on_timeout() == OnTimeout::Close {
                            break CloseReason::Timeout;
                        }
                    }
                    Due::Orphaned => break CloseReason::Orphaned,
                }
            }
        }
    };
    session.close_socket();
    drop(socket);
    reason
}

fn receive(session: &UdpSession, socket: &UdpSocket, kernel_dropped: &mut u32) {
    for _ in 0..DATAGRAMS_IN_A_ROW {
        let received = SCRATCH.with_borrow_mut(|scratch| {
            let received = try_receive(socket, scratch)?;
            let payload = Bytes::copy_from_slice(&scratch[..received.size]);
            Ok::<_, io::Error>((received, payload))
        });
        match received {
            Ok((received, payload)) => {
                let dropped = received.kernel_dropped.wrapping_sub(*kernel_dropped);
                if dropped > 0 {
                    *kernel_dropped = received.kernel_dropped;
                    session.count_drops(dropped, DroppedBy::Kernel);
                }
                session.deliver(&received, payload);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            // An ICMP answer to an earlier send, for example: it concerns one peer, the socket lives on.
            Err(error) => {
                let sentence = format!("the UDP socket reported: {}", io_sentence(&error));
                session.core.report(Error::new(Reason::UdpError, sentence).with_io(&error));
                return;
            }
        }
    }
}
