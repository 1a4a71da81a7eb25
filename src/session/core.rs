//! What TCP and UDP sessions have in common: identity, lifecycle claim, counters, timers, and the wish to be closed.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::{sync::Notify, time::Instant};
use tracing::Span;

use super::{
    span::span,
    tap::{Direction, Taps},
};
use crate::{
    audit,
    changes::{Change, Changes},
    envelope::{Body, Envelope, Kind, ListenerId, SessionId},
    error::{Error, Reason},
    identity::{Caller, Scoped},
    quota::Usage,
    subscriber::Lane,
};

mod ending;

pub use self::ending::Close;
use self::ending::Ending;

/// What happens after the inactivity event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTimeout {
    /// The session closes.
    Close,
    /// It stays.
    Keep,
}

/// What any session is opened with.
#[derive(Clone)]
pub struct SessionSpec {
    /// Inactivity timeout.
    pub timeout: Option<Duration>,
    /// What happens when it fires.
    pub on_timeout: OnTimeout,
    /// Orphan timeout.
    pub orphan_timeout: Option<Duration>,
    /// What its owner uses.
    pub usage: Option<Arc<Usage>>,
}

/// What a deadline that has passed means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Inactive(Duration),
    Orphaned,
}

/// The common part of a session.
pub struct Core {
    /// The id, unique in its owner's namespace.
    pub id: SessionId,
    /// Who opened it, or its listener.
    pub owner: Arc<Caller>,
    /// The kind.
    pub kind: Kind,
    /// The listener that accepted it.
    pub listener: Option<ListenerId>,
    /// When it was opened.
    pub created: SystemTime,
    /// What its owner uses, where that is bounded.
    pub usage: Option<Arc<Usage>>,
    opened: Instant,
    lifecycle: Lane,
    changes: Arc<Changes>,
    on_timeout: OnTimeout,
    orphan_timeout: Option<Duration>,
    /// Signalled when the session's task should look around: credit, a close, queued sends, a new timeout.
    pub(super) wake: Arc<Notify>,
    ending: Mutex<Ending>,
    /// A close was asked for: what every look at `ending` would find, without its lock.
    closing: AtomicBool,
    // Times are milliseconds since `opened`; 0 in `timeout` means none.
    timeout: AtomicU64,
    active: AtomicU64,
    touched: AtomicU64,
    /// Calls that wait on it.
    attending: AtomicU64,
    /// The value of `active` for which the inactivity event was emitted, plus one; 0: none.
    timed_out: AtomicU64,
    timers_changed: AtomicBool,
    received: AtomicU64,
    sent: AtomicU64,
    /// Who looks at what it moves.
    pub taps: Taps,
    /// Where the call that opened it came from.
    pub caller_address: Option<SocketAddr>,
    /// What logs and traces know it by, from its opening to its end. Entered only where something is logged: it costs nothing while
    /// bytes move.
    pub span: Span,
}

impl Core {
    /// A session about to be opened; `lifecycle` leads to its opener.
    pub fn new(
        id: SessionId,
        owner: Arc<Caller>,
        kind: Kind,
        listener: Option<ListenerId>,
        lifecycle: Lane,
        spec: &SessionSpec,
        changes: Arc<Changes>,
    ) -> Self {
        Self {
            span: span(&id, &owner, kind, &lifecycle),
            caller_address: audit::peer(),
            id,
            owner,
            kind,
            listener,
            created: SystemTime::now(),
            usage: spec.usage.clone(),
            opened: Instant::now(),
            lifecycle,
            changes,
            on_timeout: spec.on_timeout,
            orphan_timeout: spec.orphan_timeout,
            wake: Arc::new(Notify::new()),
            ending: Mutex::default(),
            closing: AtomicBool::new(false),
            timeout: AtomicU64::new(spec.timeout.map_or(0, millis)),
            active: AtomicU64::new(0),
            touched: AtomicU64::new(0),
            attending: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            timers_changed: AtomicBool::new(true),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            taps: Taps::default(),
        }
    }

    /// How long it has lived.
    pub fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// The id with its namespace.
    pub fn scoped_id(&self) -> Scoped<SessionId> {
        Scoped::new(&self.owner.namespace, self.id.clone())
    }

    /// Where its lifecycle events go.
    pub fn lifecycle(&self) -> &Lane {
        &self.lifecycle
    }

    /// Emits a lifecycle event.
    pub fn emit(&self, body: Body) {
        self.lifecycle.push_event(Envelope::of_session(&self.id, body).with_listener(self.listener.as_ref()));
    }

    /// Emits `disconnected`: from now on nothing of this session is emitted.
    pub fn emit_last(&self, body: Body) {
        let mut ending = self.ending();
        ending.ended = true;
        self.emit(body);
    }

    /// Lets a call emit something of this session, unless `disconnected` is out already.
    pub fn while_alive(&self, emit: impl FnOnce()) {
        let ending = self.ending();
        if !ending.ended {
            emit();
        }
    }

    /// Emits an error as an event: of the dial, or of the socket.
    pub fn emit_error(&self, error: Error) {
        self.emit(Body::Failed(Arc::new(error)));
    }

    /// Reports an error that may come again and again, and is counted where nobody fetches it.
    pub(super) fn report(&self, error: Error) {
        let body = Body::Failed(Arc::new(error.with("sessionId", &self.id)));
        self.lifecycle.push_report(Envelope::of_session(&self.id, body));
    }

    /// Emits the inactivity event, to the data holder and, where that is another, to the opener.
    pub(super) fn emit_timeout(&self, holder: &Lane, after: Duration) {
        let sentence = format!("no traffic for {}", humantime::format_duration(after));
        let error = Arc::new(Error::new(Reason::Timeout, sentence).with("sessionId", &self.id));
        let envelope = Envelope::of_session(&self.id, Body::TimedOut(error)).with_listener(self.listener.as_ref());
        if !Arc::ptr_eq(holder.subscriber(), self.lifecycle.subscriber()) {
            holder.push_report(envelope.clone());
        }
        self.lifecycle.push_report(envelope);
    }

    /// Its state or its claim changed: watchers are told.
    pub(super) fn changed(&self) {
        self.changes.publish(|| Change::SessionChanged(self.scoped_id()));
    }

    /// Bytes read.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Bytes written.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Bytes that were read and are not counted yet, for whoever taps.
    pub(super) fn tap_received(&self, bytes: &[u8], peer: Option<SocketAddr>) {
        if self.taps.any() {
            self.taps.copy(Direction::Received, self.received(), bytes, peer);
        }
    }

    pub(super) fn count_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some(usage) = &self.usage {
            usage.received.spend(bytes);
        }
        self.note_activity();
    }

    pub(super) fn count_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The inactivity timeout in force.
    pub fn timeout(&self) -> Option<Duration> {
        match self.timeout.load(Ordering::Relaxed) {
            0 => None,
            ms => Some(Duration::from_millis(ms)),
        }
    }

    /// Changes the inactivity timeout.
    pub fn set_timeout(&self, timeout: Option<Duration>) {
        self.timeout.store(timeout.map_or(0, millis), Ordering::Relaxed);
        self.note_activity();
        self.timers_changed();
    }

    /// What is due next may have moved nearer: the session's task works it out anew.
    pub(super) fn timers_changed(&self) {
        self.timers_changed.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(super) fn take_timers_changed(&self) -> bool {
        self.timers_changed.load(Ordering::Relaxed) && self.timers_changed.swap(false, Ordering::Acquire)
    }

    /// The orphan timeout in force.
    pub fn orphan_timeout(&self) -> Option<Duration> {
        self.orphan_timeout
    }

    /// When there was traffic last.
    pub fn last_activity(&self) -> SystemTime {
        self.created + Duration::from_millis(self.active.load(Ordering::Relaxed))
    }

    /// A call concerned the session: it is no orphan.
    pub fn touch(&self) {
        self.touched.store(self.now_ms(), Ordering::Relaxed);
    }

    /// A call waits on the session: it is no orphan until the guard is dropped.
    pub fn attend(&self) -> Attending<'_> {
        self.attending.fetch_add(1, Ordering::Relaxed);
        Attending(self)
    }

    /// A call has written something: it concerns the session as `touch` tells, and is traffic. One look at the clock for both.
    pub(super) fn note_sent(&self) {
        let now = self.now_ms();
        self.touched.store(now, Ordering::Relaxed);
        self.note_activity_at(now);
    }

    pub(super) fn note_activity(&self) {
        // Without a timeout nobody asks when; the list of sessions shows it, and a clock read costs little beside a system call.
        self.note_activity_at(self.now_ms());
    }

    fn note_activity_at(&self, now: u64) {
        self.active.store(now, Ordering::Relaxed);
        if self.timed_out.load(Ordering::Relaxed) != 0 {
            self.timed_out.store(0, Ordering::Relaxed);
            self.timers_changed();
        }
    }

    pub(super) fn on_timeout(&self) -> OnTimeout {
        self.on_timeout
    }

    /// The next moment something about this session may be due. Traffic only moves it further off, so the task need not be told.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let inactive = match self.timeout() {
            Some(timeout) if self.timed_out.load(Ordering::Relaxed) == 0 => {
                Some(self.opened + Duration::from_millis(self.active.load(Ordering::Relaxed)) + timeout)
            }
            _ => None,
        };
        let orphaned = self.orphan_timeout.map(|timeout| self.last_attended() + timeout);
        inactive.into_iter().chain(orphaned).min()
    }

    fn last_attended(&self) -> Instant {
        let touched = self.opened + Duration::from_millis(self.touched.load(Ordering::Relaxed));
        match self.lifecycle.subscriber().attended() {
            _ if self.attending.load(Ordering::Relaxed) > 0 => Instant::now(),
            Ok(()) => Instant::now(),
            Err(since) => since.max(touched),
        }
    }

    /// What is due now. Inactivity is reported once for each idle period.
    pub(super) fn due(&self) -> Due {
        let now = Instant::now();
        if let Some(timeout) = self.timeout() {
            let active = self.active.load(Ordering::Relaxed);
            let fired = self.timed_out.load(Ordering::Relaxed) != 0;
            if !fired && now >= self.opened + Duration::from_millis(active) + timeout {
                self.timed_out.store(active + 1, Ordering::Relaxed);
                return Due::Inactive(timeout);
            }
        }
        match self.orphan_timeout {
            Some(timeout) if now >= self.last_attended() + timeout => Due::Orphaned,
            _ => Due::Nothing,
        }
    }

    fn now_ms(&self) -> u64 {
        millis(self.opened.elapsed())
    }
}

/// Keeps a session from becoming an orphan.
#[must_use = "the call is over when it is dropped"]
pub struct Attending<'a>(&'a Core);

impl Drop for Attending<'_> {
    fn drop(&mut self) {
        self.0.touch();
        self.0.attending.fetch_sub(1, Ordering::Relaxed);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(u64::from(!duration.is_zero()))
}
