//! What callers do to a TCP session: sends, exchanges and the turn, up to the point where the session's task takes over.

use std::sync::MutexGuard;

use bytes::Bytes;
use tokio::{sync::oneshot, time::Instant};

use super::{
    Answer,
    exchange::{Collector, ExchangeSpec},
    outbound::{Effect, Job, Outbound, PutOff, Send, Sending, Written, Wrote, socket_dead},
    tcp::TcpSession,
    turn::{Asked, TurnGuard},
};
use crate::error::{Error, Reason};

/// An exchange under way: its write, its id, and where the answer comes.
pub(super) struct Exchanging {
    pub(super) sending: Sending,
    pub(super) id: u64,
    pub(super) answer: oneshot::Receiver<Result<Answer, Error>>,
}

impl TcpSession {
    /// Writes a send, or leaves what the socket does not take now to the session's task. Sends are written in the order of these
    /// calls, and only while no exchange has the turn or with the turn in hand.
    ///
    /// # Errors
    /// SESSION_NOT_CONNECTED, WRITE_OFFSET_MISMATCH, LIMIT_REACHED (the send queue), SOCKET_NOT_CONNECTED.
    pub fn start_send(&self, send: Send) -> Result<Sending, Error> {
        let started = self.start_send_for_anybody(send);
        if !matches!(started, Ok(Sending::Done(_))) {
            self.core.touch();
        }
        started
    }

    fn start_send_for_anybody(&self, send: Send) -> Result<Sending, Error> {
        let outbound = self.outbound();
        // Asked under the lock that an exchange's write takes as well, so that none begins in between.
        if self.turn.is_free() {
            return self.start_send_in(outbound, send);
        }
        match self.turn.ask(self.limits.turn_waiters) {
            Asked::Granted(_turn) => self.start_send_in(outbound, send),
            Asked::Queued(granted) => Ok(Sending::PutOff(PutOff { send, granted })),
            Asked::Full => Err(self.too_many_waiters()),
        }
    }

    /// As `start_send`, for who holds the turn.
    pub(super) fn start_send_in_turn(&self, send: Send, _turn: &TurnGuard) -> Result<Sending, Error> {
        self.start_send_in(self.outbound(), send)
    }

    fn start_send_in(&self, outbound: MutexGuard<'_, Outbound>, send: Send) -> Result<Sending, Error> {
        let effect = send.claim.map_or(Effect::None, Effect::Claim);
        self.start(outbound, send.items, effect, send.expected_offset)
    }

    fn start(
        &self,
        mut outbound: MutexGuard<'_, Outbound>,
        items: Vec<Bytes>,
        effect: Effect,
        expected: Option<u64>,
    ) -> Result<Sending, Error> {
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
        let bytes: usize = items.iter().map(Bytes::len).sum();
        if !outbound.is_idle() {
            self.check_queue(&outbound, bytes)?;
        }
        let id = outbound.next_id();
        let mut job = Job::new(id, items, effect);
        if !outbound.is_idle() {
            let receiver = job.notify();
            outbound.push(job);
            return Ok(Sending::Queued(id, receiver));
        }
        let wrote = |wrote: &Wrote<'_>| {
            wrote.tap(&self.core.taps);
            self.core.count_sent(wrote.bytes);
        };
        match outbound.write_first(&mut job, |effect| self.begin(effect), wrote) {
            Ok(true) => {
                let written = job.written(outbound.written());
                drop(outbound);
                self.core.note_sent();
                Ok(Sending::Done(written))
            }
            Ok(false) => {
                let receiver = job.notify();
                outbound.push(job);
                drop(outbound);
                self.core.wake.notify_one();
                Ok(Sending::Queued(id, receiver))
            }
            Err(error) => {
                // The session's task reads what the peer had sent, and then ends the session.
                let dead = socket_dead(&self.core.id, &error, job.items_written());
                outbound.fail(&self.core.id, error);
                drop(outbound);
                self.core.wake.notify_one();
                Err(dead)
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

    pub(super) fn begin(&self, effect: Effect) {
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
        match self.turn.ask(self.limits.turn_waiters) {
            Asked::Granted(guard) => Ok(guard),
            Asked::Queued(granted) => granted.await.map_err(|_| self.not_connected()),
            Asked::Full => Err(self.too_many_waiters()),
        }
    }

    fn too_many_waiters(&self) -> Error {
        let sentence = "as many callers as may wait for this session's turn already; try again later";
        Error::limit("turn_waiters", self.limits.turn_waiters, sentence).with("sessionId", &self.core.id)
    }

    /// How many wait for the turn.
    pub fn turn_waiters(&self) -> usize {
        self.turn.waiters()
    }

    pub(super) fn start_exchange(&self, send: Send, spec: &ExchangeSpec, turn: TurnGuard) -> Result<Exchanging, Error> {
        let (reply, answer) = oneshot::channel();
        let id = self.outbound().next_id();
        let collector = Collector::new(id, spec, self.limits.line(), reply, turn);
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
            let sending = Sending::Done(Written { chunk_count: 0, write_offset });
            return Ok(Exchanging { sending, id, answer });
        }
        let effect = Effect::Collect(Box::new(collector));
        let sending = self.start(self.outbound(), send.items, effect, send.expected_offset)?;
        Ok(Exchanging { sending, id, answer })
    }

    /// The caller of an exchange has left before its answer. False: there is nothing to settle.
    pub(super) fn leave_exchange(&self, id: u64) -> bool {
        let settling = self.inbound().leave(id, Instant::now());
        self.core.timers_changed();
        settling
    }
}
