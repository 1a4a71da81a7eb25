//! Tap: an operator looks at what a session moves.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::Gateway;
use crate::{
    audit::{Audit, Event, Who, peer},
    error::{Error, Reason},
    identity::{Caller, Role},
    quota::Held,
    registry::Session,
    session::{TapQueue, Tapped},
};

/// What to look at.
#[derive(Clone, Debug)]
pub struct TapSpec {
    /// The session.
    pub session_id: String,
    /// The longest record; longer pieces become several.
    pub record_bytes: usize,
}

/// A tap under way; it ends when this is dropped.
pub struct Tap {
    session: Session,
    queue: Arc<TapQueue>,
    caller: Arc<Caller>,
    caller_address: Option<std::net::SocketAddr>,
    audit: Arc<Audit>,
    records: u64,
    bytes: u64,
    _held: Held,
}

impl Gateway {
    /// Begins to look at a session, from now on.
    ///
    /// # Errors
    /// ROLE_DENIED where the caller is no operator; SESSION_NOT_FOUND, LIMIT_REACHED, SHUTTING_DOWN.
    pub fn tap(&self, caller: &Arc<Caller>, spec: &TapSpec) -> Result<Tap, Error> {
        if caller.role != Role::Operator {
            return Err(Error::new(Reason::RoleDenied, "only operators may look at what a session moves"));
        }
        if self.registry.is_draining() {
            return Err(Error::shutting_down());
        }
        let session = self.registry.session(&caller.namespace, &spec.session_id)?;
        let limits = self.limits.keep();
        let held = self.tapping.take(limits.taps).ok_or_else(|| {
            Error::limit("taps", limits.taps, "there are as many taps as there may be; end another first")
        })?;
        let queue = Arc::new(TapQueue::new(spec.record_bytes, limits.tap_queue_bytes, Arc::clone(&self.metrics)));
        let core = session.core();
        self.metrics.taps.begun.increment();
        self.audit.record(|| {
            let event = Event::TapStarted { session: core.id.as_str(), owner: &core.owner.identity };
            (Some(Who::calls(caller)), event)
        });
        tracing::info!(
            session = %core.id, identity = %core.owner.identity, namespace = %core.owner.namespace, by = %caller.identity,
            "tapped"
        );
        core.taps.add(&queue);
        Ok(Tap {
            queue,
            caller: Arc::clone(caller),
            caller_address: peer(),
            audit: Arc::clone(&self.audit),
            records: 0,
            bytes: 0,
            session,
            _held: held,
        })
    }
}

impl Tap {
    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What waits, up to about this many bytes.
    pub fn poll(&mut self, most: usize, cx: &Context<'_>) -> Poll<Tapped> {
        let tapped = self.queue.poll(most, cx);
        if let Poll::Ready(Tapped::Records(records)) = &tapped {
            self.records += records.len() as u64;
            self.bytes += records.iter().map(|record| record.bytes.len() as u64).sum::<u64>();
        }
        tapped
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let core = self.session.core();
        core.taps.remove(&self.queue);
        self.audit.record(|| {
            let event = Event::TapEnded { session: core.id.as_str(), records: self.records, bytes: self.bytes };
            (Some(Who { caller: &self.caller, peer: self.caller_address }), event)
        });
    }
}
