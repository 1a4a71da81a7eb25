//! What changed, for those who watch: sessions, listeners and subscribers by id. A watcher looks up what it wants to show.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::envelope::{ListenerId, SessionId};

/// Changes a watcher may lag behind before it is given a fresh snapshot instead.
const LAG: usize = 4096;

/// One change.
#[derive(Clone, Debug)]
pub enum Change {
    /// A session was opened.
    SessionAdded(SessionId),
    /// A session's state or claim changed.
    SessionChanged(SessionId),
    /// A session has ended.
    SessionRemoved(SessionId),
    /// A listener was opened.
    ListenerAdded(ListenerId),
    /// A listener has ended.
    ListenerRemoved(ListenerId),
    /// A subscriber came into being.
    SubscriberAdded(Arc<str>),
    /// A subscriber was removed.
    SubscriberRemoved(Arc<str>),
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
