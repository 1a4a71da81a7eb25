//! The ends of sessions and listeners: out of the tables, then told to everybody. In Drop, so that not even a panic leaves one behind.

use std::sync::Arc;

use super::{Registry, Session};
use crate::{
    audit::{Event, Who},
    changes::Change,
    envelope::{Body, CloseReason},
    quota::Held,
    session::Listener,
};

pub(super) struct EndSession {
    pub(super) registry: Arc<Registry>,
    pub(super) session: Session,
    pub(super) reason: CloseReason,
    /// What it takes of its owner's quota.
    pub(super) place: Option<Held>,
}

impl Drop for EndSession {
    fn drop(&mut self) {
        let core = self.session.core();
        let mut tables = self.registry.write();
        let namespace = &*core.owner.namespace;
        if let Some((_, Some(request))) = tables.sessions.remove(&(namespace, core.id.as_str())) {
            tables.requests.remove(&(namespace, request.as_str()));
        }
        // Under the lock: see `sessions_and_traffic`.
        self.registry.metrics.sessions.ended(core.kind, self.reason, &self.session.traffic());
        drop(tables);
        drop(self.place.take());
        self.registry.changes.publish(|| Change::SessionRemoved(core.scoped_id()));
        core.taps.end(self.reason);
        let (received, sent) = (core.received(), core.sent());
        core.emit_last(Body::Disconnected { reason: self.reason, received, sent });
        self.record();
        if !core.span.is_disabled() {
            // As numbers that OpenTelemetry knows: it has no unsigned ones.
            let signed = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
            let reason = self.reason.as_label();
            tracing::record_all!(
                core.span,
                close_reason = reason,
                bytes_received = signed(received),
                bytes_sent = signed(sent)
            );
        }
        core.span.in_scope(|| tracing::debug!("session ended"));
    }
}

impl EndSession {
    fn record(&self) {
        let core = self.session.core();
        // A dial that failed was recorded as that.
        let was_open = match &self.session {
            Session::Tcp(tcp) => tcp.ends().is_some(),
            Session::Udp(_) => true,
        };
        if was_open {
            self.registry.audit.record(|| {
                let event = Event::SessionClosed {
                    session: core.id.as_str(),
                    kind: core.kind.as_str(),
                    reason: self.reason.as_label(),
                    bytes_received: core.received(),
                    bytes_sent: core.sent(),
                    seconds: core.age(),
                };
                (Some(Who { caller: &core.owner, peer: core.caller_address }), event)
            });
        }
    }
}

pub(super) struct EndListener {
    pub(super) registry: Arc<Registry>,
    pub(super) listener: Arc<Listener>,
    /// What it takes of its owner's quota.
    pub(super) place: Option<Held>,
}

impl Drop for EndListener {
    fn drop(&mut self) {
        let mut tables = self.registry.write();
        let namespace = &*self.listener.owner.namespace;
        if let Some((_, Some(request))) = tables.listeners.remove(&(namespace, self.listener.id.as_str())) {
            tables.requests.remove(&(namespace, request.as_str()));
        }
        drop(tables);
        drop(self.place.take());
        self.registry.changes.publish(|| Change::ListenerRemoved(self.listener.scoped_id()));
        self.listener.close();
        self.registry.audit.record(|| {
            let listener = &self.listener;
            let event = Event::ListenerClosed { listener: listener.id.as_str(), accepted: listener.accepted() };
            (Some(Who { caller: &listener.owner, peer: None }), event)
        });
    }
}
