//! The use cases, free of gRPC: specs in, results out. One file per group of calls.
//!
//! Every use case is told who calls, and reaches only what is in that caller's namespace: what is in another is not there.
//!
//! Order of every opening call: the subscriber, the lanes, the session, its place in the registry, the socket, the task; each of
//! them frees itself when dropped, so that a call abandoned at any await leaves nothing behind.

mod auditing;
mod connect;
mod drain;
mod listen;
mod measure;
mod patterns;
mod permission;
mod pressure;
mod send;
mod spec;
mod tap;
mod udp;

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use uuid::Uuid;

use self::patterns::Patterns;
pub use self::{
    connect::Connected,
    listen::Unlistened,
    send::{Sent, SentOutcome},
    spec::{
        ConnectSpec, DatagramSpec, DisconnectSpec, ExchangeCall, ListenSpec, Pattern, SendSpec, SubscribeSpec,
        TcpOptions, UdpInSpec, UnlistenSpec,
    },
    tap::{Tap, TapSpec},
    udp::{Bound, DatagramSent},
};
use crate::{
    audit::{Audit, Event, Target, Who},
    changes::{Change, Changes},
    claims::{ClaimMove, DataClaim, WaitChange},
    envelope::{Body, Envelope, MessageId, SessionId},
    error::{Error, Reason},
    framing::WaitFor,
    identity::Caller,
    limits::{Limits, LiveLimits},
    metrics::Metrics,
    net::{local::is_local, resolve::Resolver},
    policy::{InForce, Policy, Profile},
    quota::{Count, Held, Pressure, Quota, Quotas, Usages},
    registry::{Opened, Registry, RequestKey, Session},
    session::Mode,
    subscriber::{DEFAULT_NAME, Filter, LaneKey, ResumePoint, Subscriber, Subscribers, Subscription},
};

/// The gateway: everything a call needs.
pub struct Gateway {
    /// This process: resumes against another fail.
    pub instance_id: String,
    /// All bounds.
    pub limits: Arc<LiveLimits>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is recorded.
    pub audit: Arc<Audit>,
    /// What lives.
    pub registry: Arc<Registry>,
    /// Who receives.
    pub subscribers: Subscribers,
    /// Who may dial and bind what.
    pub policy: InForce,
    resolver: Resolver,
    patterns: Patterns,
    /// What each identity uses.
    pub usages: Usages,
    /// What is too much for all of them.
    pub pressure: Arc<Pressure>,
    dialling: Count,
    streams: Count,
    tapping: Count,
    messages: AtomicU64,
    stopping: AtomicBool,
    /// Held from looking for an earlier call with the same request id until the session or listener is entered.
    opening: Mutex<()>,
}

/// The right to open what a request id asks for.
struct Opening<'a> {
    earlier: Option<Opened>,
    _held: Option<MutexGuard<'a, ()>>,
}

impl Opening<'_> {
    /// What an earlier call opened.
    fn earlier(&self) -> Option<&Opened> {
        self.earlier.as_ref()
    }
}

impl Gateway {
    /// A gateway in which nothing lives yet. Its policy is the profile `dev` until it is replaced.
    pub fn new(limits: Limits) -> Arc<Self> {
        Self::build(limits, Arc::new(Metrics::new()), Audit::off())
    }

    /// A gateway with an audit log.
    ///
    /// # Errors
    /// What the system says to the log's file.
    pub fn audited(limits: Limits, target: &Target) -> io::Result<Arc<Self>> {
        let metrics = Arc::new(Metrics::new());
        let audit = Audit::start(target, limits.audit_queue_records, Arc::clone(&metrics))?;
        Ok(Self::build(limits, metrics, audit))
    }

    fn build(limits: Limits, metrics: Arc<Metrics>, audit: Audit) -> Arc<Self> {
        let audit = Arc::new(audit);
        let resolver = Resolver::new(limits.name_lookups, Arc::clone(&metrics));
        let limits = Arc::new(LiveLimits::new(limits));
        let pressure = Arc::<Pressure>::default();
        let changes = Arc::new(Changes::new());
        let (pressed, metered, audited) = (Arc::clone(&pressure), Arc::clone(&metrics), Arc::clone(&audit));
        let registry = Registry::new(Arc::clone(&limits), pressed, changes, metered, audited);
        Arc::new(Self {
            instance_id: Uuid::new_v4().to_string(),
            subscribers: Subscribers::new(Arc::clone(&limits), Arc::clone(&pressure), Arc::clone(&metrics)),
            policy: InForce::new(Policy::new(Profile::Dev, Vec::new(), Vec::new()), is_local),
            resolver,
            patterns: Patterns::default(),
            usages: Usages::new(Quota::default()),
            pressure,
            dialling: Count::default(),
            streams: Count::default(),
            tapping: Count::default(),
            messages: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            opening: Mutex::new(()),
            registry: Arc::new(registry),
            metrics,
            audit,
            limits,
        })
    }

    /// It is about to go down: whoever asks is told from now on, although it may go on as before for a while.
    pub fn announce_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether it is about to go down, or is on its way.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed) || self.registry.is_draining()
    }

    /// Puts other bounds into force: at once for what is opened from now on and for every subscriber; sessions keep those they were
    /// opened with.
    pub fn limit(&self, limits: Limits, quotas: impl Into<Quotas>) {
        let limits = Arc::new(limits);
        self.usages.replace(quotas);
        self.limits.replace(Arc::clone(&limits));
        self.subscribers.limit(&limits);
        self.patterns.forget();
    }

    /// The caller's subscriber of this name; empty stands for "default".
    ///
    /// # Errors
    /// LIMIT_REACHED.
    pub fn subscriber(&self, caller: &Arc<Caller>, name: &str) -> Result<Arc<Subscriber>, Error> {
        let name = name_or_default(name);
        let (subscriber, new) = self.subscribers.get_or_create(caller, name, || self.usages.of(caller))?;
        if new {
            self.registry.changes().publish(|| Change::SubscriberAdded(subscriber.scoped_name()));
        }
        Ok(subscriber)
    }

    /// Attaches a stream.
    ///
    /// # Errors
    /// INSTANCE_CHANGED, EPOCH_CHANGED, REQUEST_INVALID, LIMIT_REACHED, SHUTTING_DOWN.
    pub fn subscribe(&self, caller: &Arc<Caller>, spec: SubscribeSpec) -> Result<Subscription, Error> {
        if self.registry.is_draining() {
            return Err(Error::shutting_down());
        }
        if let Some((instance, _)) = &spec.resume
            && *instance != self.instance_id
        {
            return Err(Error::new(
                    Reason::InstanceChanged,
                    "the gateway was restarted since: its sessions and what was not delivered are gone; subscribe without resume",
                )
                .with("instanceId", &self.instance_id));
        }
        // A stream of a subscriber that is there makes room: what waits for it is what memory is used up by.
        if !self.subscribers.has(caller, name_or_default(&spec.subscriber)) {
            self.registry.check_memory()?;
        }
        let places = self.stream_places(caller)?;
        let subscriber = self.subscriber(caller, &spec.subscriber)?;
        let filter = Filter { events: spec.events, data: spec.data, ids: spec.session_ids };
        let resume: Option<ResumePoint> = spec.resume.map(|(_, point)| point);
        let attached = Subscription::attach(&subscriber, filter, resume.as_ref(), spec.acknowledged, spec.heartbeat);
        attached.map(|subscription| subscription.holding(places))
    }

    /// The places of a stream: of all, and of its caller's.
    fn stream_places(&self, caller: &Caller) -> Result<(Held, Option<Held>), Error> {
        let most = self.limits.now().streams;
        let place = self.streams.take(most).ok_or_else(|| {
            Error::global_limit("streams", most, format!("there are {most} streams, as many as may be; end some first"))
        })?;
        let usage = self.usages.of(caller);
        Ok((place, usage.map(|usage| usage.stream()).transpose()?))
    }

    /// Puts an error a call failed with on its caller's events output as well.
    pub fn report(&self, caller: &Arc<Caller>, subscriber: &str, session: Option<&str>, error: &Error) {
        // A name that is too long is what the error is about: nobody can subscribe to it.
        if error.is_reported() || subscriber.len() > crate::limits::fixed::NAME_BYTES {
            return;
        }
        // A caller that asks for too many subscribers has this very error as its answer.
        let Ok(subscriber) = self.subscriber(caller, subscriber) else { return };
        let mut envelope = Envelope::of_gateway(Body::Failed(Arc::new(error.clone())));
        let live = session.and_then(|id| self.registry.session(&caller.namespace, id).ok());
        let key = match (&live, session) {
            (Some(session), _) => LaneKey::Session(session.core().id.clone()),
            (None, _) => LaneKey::Control,
        };
        envelope.session = session.filter(|id| id.len() <= crate::limits::fixed::NAME_BYTES).map(SessionId::new);
        subscriber.lane(key).push_report(envelope);
    }

    fn opening(&self, caller: &Caller, request: Option<&RequestKey>) -> Result<Opening<'_>, Error> {
        let Some(key) = request else { return Ok(Opening { earlier: None, _held: None }) };
        let held = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Opening { earlier: self.registry.requested(&caller.namespace, key)?, _held: Some(held) })
    }

    fn message_id(&self) -> MessageId {
        MessageId(self.messages.fetch_add(1, Ordering::Relaxed) + 1)
    }

    async fn pattern(&self, pattern: &Pattern, mode: Mode) -> Result<Option<WaitFor>, Error> {
        match pattern {
            Pattern::None => Ok(None),
            Pattern::Regex(_) if mode == Mode::Binary => Err(Error::new(
                Reason::WaitForInvalid,
                "wait_for needs line mode: open the session with mode TCP_MODE_LINE",
            )),
            Pattern::Regex(text) => self.patterns.compile(text, self.limits.now().pattern()).await.map(Some),
        }
    }

    /// The claim a call asks for.
    async fn claim_move(
        &self,
        caller: &Arc<Caller>,
        subscriber: &str,
        wait: &Option<Pattern>,
        session: &Session,
    ) -> Result<ClaimMove, Error> {
        let mode = match session {
            Session::Tcp(tcp) => tcp.mode,
            Session::Udp(_) => Mode::Binary,
        };
        let wait = match wait {
            None => WaitChange::Inherit,
            Some(Pattern::None) => WaitChange::Clear,
            Some(pattern) => self.pattern(pattern, mode).await?.map_or(WaitChange::Clear, WaitChange::Set),
        };
        Ok(ClaimMove { subscriber: self.subscriber(caller, subscriber)?, wait })
    }

    /// Moves a session's data claim without sending. Returns the generation and who held it before.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND, WAIT_FOR_INVALID, LIMIT_REACHED.
    pub async fn claim_data(
        &self,
        caller: &Arc<Caller>,
        session: &str,
        subscriber: &str,
        wait: &Option<Pattern>,
    ) -> Result<(u64, Arc<str>), Error> {
        let session = self.registry.session(&caller.namespace, session)?;
        session.core().touch();
        let to = self.claim_move(caller, subscriber, wait, &session).await?;
        let (generation, before) = match &session {
            Session::Tcp(tcp) => tcp.move_claim(to),
            Session::Udp(udp) => udp.move_claim(to),
        };
        self.audit.record(|| {
            let session = session.core().id.as_str();
            (Some(Who::calls(caller)), Event::ClaimMoved { session, from: &before, to: subscriber })
        });
        Ok((generation, before))
    }

    /// The opener's two claims on a session to be.
    fn opener(subscriber: &Arc<Subscriber>, id: &SessionId, wait: Option<WaitFor>) -> DataClaim {
        DataClaim::new(subscriber.lane(LaneKey::Session(id.clone())), wait)
    }

    /// Nothing new is opened for a subscriber that does not fetch its events.
    fn check_not_overdue(&self, subscriber: &Subscriber) -> Result<(), Error> {
        if subscriber.is_overdue() {
            return Err(Error::limit(
                "subscriber_events",
                self.limits.now().subscriber_events,
                format!(
                    "the subscriber \"{}\" has too many undelivered events: attach a stream to it",
                    subscriber.name()
                ),
            ));
        }
        Ok(())
    }

    /// Where the `sent` envelope of a send goes: found before anything is written, or a send that is done could fail.
    fn sent_to(
        &self,
        caller: &Arc<Caller>,
        emit_sent: bool,
        subscriber: &str,
    ) -> Result<Option<Arc<Subscriber>>, Error> {
        emit_sent.then(|| self.subscriber(caller, subscriber)).transpose()
    }

    fn orphan_timeout(&self, asked: Option<Duration>) -> Option<Duration> {
        Some(asked.unwrap_or(self.limits.now().orphan_timeout)).filter(|timeout| !timeout.is_zero())
    }
}

/// The subscriber's name that an empty one stands for.
fn name_or_default(name: &str) -> &str {
    if name.is_empty() { DEFAULT_NAME } else { name }
}

/// Puts a `sent` on a subscriber's events output.
fn emit_sent(subscriber: &Arc<Subscriber>, session: Option<&SessionId>, body: Body) {
    let (key, envelope) = match session {
        Some(id) => (LaneKey::Session(id.clone()), Envelope::of_session(id, body)),
        None => (LaneKey::Control, Envelope::of_gateway(body)),
    };
    subscriber.lane(key).push_report(envelope);
}
