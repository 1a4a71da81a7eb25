//! SessionService: what lives, and the data claim.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{
    callers::Callers,
    padding::Padding,
    parse::pattern,
    parse_fields::Faults,
    proto::{self, session_service_server::SessionService},
    render,
    tap::{TapStream, tap_spec},
    watch::{self, WatchStream},
};
use crate::{
    error::{Error, Reason},
    gateway::Gateway,
    limits::fixed,
    net::host_text,
    registry::Session,
    session::{Kind, Listener, Mode, State, TcpSession, UdpSession},
    subscriber::Subscriber,
};

/// The service.
pub struct SessionsService {
    gateway: Arc<Gateway>,
    callers: Callers,
}

impl SessionsService {
    /// A service of this gateway.
    pub fn new(gateway: Arc<Gateway>, callers: Callers) -> Self {
        Self { gateway, callers }
    }
}

/// One page of what is ordered by key, after the token (the last key of the page before).
fn page<T>(mut items: Vec<(String, T)>, size: u32, token: &str, faults: Faults) -> Result<(Vec<T>, String), Error> {
    let mut faults = faults;
    if size > fixed::PAGE_SIZE {
        faults.add("page_size", format!("is more than {}", fixed::PAGE_SIZE));
    }
    faults.check(Reason::RequestInvalid)?;
    let size = if size == 0 { fixed::DEFAULT_PAGE_SIZE } else { size } as usize;
    items.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let mut rest = items.into_iter().filter(|(key, _)| token.is_empty() || key.as_str() > token);
    let mut last = String::new();
    let mut page = Vec::new();
    for (key, item) in rest.by_ref().take(size) {
        last = key;
        page.push(item);
    }
    let next = if rest.next().is_some() { last } else { String::new() };
    Ok((page, next))
}

/// What lists are ordered by. The separator is in no namespace and in no id.
fn key(namespace: &str, id: &str) -> String {
    if namespace.is_empty() { id.to_owned() } else { format!("{namespace}\u{1f}{id}") }
}

#[tonic::async_trait]
impl SessionService for SessionsService {
    async fn list_sessions(
        &self,
        request: Request<proto::ListSessionsRequest>,
    ) -> Result<Response<proto::ListSessionsResponse>, Status> {
        let caller = self.callers.of(&request)?;
        let request = request.into_inner();
        let mut faults = Faults::default();
        let kind: Option<proto::SessionKind> = faults.known("kind", request.kind);
        let state: Option<proto::SessionState> = faults.known("state", request.state);
        let (kind, state) = (kind.unwrap_or_default(), state.unwrap_or_default());
        let wanted = |session: &proto::Session| {
            (request.subscriber.is_empty()
                || request.subscriber == session.data_subscriber
                || request.subscriber == session.lifecycle_subscriber)
                && (kind == proto::SessionKind::Unspecified || session.kind() == kind)
                && (state == proto::SessionState::Unspecified || session.state() == state)
                && (request.listener_id.is_empty() || request.listener_id == session.listener_id)
        };
        let sight = caller.sight(&request.namespace)?;
        let sessions = self.gateway.registry.sessions();
        let seen = sessions.iter().filter(|session| sight.shows(&session.core().owner.namespace));
        let matching: Vec<_> = seen.map(session).filter(wanted).collect();
        let total_size = matching.len() as u32;
        let keyed = matching.into_iter().map(|one| (key(&one.namespace, &one.session_id), one)).collect();
        let (sessions, next_page_token) = page(keyed, request.page_size, &request.page_token, faults)?;
        Ok(Response::new(proto::ListSessionsResponse { sessions, next_page_token, total_size }))
    }

    async fn get_session(
        &self,
        request: Request<proto::GetSessionRequest>,
    ) -> Result<Response<proto::GetSessionResponse>, Status> {
        let caller = self.callers.of(&request)?;
        let request = request.into_inner();
        let caller = caller.in_namespace(&request.namespace)?;
        let found = self.gateway.registry.session(&caller.namespace, &request.session_id)?;
        Ok(Response::new(proto::GetSessionResponse { session: Some(session(&found)) }))
    }

    async fn list_listeners(
        &self,
        request: Request<proto::ListListenersRequest>,
    ) -> Result<Response<proto::ListListenersResponse>, Status> {
        let caller = self.callers.of(&request)?;
        let request = request.into_inner();
        let sight = caller.sight(&request.namespace)?;
        let listeners = self.gateway.registry.listeners();
        let seen = listeners.iter().filter(|one| sight.shows(&one.owner.namespace));
        let shown = seen.map(|one| listener(&self.gateway, one));
        let keyed = shown.map(|one| (key(&one.namespace, &one.listener_id), one)).collect();
        let (listeners, next_page_token) = page(keyed, request.page_size, &request.page_token, Faults::default())?;
        Ok(Response::new(proto::ListListenersResponse { listeners, next_page_token }))
    }

    async fn list_subscribers(
        &self,
        request: Request<proto::ListSubscribersRequest>,
    ) -> Result<Response<proto::ListSubscribersResponse>, Status> {
        let caller = self.callers.of(&request)?;
        let request = request.into_inner();
        let sight = caller.sight(&request.namespace)?;
        let subscribers = self.gateway.subscribers.all();
        let seen = subscribers.iter().filter(|one| sight.shows(&one.owner().namespace));
        let keyed = seen.map(|one| subscriber(one)).map(|one| (key(&one.namespace, &one.name), one)).collect();
        let (subscribers, next_page_token) = page(keyed, request.page_size, &request.page_token, Faults::default())?;
        Ok(Response::new(proto::ListSubscribersResponse { subscribers, next_page_token }))
    }

    type WatchStream = WatchStream;

    async fn watch(&self, request: Request<proto::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let padding = Padding::new(request.metadata());
        let caller = self.callers.of(&request)?;
        let stream = watch::watch(&self.gateway, &caller, &request.into_inner(), padding)?;
        Ok(Response::new(stream))
    }

    type TapStream = TapStream;

    async fn tap(&self, request: Request<proto::TapRequest>) -> Result<Response<Self::TapStream>, Status> {
        let padding = Padding::new(request.metadata());
        let caller = self.callers.of(&request)?;
        let request = request.into_inner();
        let (spec, format) = tap_spec(&request)?;
        let tap = self.gateway.tap(&caller.in_namespace(&request.namespace)?, &spec)?;
        Ok(Response::new(TapStream::new(tap, format, padding)))
    }

    async fn claim_data(
        &self,
        request: Request<proto::ClaimDataRequest>,
    ) -> Result<Response<proto::ClaimDataResponse>, Status> {
        let caller = self.callers.of(&request)?;
        let request = request.into_inner();
        let mut faults = Faults::default();
        if request.session_id.is_empty() {
            faults.add("session_id", "is required");
        }
        faults.name("subscriber", &request.subscriber);
        if request.subscriber.is_empty() {
            faults.add("subscriber", "is required: who shall get the data");
        }
        faults.check(Reason::RequestInvalid)?;
        let wait = request.wait_for.map(pattern);
        let moved = self.gateway.claim_data(&caller, &request.session_id, &request.subscriber, &wait).await;
        let (claim_generation, previous) = moved
            .inspect_err(|error| self.gateway.report(&caller, &request.subscriber, Some(&request.session_id), error))?;
        Ok(Response::new(proto::ClaimDataResponse { claim_generation, previous_subscriber: previous.to_string() }))
    }
}

fn duration(duration: Option<std::time::Duration>) -> Option<prost_types::Duration> {
    duration.and_then(|duration| duration.try_into().ok())
}

/// A session as a message.
pub(super) fn session(session: &Session) -> proto::Session {
    let core = session.core();
    let kind = match core.kind {
        Kind::TcpOutbound => proto::SessionKind::TcpOutbound,
        Kind::TcpInbound => proto::SessionKind::TcpInbound,
        Kind::Udp => proto::SessionKind::Udp,
    };
    let common = proto::Session {
        session_id: core.id.to_string(),
        kind: kind.into(),
        listener_id: core.listener.as_ref().map(ToString::to_string).unwrap_or_default(),
        lifecycle_subscriber: core.lifecycle().subscriber().name().to_string(),
        timeout: duration(core.timeout()),
        orphan_timeout: duration(core.orphan_timeout()),
        created_time: render::timestamp(core.created),
        last_activity_time: render::timestamp(core.last_activity()),
        bytes_received: core.received(),
        bytes_sent: core.sent(),
        namespace: core.owner.namespace.to_string(),
        owner: core.owner.identity.to_string(),
        ..proto::Session::default()
    };
    match session {
        Session::Tcp(tcp) => tcp_session(tcp, common),
        Session::Udp(udp) => udp_session(udp, common),
    }
}

fn state(state: State) -> i32 {
    match state {
        State::Connecting => proto::SessionState::Connecting,
        State::Connected => proto::SessionState::Connected,
        State::HalfClosed => proto::SessionState::HalfClosed,
        State::Disconnecting => proto::SessionState::Disconnecting,
        State::Listening => proto::SessionState::Listening,
    }
    .into()
}

fn mode(mode: Mode) -> i32 {
    match mode {
        Mode::Binary => proto::TcpMode::Binary,
        Mode::Line => proto::TcpMode::Line,
    }
    .into()
}

fn tcp_session(tcp: &TcpSession, common: proto::Session) -> proto::Session {
    let ends = tcp.ends();
    let (holder, generation, wait_for) = tcp.with_claim(|claim| {
        let wait_for = claim.wait().map(|wait| wait.pattern.as_str().to_owned());
        (claim.holder().name().to_string(), claim.generation(), wait_for)
    });
    proto::Session {
        state: state(tcp.state()),
        mode: mode(tcp.mode),
        remote_host: ends.map_or_else(|| tcp.target.0.to_string(), |ends| host_text(&ends.remote)),
        remote_port: ends.map_or(tcp.target.1, |ends| ends.remote.port()).into(),
        local_host: ends.map(|ends| host_text(&ends.local)).unwrap_or_default(),
        local_port: ends.map_or(0, |ends| ends.local.port()).into(),
        data_subscriber: holder,
        claim_generation: generation,
        wait_for: wait_for.unwrap_or_default(),
        queued_send_bytes: tcp.queued_bytes() as u64,
        read_paused: tcp.is_paused(),
        turn_waiters: tcp.turn_waiters() as u32,
        exchange_active: tcp.exchange_active(),
        ..common
    }
}

fn udp_session(udp: &UdpSession, common: proto::Session) -> proto::Session {
    let (received, sent, dropped) = udp.datagrams();
    let (holder, generation) = udp.with_claim(|claim| (claim.holder().name().to_string(), claim.generation()));
    proto::Session {
        state: state(udp.state()),
        local_host: host_text(&udp.local),
        local_port: udp.local.port().into(),
        data_subscriber: holder,
        claim_generation: generation,
        datagrams_received: received,
        datagrams_sent: sent,
        datagrams_dropped: dropped,
        multicast_groups: udp.groups.to_vec(),
        ..common
    }
}

/// A listener as a message.
pub(super) fn listener(gateway: &Gateway, listener: &Listener) -> proto::Listener {
    proto::Listener {
        listener_id: listener.id.to_string(),
        local_host: host_text(&listener.local),
        local_port: listener.local.port().into(),
        subscriber: listener.lane().subscriber().name().to_string(),
        mode: mode(listener.spec.mode),
        created_time: render::timestamp(listener.created),
        accepted: listener.accepted(),
        sessions: gateway.registry.sessions_of(listener).len() as u32,
        namespace: listener.owner.namespace.to_string(),
        owner: listener.owner.identity.to_string(),
    }
}

/// A subscriber as a message.
pub(super) fn subscriber(subscriber: &Subscriber) -> proto::Subscriber {
    let (view, owner) = (subscriber.view(), subscriber.owner());
    proto::Subscriber {
        name: view.name.to_string(),
        epoch: view.epoch.to_string(),
        next_sequence: view.next_sequence,
        streams: view.streams as u32,
        backlog_bytes: view.backlog_bytes as u64,
        backlog_envelopes: view.backlog_envelopes as u64,
        paused_sessions: view.paused_sessions as u32,
        dropped: view.dropped,
        acknowledged: view.acknowledged,
        namespace: owner.namespace.to_string(),
        owner: owner.identity.to_string(),
    }
}
