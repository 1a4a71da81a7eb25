//! The task of a TCP session, and the calls that wait on one.

use std::{
    future::poll_fn,
    io,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::Interest,
    net::TcpStream,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    Answer, Close, ExchangeSpec, OnTimeout, Send, Sending, TcpSession, Written,
    core::Due,
    exchange::timed_out,
    outbound::{Pumped, PutOff},
    sending::Exchanging,
    tcp::ReadStep,
};
use crate::{
    envelope::{Body, CloseReason},
    error::{Error, Reason, io_sentence},
    metrics::Histogram,
    net::tcp::{reset_on_close, send_fin},
};

/// How long the close of an abandoned session waits for the peer's own end.
const ABANDONED_PATIENCE: Duration = Duration::from_secs(1);

/// Reads of one session before others get their turn on the thread.
const READS_IN_A_ROW: usize = 8;

/// Sends and waits until the operating system has taken all of it. Dropping the future gives up what is not begun; an item under
/// way is finished by the session's task.
///
/// # Errors
/// As `TcpSession::start_send`.
pub async fn send(session: &Arc<TcpSession>, send: Send) -> Result<Written, Error> {
    match session.start_send(send)? {
        Sending::PutOff(put_off) => send_later(session, put_off).await,
        started => wait_sent(session, started).await,
    }
}

/// Goes on with a send that was put off, once it has the turn.
///
/// # Errors
/// As `TcpSession::start_send`.
pub async fn send_later(session: &Arc<TcpSession>, PutOff { send, granted }: PutOff) -> Result<Written, Error> {
    let _call = session.core.attend();
    let turn = granted.await.map_err(|_| session.not_connected())?;
    wait_sent(session, session.start_send_in_turn(send, &turn)?).await
}

async fn wait_sent(session: &Arc<TcpSession>, sending: Sending) -> Result<Written, Error> {
    match sending {
        Sending::Done(written) => Ok(written),
        Sending::Queued(id, receiver) => {
            let _call = session.core.attend();
            let guard = CancelSend { session, id };
            let result = receiver.await;
            std::mem::forget(guard);
            result.unwrap_or_else(|_| Err(session.not_connected()))
        }
        Sending::PutOff(_) => Err(Error::new(Reason::Internal, "a send was put off although it had the turn")),
    }
}

struct CancelSend<'a> {
    session: &'a TcpSession,
    id: u64,
}

impl Drop for CancelSend<'_> {
    fn drop(&mut self) {
        self.session.cancel_send(self.id);
    }
}

/// Sends and waits for the answer, exclusively. Dropping the future, or its deadline, leaves the turn to the late answer. How long
/// the turn was waited for is observed by `turn_wait`.
///
/// # Errors
/// TIMEOUT, SESSION_ENDED, LIMIT_REACHED, FRAME_TOO_LONG, and those of a send.
pub async fn exchange(
    session: &Arc<TcpSession>,
    send: Send,
    spec: &ExchangeSpec,
    turn_wait: &Histogram,
) -> Result<(Written, Answer), Error> {
    let (_call, asked) = (session.core.attend(), Instant::now());
    let late = |phase| timed_out(session.core.id.as_str(), phase);
    let turn = timeout_at(spec.deadline, session.take_turn()).await;
    turn_wait.observe(asked.elapsed());
    let turn = turn.map_err(|_| late("turn"))??;
    let Exchanging { sending, id, answer } = session.start_exchange(send, spec, turn)?;
    let mut guard = LeaveExchange { session, id, abort: spec.abort_unanswered, armed: true };
    let written = timeout_at(spec.deadline, wait_sent(session, sending)).await.map_err(|_| late("write"))??;
    let answer = timeout_at(spec.deadline, answer).await.map_err(|_| late("answer"))?;
    guard.armed = false;
    let answer = answer.unwrap_or_else(|_| Err(session.not_connected()))?;
    Ok((written, answer))
}

struct LeaveExchange<'a> {
    session: &'a TcpSession,
    id: u64,
    abort: bool,
    armed: bool,
}

impl Drop for LeaveExchange<'_> {
    fn drop(&mut self) {
        if self.armed && self.session.leave_exchange(self.id) && self.abort {
            self.session.core.request_close(Close::Abort(CloseReason::Abort));
        }
    }
}

/// How the session is being closed.
struct Closing {
    reason: CloseReason,
    /// When patience ends.
    until: Instant,
    fin_sent: bool,
}

/// Runs an open session to its end; returns why it ended. When it returns the socket is closed.
pub async fn drive(session: Arc<TcpSession>, socket: Arc<TcpStream>) -> CloseReason {
    let mut task =
        Task { session, socket, closing: None, deadline: None, paused: false, slowed: None, eof: false, broken: false };
    let reason = task.run().await;
    task.session.finish(reason);
    reason
}

/// How long a close waits for the peer. One that was inactive, or that nobody cares for, is not waited for long.
fn patience(reason: CloseReason, close_timeout: Duration) -> Duration {
    match reason {
        CloseReason::Timeout | CloseReason::Orphaned => close_timeout.min(ABANDONED_PATIENCE),
        _ => close_timeout,
    }
}

struct Task {
    session: Arc<TcpSession>,
    socket: Arc<TcpStream>,
    closing: Option<Closing>,
    /// When to look at the timers. Traffic and attached streams only move what is due further off, so it is worked out anew only
    /// when it has passed or something else has changed.
    deadline: Option<Instant>,
    paused: bool,
    /// Until when nothing may be read.
    slowed: Option<Instant>,
    eof: bool,
    /// The socket reported an error, which was told.
    broken: bool,
}

impl Task {
    async fn run(&mut self) -> CloseReason {
        let session = Arc::clone(&self.session);
        let mut timer = std::pin::pin!(sleep_until(Instant::now()));
        loop {
            if let Some(reason) = self.obey_close() {
                return reason;
            }
            let blocked = match session.pump() {
                Pumped::Drained => false,
                Pumped::Blocked => true,
                Pumped::Broken(error) => {
                    self.on_broken(&error);
                    false
                }
            };
            if let Some(reason) = self.step_close(blocked) {
                return reason;
            }
            if session.core.take_timers_changed() || self.slowed.is_some() {
                self.deadline = self.next_deadline();
                if let Some(deadline) = self.deadline {
                    timer.as_mut().reset(deadline);
                }
            }
            let readable = tokio::select! {
                biased;
                () = session.core.wake.notified() => {
                    self.paused = false;
                    !self.eof
                }
                readable = poll_fn(|cx| self.poll_socket(cx, blocked)) => readable,
                // Half-closed and idle: only a reset can come.
                _ = self.socket.ready(Interest::ERROR), if self.eof && !blocked => return self.on_reset(),
                () = timer.as_mut(), if self.deadline.is_some() => {
                    session.core.timers_changed();
                    if let Some(reason) = self.on_deadline() {
                        return reason;
                    }
                    false
                }
            };
            if readable && let Some(reason) = self.read() {
                return reason;
            }
        }
    }

    /// Ready when something can be done about the socket: true, where that is reading. A third of the price of `TcpStream::ready`,
    /// which keeps a list of who waits: only this task waits for its socket.
    fn poll_socket(&self, cx: &mut Context<'_>, blocked: bool) -> Poll<bool> {
        if !self.paused && !self.eof && self.socket.poll_read_ready(cx).is_ready() {
            return Poll::Ready(true);
        }
        if blocked { self.socket.poll_write_ready(cx).map(|_| false) } else { Poll::Pending }
    }

    fn next_deadline(&self) -> Option<Instant> {
        match &self.closing {
            Some(closing) => Some(self.slowed.map_or(closing.until, |slowed| slowed.min(closing.until))),
            None => {
                let own = self.session.core.next_deadline();
                own.into_iter().chain(self.session.settle_deadline()).chain(self.slowed).min()
            }
        }
    }

    /// A close that was asked for begins, or at once is over.
    fn obey_close(&mut self) -> Option<CloseReason> {
        match self.session.core.close_request() {
            None => None,
            Some(Close::Abort(reason)) => {
                reset_on_close(&self.socket);
                Some(reason)
            }
            Some(Close::Graceful(reason)) => {
                let given = self.session.core.close_patience();
                let until =
                    Instant::now() + given.unwrap_or_else(|| patience(reason, self.session.limits.close_timeout));
                if self.closing.is_none() {
                    self.closing = Some(Closing { reason, until, fin_sent: false });
                    self.session.core.timers_changed();
                }
                None
            }
        }
    }

    /// FIN goes out when everything is written; the session is over when the peer has ended too.
    fn step_close(&mut self, blocked: bool) -> Option<CloseReason> {
        let closing = self.closing.as_mut()?;
        if !blocked && !closing.fin_sent && !self.session.has_queued() {
            send_fin(&self.socket);
            closing.fin_sent = true;
        }
        (closing.fin_sent && self.eof).then_some(closing.reason)
    }

    fn on_deadline(&mut self) -> Option<CloseReason> {
        if self.slowed.is_some_and(|slowed| slowed <= Instant::now()) {
            (self.slowed, self.paused) = (None, false);
        }
        if let Some(closing) = &self.closing {
            if Instant::now() < closing.until {
                return None;
            }
            // What the peer has not taken cannot be delivered. Where all is written it only has not ended its own side, and the
            // kernel goes on delivering what it holds.
            if !closing.fin_sent {
                reset_on_close(&self.socket);
            }
            return Some(closing.reason);
        }
        self.session.expire_settling();
        match self.session.core.due() {
            Due::Nothing => {}
            Due::Inactive(after) => self.on_inactive(after),
            Due::Orphaned => self.session.core.request_close(Close::Graceful(CloseReason::Orphaned)),
        }
        None
    }

    fn on_inactive(&self, after: Duration) {
        self.session.emit_timeout(after);
        if self.session.core.on_timeout() == OnTimeout::Close {
            self.session.core.request_close(Close::Graceful(CloseReason::Timeout));
        }
    }

    fn read(&mut self) -> Option<CloseReason> {
        for _ in 0..READS_IN_A_ROW {
            match self.session.read_step(&self.socket) {
                ReadStep::Progress => {}
                ReadStep::Empty => return None,
                ReadStep::Paused => {
                    self.paused = true;
                    return None;
                }
                ReadStep::Slowed(time) => {
                    self.paused = true;
                    self.slowed = Some(Instant::now() + time);
                    return None;
                }
                ReadStep::Eof => {
                    self.eof = true;
                    self.on_eof();
                    return None;
                }
                ReadStep::Failed(error) => return Some(self.on_broken(&error)),
                ReadStep::TooLong(too_long) => {
                    let error = Error::new(
                        Reason::FrameTooLong,
                        format!("a line is longer than {} bytes; the session ends", too_long.limit),
                    )
                    .with("sessionId", &self.session.core.id)
                    .with("limit", "line_bytes")
                    .with("value", too_long.limit);
                    // Nobody who waited for the turn may begin something on it any more.
                    self.session.core.request_close(Close::Abort(CloseReason::Error));
                    self.session.fail_exchange(&error);
                    self.session.core.emit_error(error);
                    reset_on_close(&self.socket);
                    return Some(CloseReason::Error);
                }
            }
        }
        // More may be there: look again after others had their turn.
        self.session.core.wake.notify_one();
        None
    }

    fn on_eof(&self) {
        if self.closing.is_some() {
            return;
        }
        if self.session.allow_half_open {
            self.session.set_half_closed();
            self.session.deliver_rest();
            self.session.core.emit(Body::HalfClosed);
        } else {
            self.session.core.request_close(Close::Graceful(CloseReason::PeerClosed));
        }
    }

    /// The socket reported an error while there was nothing to read or write.
    fn on_reset(&mut self) -> CloseReason {
        let error = self.socket.take_error().ok().flatten();
        self.on_broken(&error.unwrap_or_else(|| io::ErrorKind::ConnectionReset.into()))
    }

    /// Tells the socket's first error. Nothing can be written any more, but what the peer sent before is still read; a connection
    /// reset or a broken pipe is the peer's doing.
    fn on_broken(&mut self, error: &io::Error) -> CloseReason {
        let reason = match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => CloseReason::PeerReset,
            _ => CloseReason::Error,
        };
        if !self.broken {
            self.broken = true;
            let sentence = format!("the socket failed: {}", io_sentence(error));
            let id = &self.session.core.id;
            let told = Error::new(Reason::TransportError, sentence).with("sessionId", id).with_io(error);
            self.session.fail_queued(error);
            self.session.core.emit_error(told);
            self.session.core.request_close(Close::Graceful(reason));
            let until = Instant::now() + self.session.limits.close_timeout;
            self.closing = Some(Closing { reason, until, fin_sent: true });
            self.session.core.timers_changed();
        }
        reason
    }
}
