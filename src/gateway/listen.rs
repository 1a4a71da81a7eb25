//! TcpListen and TcpUnlisten.

use std::{sync::Arc, time::Duration};

use tokio::net::TcpStream;

use super::{Gateway, ListenSpec, UnlistenSpec, auditing::session_opened};
use crate::{
    audit::{Event, Who},
    envelope::{Body, CloseReason, ListenerId, SessionId},
    error::{Error, Reason, io_sentence},
    identity::Caller,
    net::{canonical, host_text, tcp},
    policy::Protocol,
    quota::Bucket,
    registry::{Opened, Session},
    session::{Close, Kind, Listener, TcpSpec, drive_tcp},
    subscriber::{LaneKey, Subscriber},
};

/// A listener that was closed.
#[derive(Clone, Copy, Debug)]
pub struct Unlistened {
    /// How many of its sessions are being closed.
    pub sessions_closing: usize,
}

impl Gateway {
    /// Opens a listener.
    ///
    /// # Errors
    /// SERVER_ERROR, POLICY_DENIED, WAIT_FOR_INVALID, LIMIT_REACHED, SHUTTING_DOWN, REQUEST_INVALID.
    pub async fn listen(self: &Arc<Self>, caller: &Arc<Caller>, spec: ListenSpec) -> Result<Arc<Listener>, Error> {
        self.listen_on(caller, spec, None).await
    }

    /// As `listen`, on a socket that listens already where one is given.
    ///
    /// # Errors
    /// As `listen`.
    pub async fn listen_on(
        self: &Arc<Self>,
        caller: &Arc<Caller>,
        spec: ListenSpec,
        inherited: Option<std::net::TcpListener>,
    ) -> Result<Arc<Listener>, Error> {
        let wait_for = self.pattern(&spec.options.wait_for, spec.options.mode).await?;
        let opening = self.opening(caller, spec.request.as_ref())?;
        if let Some(Opened::Listener(id)) = opening.earlier() {
            return self.registry.listener(&caller.namespace, id.as_str());
        }
        let subscriber = self.subscriber(caller, &spec.subscriber)?;
        self.check_not_overdue(&subscriber)?;
        self.check_bind(caller, Protocol::Tcp, spec.address)?;
        let failed = |error: std::io::Error| {
            let address = spec.address;
            Error::new(Reason::ServerError, format!("cannot listen on {address}: {}", io_sentence(&error)))
                .with("host", address.ip())
                .with("port", address.port())
                .with_io(&error)
        };
        let limits = self.limits.keep();
        let socket = match inherited {
            Some(socket) => tcp::inherit(socket),
            None => tcp::listen(spec.address, limits.socket_receive_buffer_bytes, limits.listen_backlog),
        };
        let socket = socket.map_err(failed)?;
        let local = socket.local_addr().map_err(failed)?;
        let id = ListenerId::random();
        let tcp_spec = self.tcp_spec(&spec.options, wait_for, Kind::TcpInbound, self.usages.of(caller));
        let lane = subscriber.lane(LaneKey::Listener(id.clone()));
        let listener = Arc::new(Listener::new(id.clone(), Arc::clone(caller), local, tcp_spec.clone(), lane));
        let request = spec.request.map(|key| (key, Opened::Listener(id.clone())));
        let accepts = Arc::new(Bucket::new(Duration::from_secs(1)));
        let may_accept = {
            let (gateway, subscriber, usage) =
                (Arc::clone(self), Arc::clone(&subscriber), tcp_spec.session.usage.clone());
            let accepts = Arc::clone(&accepts);
            move || {
                accepts.set_rate(gateway.limits.now().accepts_per_second);
                let has_room = usage.as_ref().is_none_or(|usage| usage.has_room()) && gateway.registry.has_room();
                has_room && !subscriber.is_overdue() && accepts.left().is_ok()
            }
        };
        let accepted = {
            let (gateway, owner) = (Arc::clone(self), Arc::clone(caller));
            move |stream| {
                accepts.spend(1);
                gateway.accept(stream, &owner, &id, &subscriber, &tcp_spec);
            }
        };
        self.registry.open_listener(&listener, socket, request, may_accept, accepted)?;
        self.audit.record(|| {
            let (listener, subscriber) = (listener.id.as_str(), &**listener.lane().subscriber().name());
            (Some(Who::calls(caller)), Event::ListenerOpened { listener, subscriber, local })
        });
        tracing::info!(listener = %listener.id, address = %local, subscriber = %listener.lane().subscriber().name(), identity = %caller.identity, "listening");
        Ok(listener)
    }

    fn accept(
        &self,
        stream: TcpStream,
        owner: &Arc<Caller>,
        listener: &ListenerId,
        subscriber: &Arc<Subscriber>,
        spec: &TcpSpec,
    ) {
        // A peer that is gone already leaves no address: there was no connection worth a session.
        let Ok(ends) = tcp::ends(&stream) else { return };
        tcp::tune(&stream);
        let id = SessionId::random();
        let target = (host_text(&canonical(ends.remote)).into(), ends.remote.port());
        let session = self.tcp_session(id, owner, Some(listener.clone()), subscriber, target, spec);
        let socket = Arc::new(stream);
        session.open(Arc::clone(&socket), ends);
        let run = {
            let (audit, session) = (Arc::clone(&self.audit), Arc::clone(&session));
            async move {
                session_opened(&audit, &session.core, None, ends.local, Some(ends.remote));
                drive_tcp(session, socket).await
            }
        };
        // The limit was asked before accepting; two listeners may still race for the last place, and then the peer is let go.
        if let Err(error) = self.registry.open_session(Session::Tcp(session), None, Body::Connected(ends), run, || ()) {
            tracing::warn!(%listener, peer = %ends.remote, %error, "an accepted connection was let go");
        }
    }

    /// Closes a listener, with its sessions where asked. Its port is free when this is over.
    ///
    /// # Errors
    /// LISTENER_NOT_FOUND.
    pub async fn unlisten(&self, caller: &Caller, spec: &UnlistenSpec) -> Result<Unlistened, Error> {
        let listener = self.registry.listener(&caller.namespace, &spec.listener_id)?;
        listener.stop();
        // Only then has it accepted its last session.
        listener.closed().await;
        let sessions = if spec.close_sessions { self.registry.sessions_of(&listener) } else { Vec::new() };
        for session in &sessions {
            session.core().request_close(Close::Graceful(CloseReason::ByRequest));
        }
        Ok(Unlistened { sessions_closing: sessions.len() })
    }
}
