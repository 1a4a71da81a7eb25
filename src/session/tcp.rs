//! A TCP session: the handle that callers use, and what its task does under the handle's locks.

use std::{
    cell::RefCell,
    io,
    os::fd::AsRawFd,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use nix::sys::socket::{MsgFlags, recv};
use tokio::{io::Interest, net::TcpStream, time::Instant};

use super::{
    core::{Core, SessionSpec, State},
    exchange::{Collector, ExchangeSpec},
    inbound::Inbound,
    outbound::{Effect, Job, Outbound, Pumped, Send, Sending, Written, socket_dead},
    turn::{Asked, Turn, TurnGuard},
};
use crate::{
    claims::{ClaimMove, DataClaim},
    envelope::{CloseReason, Ends},
    error::{Error, Reason},
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
#[derive(Clone, Debug)]
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
    turn: Arc<Turn>,
}

/// What one look at the socket brought.
pub(super) enum ReadStep {
    /// Something was read or framed; there may be more.
    Progress,
    /// Nothing is there.
    Empty,
    /// Nothing may be read until the session is woken.
    Paused,
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

    /// Writes a send, or leaves what the socket does not take now to the session's task.
    ///
    /// # Errors
    /// SESSION_NOT_CONNECTED, WRITE_OFFSET_MISMATCH, LIMIT_REACHED (the send queue), SOCKET_NOT_CONNECTED.
    pub fn start_send(&self, send: Send) -> Result<Sending, Error> {
        let effect = send.claim.map_or(Effect::None, Effect::Claim);
        self.start(send.items, effect, send.expected_offset)
    }

    fn start(&self, items: Vec<bytes::Bytes>, effect: Effect, expected: Option<u64>) -> Result<Sending, Error> {
        let mut outbound = self.outbound();
        if !outbound.is_open() || self.core.close_request().is_some() {
            return Err(self.not_connected());
        }
        if let Some(expected) = expected.filter(|expected| *expected != outbound.accepted_offset()) {
            let offset = outbound.accepted_offset();
            return Err(Error::new(
                Reason::WriteOffsetMismatch,
                format!(
                    "the session's write offset is {offset}, not {expected}: nothing was written; was this sent before?"
                ),
            )
            .with("sessionId", &self.core.id)
            .with("writeOffset", offset));
        }
        let bytes: usize = items.iter().map(bytes::Bytes::len).sum();
        if !outbound.is_idle() {
            self.check_queue(&outbound, bytes)?;
        }
        let chunk_count = items.len() as u32;
        let id = outbound.next_id();
        let mut job = Job::new(id, items, effect);
        let receiver = job.notify();
        let idle = outbound.is_idle();
        outbound.push(job);
        if !idle {
            return Ok(Sending::Queued(id, receiver));
        }
        match outbound.pump(|effect| self.begin(effect), |bytes| self.core.count_sent(bytes)) {
            Pumped::Drained => {
                let write_offset = outbound.written();
                drop(outbound);
                self.core.note_activity();
                Ok(Sending::Done(Written { chunk_count, write_offset }))
            }
            Pumped::Blocked => {
                drop(outbound);
                self.core.wake.notify_one();
                Ok(Sending::Queued(id, receiver))
            }
            Pumped::Broken(error) => {
                // The session's task reads what the peer had sent, and then ends the session.
                let dead = socket_dead(&error, 0);
                outbound.fail(error);
                drop(outbound);
                self.core.wake.notify_one();
                Err(first_error(receiver, dead).with("sessionId", &self.core.id))
            }
        }
    }

    fn check_queue(&self, outbound: &Outbound, bytes: usize) -> Result<(), Error> {
        let limits = &self.limits;
        let full = |limit: &'static str, value: usize| {
            Error::limit(
                limit,
                value,
                "the peer does not read, and as much as may waits for it already; try again later",
            )
            .with("sessionId", &self.core.id)
        };
        if outbound.queued_sends() >= limits.send_queue_sends {
            return Err(full("send_queue_sends", limits.send_queue_sends));
        }
        if outbound.queued_bytes() + bytes > limits.send_queue_bytes {
            return Err(full("send_queue_bytes", limits.send_queue_bytes));
        }
        Ok(())
    }

    /// The state a send finds the session in, as its error.
    pub fn not_connected(&self) -> Error {
        let state = self.state().as_str();
        Error::new(Reason::SessionNotConnected, format!("the session is {state}, not connected"))
            .with("sessionId", &self.core.id)
            .with("state", state)
    }

    fn begin(&self, effect: Effect) {
        match effect {
            Effect::None => {}
            Effect::Claim(to) => {
                let moved = self.inbound().move_claim(to);
                if moved {
                    self.core.changed();
                    // Reading may have been paused by the holder before.
                    self.core.wake.notify_one();
                }
            }
            Effect::Collect(collector) => {
                self.inbound().start_collecting(*collector, true);
                self.core.wake.notify_one();
            }
        }
    }

    /// The caller of a queued send has left.
    pub fn cancel_send(&self, id: u64) {
        let cancelled = self.outbound().cancel(id);
        if !cancelled {
            self.core.wake.notify_one();
        }
    }

    /// Waits for the turn where an exchange holds it; at once otherwise.
    ///
    /// # Errors
    /// LIMIT_REACHED where too many wait; SESSION_NOT_CONNECTED where the session ends meanwhile.
    pub(super) async fn take_turn(&self) -> Result<TurnGuard, Error> {
        self.granted(self.ask_turn()).await
    }

    /// Asks for the turn: those who ask first get it first.
    pub(super) fn ask_turn(&self) -> Asked {
        self.turn.ask(self.limits.turn_waiters)
    }

    /// Waits for the turn that was asked for.
    ///
    /// # Errors
    /// As `take_turn`.
    pub(super) async fn granted(&self, asked: Asked) -> Result<TurnGuard, Error> {
        match asked {
            Asked::Granted(guard) => Ok(guard),
            Asked::Queued(granted) => granted.await.map_err(|_| self.not_connected()),
            Asked::Full => Err(Error::limit(
                "turn_waiters",
                self.limits.turn_waiters,
                "as many callers as may wait for this session's turn already; try again later",
            )
            .with("sessionId", &self.core.id)),
        }
    }

    /// Whether no exchange holds the turn.
    pub fn turn_is_free(&self) -> bool {
        self.turn.is_free()
    }

    /// How many wait for the turn.
    pub fn turn_waiters(&self) -> usize {
        self.turn.waiters()
    }

    pub(super) fn start_exchange(
        &self,
        send: Send,
        spec: &ExchangeSpec,
        turn: TurnGuard,
    ) -> Result<(Sending, u64, tokio::sync::oneshot::Receiver<Result<super::Answer, Error>>), Error> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let id = self.outbound().next_id();
        let collector = Collector::new(id, spec, reply, turn);
        if send.items.is_empty() {
            if !self.outbound().is_open() {
                return Err(self.not_connected());
            }
            let mut inbound = self.inbound();
            inbound.start_collecting(collector, false);
            inbound.look_at_rest();
            drop(inbound);
            self.core.wake.notify_one();
            let write_offset = self.outbound().written();
            return Ok((Sending::Done(Written { chunk_count: 0, write_offset }), id, answer));
        }
        let sending = self.start(send.items, Effect::Collect(Box::new(collector)), send.expected_offset)?;
        Ok((sending, id, answer))
    }

    /// The caller of an exchange has left before its answer. False: there is nothing to settle.
    pub(super) fn leave_exchange(&self, id: u64) -> bool {
        let settling = self.inbound().leave(id, Instant::now());
        self.core.wake.notify_one();
        settling
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

    /// The claim's pattern.
    pub fn wait_for(&self) -> Option<WaitFor> {
        self.with_claim(|claim| claim.wait().map(|wait| wait.pattern.clone()))
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
        let pumped = outbound.pump(|effect| self.begin(effect), |bytes| bytes_written += bytes);
        if let Pumped::Broken(error) = &pumped {
            outbound.close(error);
        }
        drop(outbound);
        self.core.count_sent(bytes_written);
        if bytes_written > 0 {
            self.core.note_activity();
        }
        pumped
    }

    pub(super) fn read_step(&self, socket: &TcpStream) -> ReadStep {
        let mut inbound = self.inbound();
        let budget = inbound.budget(&self.core.wake);
        if budget == 0 {
            return ReadStep::Paused;
        }
        if inbound.has_carry() {
            return match inbound.process_carry(budget) {
                Ok(()) => ReadStep::Progress,
                Err(too_long) => ReadStep::TooLong(too_long),
            };
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let buffer = &mut scratch[..budget.min(READ_BYTES)];
            match read_now(socket, buffer) {
                Ok(0) => ReadStep::Eof,
                Ok(bytes) => {
                    self.core.count_received(bytes);
                    match inbound.process_fresh(&buffer[..bytes], budget) {
                        Ok(()) => ReadStep::Progress,
                        Err(too_long) => ReadStep::TooLong(too_long),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ReadStep::Empty,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => ReadStep::Progress,
                Err(error) => ReadStep::Failed(error),
            }
        })
    }

    pub(super) fn settle_deadline(&self) -> Option<Instant> {
        self.inbound().collector().and_then(Collector::settle_until)
    }

    pub(super) fn expire_settling(&self) {
        self.inbound().expire_settling(Instant::now());
    }

    pub(super) fn emit_timeout(&self, after: std::time::Duration) {
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
        self.outbound().close(&io::ErrorKind::NotConnected.into());
        self.inbound().finish(reason);
        self.turn.close();
    }

    fn outbound(&self) -> MutexGuard<'_, Outbound> {
        self.outbound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inbound(&self) -> MutexGuard<'_, Inbound> {
        self.inbound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error a failed job was told, which knows how many items went out, else the given one.
fn first_error(mut receiver: tokio::sync::oneshot::Receiver<Result<Written, Error>>, other: Error) -> Error {
    match receiver.try_recv() {
        Ok(Err(told)) => told,
        _ => other,
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
