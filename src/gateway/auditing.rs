//! What is recorded of sessions that are opened.

use std::net::SocketAddr;

use crate::{
    audit::{Audit, Event, Who},
    session::Core,
};

/// A session is open; `asked` is where its caller wanted to go.
pub(super) fn session_opened(
    audit: &Audit,
    core: &Core,
    asked: Option<(&str, u16)>,
    local: SocketAddr,
    remote: Option<SocketAddr>,
) {
    if let Some(remote) = remote {
        core.span.record("remote", tracing::field::display(remote));
    }
    core.span.in_scope(|| tracing::debug!("session opened"));
    audit.record(|| {
        let event = Event::SessionOpened {
            session: core.id.as_str(),
            kind: core.kind.as_str(),
            subscriber: core.lifecycle().subscriber().name(),
            listener: core.listener.as_ref().map(|listener| listener.as_str()),
            host: asked.map(|(host, _)| host),
            port: asked.map(|(_, port)| port),
            local,
            remote,
        };
        (Some(Who { caller: &core.owner, peer: core.caller_address }), event)
    });
}
