//! Sessions that a listener accepted, until the application takes them.
//!
//! Their `connected` is not acked before: when too many wait, the gateway stops accepting.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{error::Error, inbox::Inbox};

#[derive(Default)]
pub(crate) struct Accepting {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Arc<Inbox>>,
    ended: Option<Error>,
}

impl Accepting {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, inbox: Arc<Inbox>) {
        self.lock().waiting.push_back(inbox);
        self.changed.notify_one();
    }

    pub(crate) fn close(&self) {
        self.lose(&Error::ListenerClosed);
    }

    pub(crate) fn lose(&self, why: &Error) {
        self.lock().ended.get_or_insert_with(|| why.clone());
        self.changed.notify_waiters();
        self.changed.notify_one();
    }

    /// The next session. Dropping the future takes none.
    pub(crate) async fn next(&self) -> Result<Arc<Inbox>, Error> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let mut state = self.lock();
                if let Some(inbox) = state.waiting.pop_front() {
                    // Another one may wait for what is left.
                    if !state.waiting.is_empty() || state.ended.is_some() {
                        self.changed.notify_one();
                    }
                    return Ok(inbox);
                }
                if let Some(ended) = state.ended.clone() {
                    self.changed.notify_one();
                    return Err(ended);
                }
            }
            changed.await;
        }
    }
}
