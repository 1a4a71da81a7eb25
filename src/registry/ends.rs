//! How a session or listener leaves the registry: its place and its id are free before its last envelope is out.

use std::sync::Arc;

use super::{Registry, Session};
use crate::{
    changes::Change,
    envelope::{Body, CloseReason},
    quota::Held,
    session::Listener,
};

/// Ends a session in Drop, so that not even a panic in its task leaves it behind.
pub(super) struct EndSession {
    pub registry: Arc<Registry>,
    pub session: Session,
    pub reason: CloseReason,
    /// What it takes of its owner's quota.
    pub place: Option<Held>,
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
        core.emit_last(Body::Disconnected { reason: self.reason, received: core.received(), sent: core.sent() });
        tracing::debug!(
            session = %core.id,
            identity = %core.owner.identity,
            namespace = %core.owner.namespace,
            reason = self.reason.as_str(),
            received = core.received(),
            sent = core.sent(),
            "session ended"
        );
    }
}

/// Ends a listener in Drop.
pub(super) struct EndListener {
    pub registry: Arc<Registry>,
    pub listener: Arc<Listener>,
    /// What it takes of its owner's quota.
    pub place: Option<Held>,
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
    }
}
