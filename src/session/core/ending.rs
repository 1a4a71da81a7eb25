//! The way out of a session: who asked for its close, how, and how long it may take. The task that owns the socket obeys.

use std::{
    sync::{MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use super::Core;
use crate::envelope::CloseReason;

/// A close that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// FIN once what is queued is written.
    Graceful(CloseReason),
    /// RST at once.
    Abort(CloseReason),
}

/// How far the session is on its way out.
#[derive(Default)]
pub(super) struct Ending {
    pub(super) request: Option<Close>,
    /// How long a graceful close may take, where its caller said so.
    patience: Option<Duration>,
    /// `disconnected` is emitted: nothing may come after it.
    pub(super) ended: bool,
}

impl Core {
    /// Asks for a close. An abort overrides a graceful close; otherwise the first wish counts.
    pub fn request_close(&self, wish: Close) {
        self.request_close_within(wish, None);
    }

    /// As `request_close`, and how long a graceful close may take.
    pub fn request_close_within(&self, wish: Close, patience: Option<Duration>) {
        let mut ending = self.ending();
        match (ending.request, wish) {
            (None, _) | (Some(Close::Graceful(_)), Close::Abort(_)) => {
                (ending.request, ending.patience) = (Some(wish), patience);
                self.closing.store(true, Ordering::Release);
            }
            _ => {}
        }
        drop(ending);
        self.changed();
        self.wake.notify_one();
    }

    /// Waits for a close to be asked for, while the session's task has nothing else to do.
    pub async fn close_requested(&self) -> CloseReason {
        loop {
            if let Some(Close::Graceful(reason) | Close::Abort(reason)) = self.close_request() {
                return reason;
            }
            self.wake.notified().await;
        }
    }

    /// The close asked for so far.
    pub fn close_request(&self) -> Option<Close> {
        if self.closing.load(Ordering::Acquire) { self.ending().request } else { None }
    }

    /// How long a graceful close may take, where its caller said so.
    pub(in crate::session) fn close_patience(&self) -> Option<Duration> {
        self.ending().patience
    }

    pub(super) fn ending(&self) -> MutexGuard<'_, Ending> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
