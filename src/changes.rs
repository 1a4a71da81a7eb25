//! What changed, for those who watch: sessions, listeners and subscribers by id. A watcher looks up what it wants to show.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::{
    envelope::{ListenerId, SessionId},
    identity::Scoped,
};

/// Changes a watcher may lag behind before it is given a fresh snapshot instead.
const LAG: usize = 4096;

/// One change.
#[derive(Clone, Debug)]
pub enum Change {
    /// A session was opened.
    SessionAdded(Scoped<SessionId>),
    /// A session's state or claim changed.
    SessionChanged(Scoped<SessionId>),
    /// A session has ended.
    SessionRemoved(Scoped<SessionId>),
    /// A listener was opened.
    ListenerAdded(Scoped<ListenerId>),
    /// A listener has ended.
    ListenerRemoved(Scoped<ListenerId>),
    /// A subscriber came into being.
    SubscriberAdded(Scoped<Arc<str>>),
    /// A subscriber was removed.
    SubscriberRemoved(Scoped<Arc<str>>),
}

impl Change {
    /// Whose it is.
    pub fn namespace(&self) -> &str {
        match self {
            Self::SessionAdded(id) | Self::SessionChanged(id) | Self::SessionRemoved(id) => &id.namespace,
            Self::ListenerAdded(id) | Self::ListenerRemoved(id) => &id.namespace,
            Self::SubscriberAdded(name) | Self::SubscriberRemoved(name) => &name.namespace,
        }
    }
}

/// Where changes are told.
pub struct Changes(broadcast::Sender<Change>);

impl Changes {
    /// Nobody watches yet.
    pub fn new() -> Self {
        Self(broadcast::Sender::new(LAG))
    }

    /// Tells a change; costs nothing while nobody watches.
    pub fn publish(&self, change: impl FnOnce() -> Change) {
        if self.0.receiver_count() > 0 {
            // The last watcher may leave in between.
            let _ = self.0.send(change());
        }
    }

    /// Watches from now on.
    pub fn watch(&self) -> broadcast::Receiver<Change> {
        self.0.subscribe()
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.0.receiver_count()
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self::new()
    }
}
