//! All live sessions and listeners by namespace and id, and their tasks.
//!
//! The registry alone emits the first and the last envelope of a session or listener: the first before its task runs, the last
//! when its socket, its claims and its id are free again. Ids, the limits on their number and the request ids that guard against
//! opening twice share one short lock.

mod ending;

use std::{
    hash::RandomState,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use hashbrown::HashMap;
use tokio::{net::TcpStream, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::ending::{EndListener, EndSession};
use crate::{
    audit::Audit,
    changes::{Change, Changes},
    envelope::{Body, CloseReason, Ends, Kind, ListenerId, SessionId},
    error::{Error, Reason},
    identity::Scoped,
    limits::LiveLimits,
    metrics::{Door, Metrics, Traffic},
    quota::Pressure,
    session::{Close, Core, Listener, TcpSession, UdpSession, accept_loop},
};

/// A live session.
#[derive(Clone)]
pub enum Session {
    /// A TCP connection.
    Tcp(Arc<TcpSession>),
    /// A UDP socket.
    Udp(Arc<UdpSession>),
}

impl Session {
    /// What both kinds have in common.
    pub fn core(&self) -> &Core {
        match self {
            Self::Tcp(session) => &session.core,
            Self::Udp(session) => &session.core,
        }
    }

    /// What it moved so far.
    pub fn traffic(&self) -> Traffic {
        let core = self.core();
        let (datagrams_received, datagrams_sent, _) = match self {
            Self::Tcp(_) => (0, 0, 0),
            Self::Udp(session) => session.datagrams(),
        };
        Traffic { bytes_received: core.received(), bytes_sent: core.sent(), datagrams_received, datagrams_sent }
    }
}

/// How a dial ended: None while it has not.
pub type Outcome = Option<Result<Ends, Error>>;

/// What a request id stands for.
#[derive(Clone)]
pub enum Opened {
    /// A dialled session, and where its outcome is told.
    Dialled(SessionId, watch::Receiver<Outcome>),
    /// A UDP session.
    Udp(SessionId),
    /// A listener.
    Listener(ListenerId),
}

/// A caller's id for an opening call, and what the call asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// Subscriber and request id.
    pub id: String,
    /// The request, to tell a retry from another request that uses the id by mistake.
    pub request: Vec<u8>,
}

/// By namespace and id.
type Table<Id, T> = HashMap<Scoped<Id>, T, RandomState>;

#[derive(Default)]
struct Tables {
    sessions: Table<SessionId, (Session, Option<String>)>,
    listeners: Table<ListenerId, (Arc<Listener>, Option<String>)>,
    requests: Table<String, (Vec<u8>, Opened)>,
}

/// The table of everything that lives.
pub struct Registry {
    limits: Arc<LiveLimits>,
    pressure: Arc<Pressure>,
    changes: Arc<Changes>,
    metrics: Arc<Metrics>,
    audit: Arc<Audit>,
    tables: RwLock<Tables>,
    tasks: TaskTracker,
    background: TaskTracker,
    draining: CancellationToken,
}

impl Registry {
    /// An empty registry.
    pub fn new(
        limits: Arc<LiveLimits>,
        pressure: Arc<Pressure>,
        changes: Arc<Changes>,
        metrics: Arc<Metrics>,
        audit: Arc<Audit>,
    ) -> Self {
        Self {
            limits,
            pressure,
            changes,
            metrics,
            audit,
            tables: RwLock::default(),
            tasks: TaskTracker::new(),
            background: TaskTracker::new(),
            draining: CancellationToken::new(),
        }
    }

    /// What an earlier call of this namespace with this request id opened, if it still lives.
    ///
    /// # Errors
    /// REQUEST_INVALID where the id was used for another request.
    pub fn requested(&self, namespace: &str, key: &RequestKey) -> Result<Option<Opened>, Error> {
        match self.read().requests.get(&(namespace, key.id.as_str())) {
            Some((request, opened)) if *request == key.request => Ok(Some(opened.clone())),
            Some(_) => Err(Error::new(
                Reason::RequestInvalid,
                "this request_id was used for another request whose session lives; use a fresh one",
            )),
            None => Ok(None),
        }
    }

    /// Enters a session, emits its first envelope and runs it. When `run` is over the session is removed and `disconnected` is
    /// emitted; `after` is called then.
    ///
    /// # Errors
    /// SESSION_ID_CONFLICT, LIMIT_REACHED, SHUTTING_DOWN. `run` is dropped unpolled then.
    pub fn open_session(
        self: &Arc<Self>,
        session: Session,
        request: Option<(RequestKey, Opened)>,
        first: Body,
        run: impl Future<Output = CloseReason> + Send + 'static,
        after: impl FnOnce() + Send + 'static,
    ) -> Result<(), Error> {
        let id = session.core().scoped_id();
        let mut tables = self.write();
        self.check_open()?;
        if tables.sessions.contains_key(&id) {
            return Err(Error::new(
                Reason::SessionIdConflict,
                format!("a session with the id \"{}\" lives already; choose another, or none to have one made", id.id),
            )
            .with("sessionId", &id.id));
        }
        let most = self.limits.now().sessions;
        if tables.sessions.len() >= most {
            return Err(Error::global_limit(
                "sessions",
                most,
                format!("there are {most} sessions, as many as may be; end some first"),
            ));
        }
        let place = session.core().usage.as_ref().map(|usage| usage.session()).transpose()?;
        let request_id = request.as_ref().map(|(key, _)| key.id.clone());
        if let Some((key, opened)) = request {
            tables.requests.insert(Scoped::new(&id.namespace, key.id), (key.request, opened));
        }
        tables.sessions.insert(id.clone(), (session.clone(), request_id));
        session.core().emit(first);
        drop(tables);
        self.metrics.sessions.opened(session.core().kind);
        self.changes.publish(|| Change::SessionAdded(id));
        let mut end = EndSession { registry: Arc::clone(self), session, reason: CloseReason::Error, place };
        self.tasks.spawn(async move {
            end.reason = run.await;
            drop(end);
            after();
        });
        Ok(())
    }

    /// Enters a bound listener, emits `listening` and accepts.
    ///
    /// # Errors
    /// LIMIT_REACHED, SHUTTING_DOWN.
    pub fn open_listener(
        self: &Arc<Self>,
        listener: &Arc<Listener>,
        socket: tokio::net::TcpListener,
        request: Option<(RequestKey, Opened)>,
        may_accept: impl Fn() -> bool + Send + Sync + 'static,
        accepted: impl Fn(TcpStream) + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let mut tables = self.write();
        self.check_open()?;
        let most = self.limits.now().listeners;
        if tables.listeners.len() >= most {
            return Err(Error::global_limit(
                "listeners",
                most,
                format!("there are {most} listeners, as many as may be; end some first"),
            ));
        }
        let place = listener.spec.session.usage.as_ref().map(|usage| usage.listener()).transpose()?;
        let request_id = request.as_ref().map(|(key, _)| key.id.clone());
        if let Some((key, opened)) = request {
            tables.requests.insert(Scoped::new(&listener.owner.namespace, key.id), (key.request, opened));
        }
        tables.listeners.insert(listener.scoped_id(), (Arc::clone(listener), request_id));
        listener.emit(Body::Listening { local: listener.local, groups: Arc::new([]) });
        drop(tables);
        self.metrics.sessions.listeners_opened.increment();
        self.changes.publish(|| Change::ListenerAdded(listener.scoped_id()));
        let end = EndListener { registry: Arc::clone(self), listener: Arc::clone(listener), place };
        let listener = Arc::clone(listener);
        self.tasks.spawn(async move {
            let failed = || end.registry.metrics.doors.accept_failed(Door::Listener);
            accept_loop(listener, socket, may_accept, accepted, failed).await;
            drop(end);
        });
        Ok(())
    }

    /// Whether another session may be opened.
    pub fn has_room(&self) -> bool {
        self.check_open().is_ok() && self.read().sessions.len() < self.limits.now().sessions
    }

    /// The session of this id in a namespace. One of another namespace is not there.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND.
    pub fn session(&self, namespace: &str, id: &str) -> Result<Session, Error> {
        let found = self.read().sessions.get(&(namespace, id)).map(|(session, _)| session.clone());
        found.ok_or_else(|| Error::session_not_found(id))
    }

    /// The listener of this id in a namespace. One of another namespace is not there.
    ///
    /// # Errors
    /// LISTENER_NOT_FOUND.
    pub fn listener(&self, namespace: &str, id: &str) -> Result<Arc<Listener>, Error> {
        let found = self.read().listeners.get(&(namespace, id)).map(|(listener, _)| Arc::clone(listener));
        found.ok_or_else(|| {
            let shown = crate::error::shortened(id);
            Error::new(
                Reason::ListenerNotFound,
                format!("no listener has the id \"{shown}\"; ListListeners shows them"),
            )
            .with("listenerId", shown)
        })
    }

    /// All sessions of every namespace, in no order.
    pub fn sessions(&self) -> Vec<Session> {
        self.read().sessions.values().map(|(session, _)| session.clone()).collect()
    }

    /// All sessions, in no order, and what all there ever were have moved, by kind. Both are of the same moment: a session that ends
    /// is either among them or in what the ended ones have moved.
    pub fn sessions_and_traffic(&self) -> (Vec<Session>, [Traffic; Kind::ALL.len()]) {
        let tables = self.read();
        let mut traffic = Kind::ALL.map(|kind| self.metrics.sessions.ended_traffic(kind));
        let sessions = tables.sessions.values().map(|(session, _)| {
            traffic[session.core().kind as usize] += session.traffic();
            session.clone()
        });
        (sessions.collect(), traffic)
    }

    /// All listeners of every namespace, in no order.
    pub fn listeners(&self) -> Vec<Arc<Listener>> {
        self.read().listeners.values().map(|(listener, _)| Arc::clone(listener)).collect()
    }

    /// The sessions a listener accepted.
    pub fn sessions_of(&self, listener: &Listener) -> Vec<Session> {
        let tables = self.read();
        // Ids that the gateway makes are unique in all namespaces.
        let of_listener = |session: &&Session| session.core().listener.as_ref() == Some(&listener.id);
        tables.sessions.values().map(|(session, _)| session).filter(of_listener).cloned().collect()
    }

    /// Where changes are told.
    pub fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    /// Runs a task that belongs to a stream or a call: going down does not wait for it.
    pub fn spawn_background(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.background.spawn(task);
    }

    /// How many tasks run: of sessions, listeners, streams and calls.
    pub fn tasks(&self) -> usize {
        self.tasks.len() + self.background.len()
    }

    /// Whether the gateway is going down.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Cancelled when the gateway goes down.
    pub fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Opens nothing more, closes the listeners, and asks every session to end gracefully.
    pub fn start_draining(&self) {
        self.draining.cancel();
        for listener in self.listeners() {
            listener.stop();
        }
        for session in self.sessions() {
            session.core().request_close(Close::Graceful(CloseReason::Shutdown));
        }
    }

    /// Waits until every session and listener has ended.
    pub async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Cuts every session that is left.
    pub fn abort_all(&self) {
        for session in self.sessions() {
            session.core().request_close(Close::Abort(CloseReason::Shutdown));
        }
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.draining.is_cancelled() { Err(Error::shutting_down()) } else { self.check_memory() }
    }

    /// Whether there is memory for more to be opened.
    ///
    /// # Errors
    /// LIMIT_REACHED.
    pub fn check_memory(&self) -> Result<(), Error> {
        if self.pressure.refuses() {
            let most = self.limits.now().memory_refuse_percent;
            let message =
                "memory is nearly used up: nothing is opened until there is more; try again later or elsewhere";
            return Err(Error::global_limit("memory_refuse_percent", most, message));
        }
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}
