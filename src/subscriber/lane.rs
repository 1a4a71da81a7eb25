//! A session's (or listener's) way into one subscriber's backlog.

use std::sync::Arc;

use tokio::sync::Notify;

use super::{LaneKey, Subscriber};
use crate::envelope::Envelope;

/// A handle of one lane. The lane lives until its last handle is dropped and everything in it is delivered.
pub struct Lane {
    subscriber: Arc<Subscriber>,
    index: usize,
}

impl Lane {
    pub(super) fn open(subscriber: &Arc<Subscriber>, key: LaneKey) -> Self {
        let index = subscriber.lock().open_lane(key);
        Self { subscriber: Arc::clone(subscriber), index }
    }

    /// Whose backlog it leads to.
    pub fn subscriber(&self) -> &Arc<Subscriber> {
        &self.subscriber
    }

    /// How many bytes the session may read now. 0: none; `notify` is signalled when that changes.
    pub fn read_budget(&self, notify: &Arc<Notify>) -> usize {
        self.subscriber.lock().read_budget(self.index, notify)
    }

    /// Whether its session must not read now.
    pub fn is_paused(&self) -> bool {
        self.subscriber.lock().is_paused(self.index)
    }

    /// The session's data goes elsewhere from now on: it does not wait for this lane's credit any more.
    pub fn stop_waiting(&self) {
        self.subscriber.lock().stop_waiting(self.index);
    }

    /// Adds TCP data: in order, never dropped.
    pub fn push_data(&self, envelopes: impl Iterator<Item = Envelope>) {
        let mut backlog = self.subscriber.lock();
        for envelope in envelopes {
            backlog.push_data(self.index, envelope);
        }
        let wakes = backlog.wake_streams();
        drop(backlog);
        wakes.wake();
    }

    /// Takes back the data that no stream has taken yet.
    pub fn take_back(&self) -> Vec<Envelope> {
        self.subscriber.lock().take_back(self.index)
    }

    /// Adds datagrams, each with how many the kernel dropped just before it. Where there is no room the oldest of this lane go, or they
    /// go themselves. Returns how many were dropped here.
    pub fn push_datagrams(&self, envelopes: impl Iterator<Item = Envelope>) -> u64 {
        let mut backlog = self.subscriber.lock();
        let dropped = envelopes.map(|envelope| backlog.push_datagram(self.index, envelope)).sum();
        let wakes = backlog.wake_streams();
        drop(backlog);
        wakes.wake();
        dropped
    }

    /// Counts datagrams that a quota kept from coming here; the next one delivered says so.
    pub fn count_refused(&self, datagrams: u64) {
        self.subscriber.lock().count_refused(self.index, datagrams);
    }

    /// Adds a lifecycle event: never dropped. Their number is bounded because each session and listener emits only a few, and
    /// nothing new is opened for a subscriber that `is_overdue`.
    pub fn push_event(&self, envelope: Envelope) {
        let mut backlog = self.subscriber.lock();
        backlog.push_event(self.index, envelope);
        let wakes = backlog.wake_streams();
        drop(backlog);
        wakes.wake();
    }

    /// Adds a report (an error its caller has as an answer, a `sent`, a repeated `timeout`): dropped and counted where too many
    /// wait.
    pub fn push_report(&self, envelope: Envelope) {
        let mut backlog = self.subscriber.lock();
        backlog.push_report(self.index, envelope);
        let wakes = backlog.wake_streams();
        drop(backlog);
        wakes.wake();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.subscriber.lock().close_lane(self.index);
    }
}
