//! A UDP session: a bound socket whose datagrams go to the holder of its data claim.

use std::{
    cell::RefCell,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
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
    net::udp::{DATAGRAM_BYTES, SendOptions, send, try_receive},
};

/// Datagrams received with one system call.
const DATAGRAMS_AT_ONCE: usize = 16;

/// Datagrams of one socket before others get their turn on the thread.
const DATAGRAMS_IN_A_ROW: usize = 64;

thread_local! {
    /// One buffer per worker thread, of which datagrams only touch what they need.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; DATAGRAMS_AT_ONCE * DATAGRAM_BYTES].into());
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

    /// Receives up to `most` datagrams, and delivers them together; returns how many. `kernel_dropped` is what the kernel told last.
    fn receive(&self, socket: &UdpSocket, most: usize, kernel_dropped: &mut u32) -> io::Result<usize> {
        let time = SystemTime::now();
        let (mut envelopes, mut dropped, mut refused, mut untold) = (Vec::with_capacity(most), 0, 0, 0);
        let count = SCRATCH.with_borrow_mut(|scratch| {
            try_receive(socket, &mut scratch[..most * DATAGRAM_BYTES], |received| {
                let told = received.kernel_dropped.unwrap_or(*kernel_dropped);
                let dropped_before = told.wrapping_sub(std::mem::replace(kernel_dropped, told)).into();
                dropped += dropped_before;
                if self.core.usage.as_ref().is_some_and(|usage| usage.received.left().is_err()) {
                    // Its owner has received as much as it may in this time.
                    refused += 1;
                    untold += 1 + dropped_before;
                    return;
                }
                let payload = Bytes::copy_from_slice(received.payload);
                self.core.tap_received(&payload, Some(received.from));
                self.core.count_received(payload.len());
                let body = Body::Datagram { from: received.from, payload, utf8: self.utf8 };
                let session = Some(self.core.id.clone());
                envelopes.push(Envelope { time, session, listener: None, body, dropped_before });
            })
        })?;
        self.received.fetch_add(count as u64 - refused, Ordering::Relaxed);
        let claim = self.claim();
        dropped += refused + claim.lane().push_datagrams(envelopes.into_iter());
        if refused > 0 {
            claim.lane().count_refused(untold);
        }
        drop(claim);
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        Ok(count)
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
    let mut receiving = Receiving::default();
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
            _ = socket.ready(Interest::READABLE) => receive(&session, &socket, &mut receiving),
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

/// What is kept between two looks at a socket.
#[derive(Default)]
struct Receiving {
    /// Datagrams that the kernel has dropped so far, as it told last.
    kernel_dropped: u32,
    /// As many datagrams as were asked for came with the last call, so it is worth while to make room for more.
    many: bool,
}

fn receive(session: &UdpSession, socket: &UdpSocket, receiving: &mut Receiving) {
    let mut left = DATAGRAMS_IN_A_ROW;
    while left > 0 {
        let most = if receiving.many { DATAGRAMS_AT_ONCE } else { 1 };
        match session.receive(socket, most, &mut receiving.kernel_dropped) {
            Ok(count) => {
                receiving.many = count == most;
                if count < most {
                    return;
                }
                left = left.saturating_sub(count);
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
