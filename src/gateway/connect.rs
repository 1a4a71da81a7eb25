//! TcpConnect.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use tokio::{net::TcpStream, sync::watch, time::Instant};
use tonic::Code;

use super::{
    ConnectSpec, Gateway, TcpOptions,
    auditing::session_opened,
    permission::{Destination, NoAddress},
};
use crate::{
    audit::{Event, Who, carried},
    envelope::{Body, CloseReason, Ends, ListenerId, SessionId},
    error::{Error, Reason, io_sentence},
    framing::WaitFor,
    identity::Caller,
    metrics::DialOutcome,
    net::{resolve::ResolveError, tcp},
    policy::Protocol,
    quota::Usage,
    registry::{Opened, Outcome, Session},
    session::{Close, Core, Kind, OnTimeout, SessionSpec, TcpSession, TcpSpec, drive_tcp},
    subscriber::{LaneKey, Subscriber},
};

/// A session that was dialled.
#[derive(Clone, Debug)]
pub struct Connected {
    /// Its id.
    pub session_id: SessionId,
    /// Its ends; None while connecting.
    pub ends: Option<Ends>,
}

impl Gateway {
    /// Dials. With a request id, a retry finds the session of the first call; without one, a call that is dropped while
    /// connecting gives the dial up.
    ///
    /// # Errors
    /// CONNECT_FAILED, POLICY_DENIED, SESSION_ID_CONFLICT, WAIT_FOR_INVALID, LIMIT_REACHED, SHUTTING_DOWN, REQUEST_INVALID.
    pub async fn connect(self: &Arc<Self>, caller: &Arc<Caller>, spec: ConnectSpec) -> Result<Connected, Error> {
        let wait_for = self.pattern(&spec.options.wait_for, spec.options.mode).await?;
        let earlier = {
            let opening = self.opening(caller, spec.request.as_ref())?;
            match opening.earlier() {
                Some(Opened::Dialled(id, outcome)) => Err((id.clone(), outcome.clone())),
                _ => Ok(self.dial(caller, &spec, wait_for)?),
            }
        };
        let (session, outcome) = match earlier {
            Ok(dialled) => dialled,
            Err((id, outcome)) => return Self::dialled(id, outcome, spec.no_wait).await,
        };
        let id = session.core.id.clone();
        let mut guard = GiveUp { session, armed: spec.request.is_none() && !spec.no_wait };
        let connected = Self::dialled(id, outcome, spec.no_wait).await;
        guard.armed = false;
        connected
    }

    async fn dialled(
        session_id: SessionId,
        mut outcome: watch::Receiver<Outcome>,
        no_wait: bool,
    ) -> Result<Connected, Error> {
        if no_wait {
            return Ok(Connected { session_id, ends: None });
        }
        // The sender goes without a word only where the session's task panicked.
        let told = outcome.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
        match told {
            Ok(Some(Ok(ends))) => Ok(Connected { session_id, ends: Some(ends) }),
            Ok(Some(Err(error))) => Err(error),
            Ok(None) | Err(_) => Err(Error::new(Reason::Internal, "the session's task failed; please report it")),
        }
    }

    fn dial(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        spec: &ConnectSpec,
        wait_for: Option<WaitFor>,
    ) -> Result<(Arc<TcpSession>, watch::Receiver<Outcome>), Error> {
        let subscriber = self.subscriber(caller, &spec.subscriber)?;
        self.check_not_overdue(&subscriber)?;
        let most = self.limits.now().pending_connects;
        let permit = self.dialling.take(most).ok_or_else(|| {
            Error::global_limit("pending_connects", most, "too many connections are being made; try again")
        })?;
        let usage = self.usages.of(caller);
        let own_permit = usage.as_ref().map(|usage| usage.dial()).transpose()?;
        let id = spec.session_id.clone().unwrap_or_else(SessionId::random);
        let tcp_spec = self.tcp_spec(&spec.options, wait_for, Kind::TcpOutbound, usage);
        let target = (Arc::clone(&spec.host), spec.port);
        let session = self.tcp_session(id.clone(), caller, None, &subscriber, target, &tcp_spec);
        let (tell, outcome) = watch::channel(None);
        let request = spec.request.clone().map(|key| (key, Opened::Dialled(id, outcome.clone())));
        let first = Body::Connecting { host: Arc::clone(&spec.host), port: spec.port };
        let failure = Arc::new(OnceLock::new());
        let dial = Dial {
            gateway: Arc::clone(self),
            session: Arc::clone(&session),
            started: Instant::now(),
            deadline: Instant::now() + spec.connect_timeout.unwrap_or(self.limits.now().connect_timeout),
        };
        let run = {
            let (failure, tell) = (Arc::clone(&failure), tell.clone());
            async move {
                let dialled = dial.run().await;
                drop((permit, own_permit));
                match dialled {
                    Ok((socket, ends)) => dial.serve(socket, ends, &tell).await,
                    Err((error, reason)) => {
                        let _ = failure.set(error);
                        reason
                    }
                }
            }
        };
        // A failed dial is told to the caller when its id is free again.
        let after = move || {
            if let Some(error) = failure.get() {
                let _ = tell.send(Some(Err(error.clone())));
            }
        };
        self.registry.open_session(Session::Tcp(Arc::clone(&session)), request, first, run, after)?;
        Ok((session, outcome))
    }

    pub(super) fn tcp_spec(
        &self,
        options: &TcpOptions,
        wait_for: Option<WaitFor>,
        kind: Kind,
        usage: Option<Arc<Usage>>,
    ) -> TcpSpec {
        let default = if kind == Kind::TcpInbound { OnTimeout::Close } else { OnTimeout::Keep };
        TcpSpec {
            session: SessionSpec {
                timeout: options.timeout,
                on_timeout: options.on_timeout.unwrap_or(default),
                orphan_timeout: self.orphan_timeout(options.orphan_timeout),
                usage,
            },
            mode: options.mode,
            wait_for,
            allow_half_open: options.allow_half_open,
        }
    }

    pub(super) fn tcp_session(
        &self,
        id: SessionId,
        owner: &Arc<Caller>,
        listener: Option<ListenerId>,
        subscriber: &Arc<Subscriber>,
        target: (Arc<str>, u16),
        spec: &TcpSpec,
    ) -> Arc<TcpSession> {
        let claim = Self::opener(subscriber, &id, spec.wait_for.clone());
        let lifecycle = subscriber.lane(LaneKey::Session(id.clone()));
        let changes = Arc::clone(self.registry.changes());
        let kind = if listener.is_some() { Kind::TcpInbound } else { Kind::TcpOutbound };
        let core = Core::new(id, Arc::clone(owner), kind, listener, lifecycle, &spec.session, changes);
        Arc::new(TcpSession::new(core, target, spec, claim, self.limits.keep()))
    }
}

/// Gives a dial up in Drop.
struct GiveUp {
    session: Arc<TcpSession>,
    armed: bool,
}

impl Drop for GiveUp {
    fn drop(&mut self) {
        if self.armed && self.session.ends().is_none() {
            self.session.core.request_close(Close::Abort(CloseReason::Abort));
        }
    }
}

struct Dial {
    gateway: Arc<Gateway>,
    session: Arc<TcpSession>,
    started: Instant,
    deadline: Instant,
}

impl Dial {
    /// Resolves and connects, unless the session is closed meanwhile.
    async fn run(&self) -> Result<(TcpStream, Ends), (Error, CloseReason)> {
        tokio::select! {
            biased;
            reason = self.session.core.close_requested() => {
                self.count(DialOutcome::GivenUp);
                let error = Error::new(Reason::ConnectFailed, "the session was closed while connecting");
                // Its `disconnected` is the last word on the events output; only the caller is told.
                Err((self.describe(error).already_reported(), reason))
            }
            dialled = carried(self.session.core.caller_address, self.connect()) => dialled.inspect(|_| self.count(DialOutcome::Connected)).map_err(|error| {
                self.count(outcome(&error));
                self.record_failure(&error);
                let error = self.describe(error);
                self.session.core.emit_error(error.clone());
                (error.already_reported(), CloseReason::Error)
            }),
        }
    }

    async fn connect(&self) -> Result<(TcpStream, Ends), Error> {
        let (host, port) = &self.session.target;
        let to = Destination { protocol: Protocol::Tcp, host, port: *port, broadcast: false };
        let reachable = self.gateway.reachable(&self.session.core.owner, to, self.deadline).await;
        let addrs = reachable.map_err(|reason| match reason {
            NoAddress::Unresolved(error) => unresolved(error),
            NoAddress::Denied(error) => error,
        })?;
        let receive_buffer = self.gateway.limits.now().socket_receive_buffer_bytes;
        let refused = |error: io::Error| refused(host, *port, &error);
        tcp::connect(&addrs, receive_buffer, self.deadline).await.map_err(refused)
    }

    async fn serve(&self, socket: TcpStream, ends: Ends, tell: &watch::Sender<Outcome>) -> CloseReason {
        let socket = Arc::new(socket);
        self.session.open(Arc::clone(&socket), ends);
        let (host, port) = &self.session.target;
        session_opened(&self.gateway.audit, &self.session.core, Some((host, *port)), ends.local, Some(ends.remote));
        self.session.core.emit(Body::Connected(ends));
        let _ = tell.send(Some(Ok(ends)));
        drive_tcp(Arc::clone(&self.session), socket).await
    }

    fn count(&self, outcome: DialOutcome) {
        self.gateway.metrics.dials.dialled(outcome, self.started.elapsed());
    }

    fn record_failure(&self, error: &Error) {
        let (core, (host, port)) = (&self.session.core, &self.session.target);
        core.span.in_scope(|| tracing::debug!(error = error.reason().as_str(), "dial failed"));
        self.gateway.audit.record(|| {
            let event = Event::ConnectFailed {
                session: core.id.as_str(),
                host,
                port: *port,
                error: error.reason().as_str(),
                message: error.message(),
            };
            (Some(Who { caller: &core.owner, peer: core.caller_address }), event)
        });
    }

    fn describe(&self, error: Error) -> Error {
        let (host, port) = &self.session.target;
        error.with("sessionId", &self.session.core.id).with("host", host).with("port", port)
    }
}

fn outcome(error: &Error) -> DialOutcome {
    let unresolved = error.metadata().contains(&("phase", "resolve".to_owned()));
    match (error.reason(), error.code()) {
        (Reason::PolicyDenied, _) => DialOutcome::Denied,
        (_, Code::DeadlineExceeded) => DialOutcome::TimedOut,
        _ if unresolved => DialOutcome::Unresolved,
        _ => DialOutcome::Failed,
    }
}

fn unresolved(error: ResolveError) -> Error {
    let failed = match &error {
        ResolveError::Malformed(_) => Error::new(Reason::ConnectInvalid, error.to_string()),
        ResolveError::NotFound { .. } => Error::new(Reason::ConnectFailed, error.to_string()),
        ResolveError::TimedOut(_) => {
            Error::new(Reason::ConnectFailed, error.to_string()).with_code(Code::DeadlineExceeded)
        }
    };
    failed.with("phase", "resolve")
}

fn refused(host: &str, port: u16, error: &io::Error) -> Error {
    // The connect race makes up two errors of its own, which have no errno.
    let own = error.raw_os_error().is_none();
    let failed =
        |cause: &str| Error::new(Reason::ConnectFailed, format!("cannot connect to {host} port {port}: {cause}"));
    let failed = match error.kind() {
        io::ErrorKind::TimedOut if own => {
            failed("no answer within the connect timeout").with_code(Code::DeadlineExceeded).with("errno", "ETIMEDOUT")
        }
        io::ErrorKind::ConnectionRefused if own => failed("connection refused").with("errno", "ECONNREFUSED"),
        _ => failed(&io_sentence(error)).with_io(error),
    };
    failed.with("phase", "connect")
}
