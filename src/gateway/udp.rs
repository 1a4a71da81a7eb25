//! UdpIn and UdpOut.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    DatagramSpec, Gateway, UdpInSpec,
    auditing::session_opened,
    emit_sent,
    permission::{Destination, NoAddress},
};
use crate::{
    audit::{Event, Who},
    envelope::{Body, MessageId, SessionId},
    error::{Error, Reason, io_sentence},
    identity::Caller,
    limits::fixed,
    net::{
        canonical, host_text,
        resolve::{ResolveError, literal},
        udp,
    },
    policy::Protocol,
    registry::{Opened, Session},
    session::{Core, Kind, SessionSpec, UdpSession, drive_udp},
    subscriber::LaneKey,
};

/// Resolving the destination of a datagram may take this long.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A UDP socket that was bound.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Its session.
    pub session_id: SessionId,
    /// Its address.
    pub local: SocketAddr,
    /// Its groups.
    pub groups: Arc<[String]>,
}

/// A datagram that the operating system took.
#[derive(Clone, Debug)]
pub struct DatagramSent {
    /// Its id.
    pub message_id: MessageId,
    /// Where it went.
    pub to: SocketAddr,
    /// Its size.
    pub bytes: usize,
}

impl Gateway {
    /// Binds a UDP socket.
    ///
    /// # Errors
    /// UDP_ERROR, POLICY_DENIED, SESSION_ID_CONFLICT, LIMIT_REACHED, SHUTTING_DOWN, REQUEST_INVALID.
    pub fn udp_in(self: &Arc<Self>, caller: &Arc<Caller>, spec: UdpInSpec) -> Result<Bound, Error> {
        let opening = self.opening(caller, spec.request.as_ref())?;
        if let Some(Opened::Udp(id)) = opening.earlier() {
            return self.udp_session(caller, id.as_str()).map(|session| bound(&session));
        }
        let subscriber = self.subscriber(caller, &spec.subscriber)?;
        self.check_not_overdue(&subscriber)?;
        self.check_bind(caller, Protocol::Udp, spec.address)?;
        spec.groups.iter().try_for_each(|group| self.check_join(caller, group.group, spec.address.port()))?;
        let failed = |error: io::Error| {
            let address = spec.address;
            Error::new(Reason::UdpError, format!("cannot bind UDP {address}: {}", io_sentence(&error)))
                .with("host", address.ip())
                .with("port", address.port())
                .with_io(&error)
        };
        let buffer = self.limits.now().udp_receive_buffer_bytes;
        let socket = udp::bind(spec.address, &spec.groups, spec.reuse_address, buffer).map_err(failed)?;
        let local = socket.local_addr().map_err(failed)?;
        let socket = Arc::new(socket);
        let groups = spec.group_names();
        let id = spec.session_id.unwrap_or_else(SessionId::random);
        let session_spec = SessionSpec {
            timeout: spec.timeout,
            on_timeout: spec.on_timeout,
            orphan_timeout: self.orphan_timeout(spec.orphan_timeout),
            usage: self.usages.of(caller),
        };
        let claim = Self::opener(&subscriber, &id, None);
        let lifecycle = subscriber.lane(LaneKey::Session(id.clone()));
        let changes = Arc::clone(self.registry.changes());
        let core = Core::new(id.clone(), Arc::clone(caller), Kind::Udp, None, lifecycle, &session_spec, changes);
        let session = Arc::new(UdpSession::new(core, Arc::clone(&socket), local, groups, spec.utf8, claim));
        let first = Body::Listening { local, groups: Arc::clone(&session.groups) };
        let request = spec.request.map(|key| (key, Opened::Udp(id)));
        let run = {
            let (audit, session) = (Arc::clone(&self.audit), Arc::clone(&session));
            async move {
                session_opened(&audit, &session.core, None, local, None);
                drive_udp(session, socket).await
            }
        };
        self.registry.open_session(Session::Udp(Arc::clone(&session)), request, first, run, || ())?;
        Ok(bound(&session))
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// SEND_INVALID, UDP_SEND_FAILED, POLICY_DENIED, SESSION_NOT_FOUND, SESSION_NOT_CONNECTED, LIMIT_REACHED, SHUTTING_DOWN.
    pub async fn udp_out(&self, caller: &Arc<Caller>, spec: &DatagramSpec) -> Result<DatagramSent, Error> {
        let session = match &spec.session_id {
            Some(id) => Some(self.udp_session(caller, id)?),
            None if self.registry.is_draining() => return Err(Error::shutting_down()),
            None => None,
        };
        let to = self.destination(caller, spec, session.as_deref()).await?;
        let usage = match &session {
            Some(session) => session.core.usage.clone(),
            None => self.usages.of(caller),
        };
        usage.map_or(Ok(()), |usage| usage.datagram(spec.payload.len()))?;
        let failed = |error: &io::Error| send_failed(error, spec, to);
        let sent_to = self.sent_to(caller, spec.emit_sent, &spec.subscriber)?;
        let bytes = match &session {
            Some(session) => {
                if !spec.subscriber.is_empty() {
                    let to =
                        self.claim_move(caller, &spec.subscriber, &None, &Session::Udp(Arc::clone(session))).await?;
                    session.move_claim(to);
                }
                session.send(to, &spec.payload, &spec.options).await?.map_err(|error| failed(&error))?
            }
            None => {
                let socket = udp::sender(&to).map_err(|error| failed(&error))?;
                let sent = udp::send(&socket, &Mutex::default(), to, &spec.payload, &spec.options).await;
                let bytes = sent.map_err(|error| failed(&error))?;
                self.metrics.sessions.lone_datagrams.increment();
                self.metrics.sessions.lone_datagram_bytes.add(bytes as u64);
                self.audit
                    .record(|| (Some(Who::calls(caller)), Event::DatagramSent { host: &spec.host, remote: to, bytes }));
                bytes
            }
        };
        let message_id = self.message_id();
        if let Some(subscriber) = sent_to {
            let body = Body::DatagramSent { message_id, to, bytes: bytes as u32 };
            match &session {
                Some(session) => session.core.while_alive(|| emit_sent(&subscriber, Some(&session.core.id), body)),
                None => emit_sent(&subscriber, None, body),
            }
        }
        Ok(DatagramSent { message_id, to, bytes })
    }

    fn udp_session(&self, caller: &Caller, id: &str) -> Result<Arc<UdpSession>, Error> {
        match self.registry.session(&caller.namespace, id)? {
            Session::Udp(session) => {
                session.core.touch();
                Ok(session)
            }
            Session::Tcp(session) => Err(Error::new(
                Reason::SendInvalid,
                "session_id names a TCP session: use TcpSend, or a session of UdpIn",
            )
            .with("sessionId", &session.core.id)),
        }
    }

    /// Where a datagram may go. What a session sent to last need not be judged again: a policy may have thousands of rules, and a
    /// session sends thousands of datagrams to one peer.
    async fn destination(
        &self,
        caller: &Arc<Caller>,
        spec: &DatagramSpec,
        session: Option<&UdpSession>,
    ) -> Result<SocketAddr, Error> {
        let ipv4_only = session.is_some_and(|session| session.local.is_ipv4());
        // Before the policy is asked: an answer of one that was just replaced must not be kept as the new one's.
        let epoch = self.policy.epoch();
        let broadcast = spec.options.broadcast;
        let given = literal(&spec.host, spec.port).ok().flatten().map(canonical);
        if let (Some(session), Some(to)) = (session, given)
            && session.is_permitted(epoch, caller, to, broadcast)
        {
            return Ok(to);
        }
        let deadline = Instant::now() + RESOLVE_TIMEOUT;
        let to = Destination { protocol: Protocol::Udp, host: &spec.host, port: spec.port, broadcast };
        let addrs = self.reachable(caller, to, deadline).await.map_err(|reason| match reason {
            NoAddress::Unresolved(error) => unresolved(&error, spec),
            NoAddress::Denied(error) => error.with("host", crate::error::shortened(&spec.host)).with("port", spec.port),
        })?;
        let to = addrs.iter().find(|addr| addr.is_ipv4() || !ipv4_only).copied().ok_or_else(|| {
            Error::new(
                Reason::UdpSendFailed,
                "the destination has only IPv6 addresses, and the session's socket is IPv4",
            )
            .with("host", &spec.host)
        })?;
        if let Some(session) = session
            && given.is_some()
        {
            session.permit(epoch, caller, to, broadcast);
        }
        Ok(to)
    }
}

fn unresolved(error: &ResolveError, spec: &DatagramSpec) -> Error {
    let reason = match error {
        ResolveError::Malformed(_) => Reason::SendInvalid,
        ResolveError::NotFound { .. } | ResolveError::TimedOut(_) => Reason::UdpSendFailed,
    };
    Error::new(reason, error.to_string()).with("host", crate::error::shortened(&spec.host))
}

fn bound(session: &UdpSession) -> Bound {
    Bound { session_id: session.core.id.clone(), local: session.local, groups: Arc::clone(&session.groups) }
}

fn send_failed(error: &io::Error, spec: &DatagramSpec, to: SocketAddr) -> Error {
    let sentence = match error.raw_os_error().map(nix::errno::Errno::from_raw) {
        Some(nix::errno::Errno::EACCES) if !spec.options.broadcast => {
            "not allowed: if this is a broadcast address, set broadcast".to_owned()
        }
        Some(nix::errno::Errno::EMSGSIZE) => {
            let size = spec.payload.len();
            format!("{size} bytes are too many for one datagram (at most {})", fixed::DATAGRAM_BYTES)
        }
        _ => io_sentence(error),
    };
    Error::new(Reason::UdpSendFailed, format!("sending to {to} failed: {sentence}"))
        .with("host", host_text(&to))
        .with("port", to.port())
        .with_io(error)
}
