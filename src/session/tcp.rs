//! A TCP session: what it is, its state, its data claim, and what its task does under its locks. Sends are in `sending`.

use std::{
    cell::RefCell,
    io,
    os::fd::AsRawFd,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use nix::sys::socket::{MsgFlags, recv};
use tokio::{io::Interest, net::TcpStream, time::Instant};

use super::{
    core::{Core, SessionSpec},
    exchange::Collector,
    inbound::Inbound,
    outbound::{Outbound, Pumped, Wrote},
    turn::Turn,
};
use crate::{
    claims::{ClaimMove, DataClaim},
    envelope::{CloseReason, Ends, State},
    error::Error,
    framing::{LineFramer, LineTooLong, WaitFor},
    limits::Limits,
};

/// The most one read takes.
const READ_BYTES: usize = 64 * 1024;

thread_local! {
    /// One buffer per worker thread: reading never awaits while it holds it, and an idle session needs none.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// How inbound bytes are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As they arrive.
    Binary,
    /// Line by line.
    Line,
}

/// What a TCP session is opened with.
#[derive(Clone)]
pub struct TcpSpec {
    /// What any session is opened with.
    pub session: SessionSpec,
    /// How inbound bytes are delivered.
    pub mode: Mode,
    /// Line mode: the opener's pattern.
    pub wait_for: Option<WaitFor>,
    /// Keep the sending direction open after the peer ended its own.
    pub allow_half_open: bool,
}

/// One TCP connection.
pub struct TcpSession {
    /// What it shares with UDP sessions.
    pub core: Core,
    /// The host and port asked for, or the peer's.
    pub target: (Arc<str>, u16),
    /// How inbound bytes are delivered.
    pub mode: Mode,
    pub(super) allow_half_open: bool,
    pub(super) limits: Arc<Limits>,
    ends: OnceLock<Ends>,
    half_closed: AtomicBool,
    outbound: Mutex<Outbound>,
    inbound: Mutex<Inbound>,
    pub(super) turn: Arc<Turn>,
}

/// What one look at the socket brought.
pub(super) enum ReadStep {
    /// Something was read or framed; there may be more.
    Progress,
    /// Nothing is there.
    Empty,
    /// Nothing may be read until the session is woken.
    Paused,
    /// Its owner has received as much as it may in this time; nothing may be read for so long.
    Slowed(Duration),
    /// The peer ended its direction.
    Eof,
    Failed(io::Error),
    TooLong(LineTooLong),
}

impl TcpSession {
    /// A session about to be opened; `claim` is its opener's.
    pub fn new(core: Core, target: (Arc<str>, u16), spec: &TcpSpec, claim: DataClaim, limits: Arc<Limits>) -> Self {
        let line = (spec.mode == Mode::Line).then(|| LineFramer::new(limits.line()));
        Self {
            target,
            mode: spec.mode,
            allow_half_open: spec.allow_half_open,
            ends: OnceLock::new(),
            half_closed: AtomicBool::new(false),
            outbound: Mutex::default(),
            inbound: Mutex::new(Inbound::new(core.id.clone(), line, claim)),
            turn: Arc::default(),
            limits,
            core,
        }
    }

    /// The connection is open: from now on it can be written to.
    pub fn open(&self, socket: Arc<TcpStream>, ends: Ends) {
        // Set once: a session has one socket in its life.
        let _ = self.ends.set(ends);
        self.outbound().open(socket);
        self.core.touch();
        self.core.note_activity();
        self.core.changed();
    }

    /// Both ends, once open.
    pub fn ends(&self) -> Option<Ends> {
        self.ends.get().copied()
    }

    /// Where it is in its life.
    pub fn state(&self) -> State {
        match self.ends() {
            _ if self.core.close_request().is_some() => State::Disconnecting,
            None => State::Connecting,
            Some(_) if self.half_closed.load(Ordering::Relaxed) => State::HalfClosed,
            Some(_) => State::Connected,
        }
    }

    pub(super) fn set_half_closed(&self) {
        self.half_closed.store(true, Ordering::Relaxed);
        self.core.changed();
    }

    /// Moves the data claim without a send. Returns the generation and who held it before.
    pub fn move_claim(&self, to: ClaimMove) -> (u64, Arc<str>) {
        let mut inbound = self.inbound();
        let before = Arc::clone(inbound.claim().holder().name());
        inbound.move_claim(to);
        if inbound.collector().is_none() {
            inbound.look_at_rest();
        }
        let generation = inbound.claim().generation();
        drop(inbound);
        self.core.changed();
        self.core.wake.notify_one();
        (generation, before)
    }

    /// Calls back with the data claim.
    pub fn with_claim<T>(&self, look: impl FnOnce(&DataClaim) -> T) -> T {
        look(self.inbound().claim())
    }

    /// Whether its inbound data waits for the holder's backlog.
    pub fn is_paused(&self) -> bool {
        self.with_claim(|claim| claim.lane().is_paused())
    }

    /// Whether an exchange collects or settles.
    pub fn exchange_active(&self) -> bool {
        self.inbound().collector().is_some()
    }

    /// Bytes of sends that wait for the peer.
    pub fn queued_bytes(&self) -> usize {
        self.outbound().queued_bytes()
    }

    // What the session's task does.

    pub(super) fn has_queued(&self) -> bool {
        !self.outbound().is_idle()
    }

    pub(super) fn pump(&self) -> Pumped {
        let mut outbound = self.outbound();
        if let Some(error) = outbound.take_failed() {
            return Pumped::Broken(error);
        }
        if outbound.is_idle() {
            return Pumped::Drained;
        }
        let mut bytes_written = 0;
        let wrote = |wrote: &Wrote<'_>| {
            wrote.tap(&self.core.taps);
            bytes_written += wrote.bytes;
        };
        let pumped = outbound.pump(|effect| self.begin(effect), wrote);
        if let Pumped::Broken(error) = &pumped {
            outbound.close(&self.core.id, error);
        }
        drop(outbound);
        self.core.count_sent(bytes_written);
        if bytes_written > 0 {
            self.core.note_activity();
        }
        pumped
    }

    /// The socket is dead: what is queued fails with what it said.
    pub(super) fn fail_queued(&self, error: &io::Error) {
        self.outbound().close(&self.core.id, error);
    }

    pub(super) fn read_step(&self, socket: &TcpStream) -> ReadStep {
        let mut inbound = self.inbound();
        let budget = inbound.budget(&self.core.wake);
        if budget == 0 {
            return ReadStep::Paused;
        }
        let usage = self.core.usage.as_deref();
        let budget = match usage.map_or(Ok(usize::MAX), |usage| usage.received.left()) {
            Ok(left) => budget.min(left),
            Err(empty) => return ReadStep::Slowed(empty),
        };
        if inbound.has_carry() {
            return match inbound.process_carry(budget) {
                Ok(()) => ReadStep::Progress,
                Err(too_long) => ReadStep::TooLong(too_long),
            };
        }
        let most = budget.min(READ_BYTES);
        let read = if inbound.is_bulk() {
            // The last read filled its buffer: this one has a buffer of its own, which is delivered as it is.
            let mut buffer = BytesMut::with_capacity(most);
            socket.try_read_buf(&mut buffer).inspect(|bytes| {
                if *bytes > 0 {
                    let read = buffer.freeze();
                    self.core.tap_received(&read, None);
                    inbound.process_bulk(read, most);
                }
            })
        } else {
            SCRATCH.with_borrow_mut(|scratch| {
                let buffer = &mut scratch[..most];
                let bytes = read_now(socket, buffer)?;
                if bytes > 0 {
                    self.core.tap_received(&buffer[..bytes], None);
                }
                match inbound.process_fresh(&buffer[..bytes], budget, most) {
                    Ok(()) => Ok(bytes),
                    Err(too_long) => {
                        self.core.count_received(bytes);
                        Err(io::Error::other(too_long))
                    }
                }
            })
        };
        match read {
            Ok(0) => ReadStep::Eof,
            Ok(bytes) => {
                self.core.count_received(bytes);
                ReadStep::Progress
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ReadStep::Empty,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => ReadStep::Progress,
            Err(error) => match error.downcast() {
                Ok(too_long) => ReadStep::TooLong(too_long),
                Err(error) => ReadStep::Failed(error),
            },
        }
    }

    pub(super) fn settle_deadline(&self) -> Option<Instant> {
        self.inbound().collector().and_then(Collector::settle_until)
    }

    pub(super) fn expire_settling(&self) {
        self.inbound().expire_settling(Instant::now());
    }

    pub(super) fn emit_timeout(&self, after: Duration) {
        let inbound = self.inbound();
        self.core.emit_timeout(inbound.claim().lane(), after);
    }

    /// The peer ended its direction: what is held for its line end or its match will not get it.
    pub(super) fn deliver_rest(&self) {
        self.inbound().finish(CloseReason::PeerClosed);
    }

    pub(super) fn fail_exchange(&self, error: &Error) {
        self.inbound().fail_exchange(error);
    }

    /// The session ends: nothing is written any more, everything held goes to who should have it.
    pub(super) fn finish(&self, reason: CloseReason) {
        self.outbound().close(&self.core.id, &io::ErrorKind::NotConnected.into());
        self.inbound().finish(reason);
        self.turn.close();
    }

    pub(super) fn outbound(&self) -> MutexGuard<'_, Outbound> {
        self.outbound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn inbound(&self) -> MutexGuard<'_, Inbound> {
        self.inbound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One non-blocking read. A short read means that the socket is drained: saying "would block" inside `try_io` clears the readiness
/// and saves the next, useless system call; a FIN or an error keeps its own readiness and is not lost.
fn read_now(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = None;
    let result = socket.try_io(Interest::READABLE, || {
        let bytes = recv(socket.as_raw_fd(), buffer, MsgFlags::empty())?;
        read = Some(bytes);
        if bytes > 0 && bytes < buffer.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(bytes) }
    });
    match (read, result) {
        (Some(bytes), _) => Ok(bytes),
        (None, result) => result,
    }
}
