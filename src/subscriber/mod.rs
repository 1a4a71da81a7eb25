//! Named subscribers: what is on its way to a caller, and what keeps it bounded.
//!
//! A `Subscriber` owns one `Backlog` under one short lock that is never held across an await. Sessions put envelopes into it
//! through a `Lane` of their own, streams take them out through a `Subscription`. A session's reader never waits for a lock that
//! another session's data holds, only for its own credit: `Lane::read_budget` says how much it may read now, and its `Notify` is
//! signalled when that is more than nothing again.
//!
//! Invariants: envelopes of one lane leave in the order they came on each output; TCP data and lifecycle events are never dropped;
//! memory stays within `limits`; lanes and streams free themselves in Drop.

mod backlog;
mod brakes;
mod filter;
mod lane;
mod lane_state;
mod lanes;
mod log;
mod queue;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod unacked;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::SystemTime,
};

use tokio::time::Instant;
use uuid::Uuid;

use self::{backlog::Backlog, brakes::Brakes};
pub use self::{
    backlog::ResumePoint,
    filter::{Ack, Filter, LaneKey},
    lane::Lane,
    stream::{Batch, Gap, Start, Subscription},
    table::Subscribers,
};
use crate::{
    error::Error,
    identity::{Caller, Scoped},
    limits::Limits,
    metrics::Metrics,
    quota::Usage,
};

/// The name that stands for an empty one.
pub const DEFAULT_NAME: &str = "default";

/// A named receiver with two outputs.
pub struct Subscriber {
    name: Arc<str>,
    owner: Arc<Caller>,
    epoch: Arc<str>,
    backlog: Mutex<Backlog>,
}

/// What `ListSubscribers` shows.
#[derive(Clone, Debug)]
pub struct SubscriberView {
    /// Its name.
    pub name: Arc<str>,
    /// This life of it.
    pub epoch: Arc<str>,
    /// The sequence the next envelope will have.
    pub next_sequence: u64,
    /// Streams attached.
    pub streams: usize,
    /// Bytes undelivered or unacked, overhead included.
    pub backlog_bytes: usize,
    /// Envelopes undelivered or unacked.
    pub backlog_envelopes: usize,
    /// Sessions not being read.
    pub paused_sessions: usize,
    /// Datagrams and reports dropped so far.
    pub dropped: u64,
    /// Whether its streams acknowledge.
    pub acknowledged: bool,
}

impl Subscriber {
    fn new(name: Arc<str>, owner: Arc<Caller>, limits: &Arc<Limits>, metrics: &Arc<Metrics>, brakes: Brakes) -> Self {
        Self {
            name,
            owner,
            epoch: Uuid::new_v4().simple().to_string().into(),
            backlog: Mutex::new(Backlog::new(Arc::clone(limits), Arc::clone(metrics), brakes, Instant::now())),
        }
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Who named it first. All of its namespace may use it.
    pub fn owner(&self) -> &Arc<Caller> {
        &self.owner
    }

    /// Its name with its namespace.
    pub fn scoped_name(&self) -> Scoped<Arc<str>> {
        Scoped::new(&self.owner.namespace, Arc::clone(&self.name))
    }

    /// This life of it: a subscriber made anew under the same name has another.
    pub fn epoch(&self) -> &Arc<str> {
        &self.epoch
    }

    /// Opens a lane. A lane of the same key that is still being delivered is continued, so that a session id that is used again
    /// keeps its order.
    pub fn lane(self: &Arc<Self>, key: LaneKey) -> Lane {
        Lane::open(self, key)
    }

    /// Whether a stream is attached, and since when none is otherwise.
    pub fn attended(&self) -> Result<(), Instant> {
        self.lock().attended()
    }

    /// Whether its events are so far behind that nothing new should be opened for it.
    pub fn is_overdue(&self) -> bool {
        self.lock().events_full()
    }

    /// What it holds undelivered or unacked, and whose quota that counts for.
    pub fn held(&self) -> (usize, Option<Arc<Usage>>) {
        let backlog = self.lock();
        (backlog.lanes.bytes, backlog.lanes.brakes.own.clone())
    }

    /// Reading may go on: sessions that wait for credit look again.
    pub fn release(&self) {
        self.lock().lanes.signal_paused();
    }

    /// Acks envelopes; frees the credit they held.
    pub fn ack(&self, ack: &Ack) {
        self.lock().ack(ack);
    }

    /// Ends every stream: with what is in the backlog delivered first, where `after_backlog`.
    pub fn end_streams(&self, error: &Error, after_backlog: bool) {
        let wakes = self.lock().end_streams(error, after_backlog);
        wakes.wake();
    }

    /// Ends the streams that took nothing for the stall limit while the backlog is full. Returns how many.
    pub fn end_stalled(&self, now: Instant) -> usize {
        let (ended, wakes) = self.lock().end_stalled(now);
        wakes.wake();
        ended
    }

    /// What `ListSubscribers` shows.
    pub fn view(&self) -> SubscriberView {
        let (name, epoch) = (Arc::clone(&self.name), Arc::clone(&self.epoch));
        self.lock().view(name, epoch)
    }

    /// When its oldest envelope that is undelivered or unacked was emitted.
    pub fn oldest(&self) -> Option<SystemTime> {
        self.lock().oldest()
    }

    // A panic under this lock is a bug of ours in one call; the backlog's counters are adjusted together after the fallible part,
    // so going on is better than poisoning every session of the subscriber.
    fn lock(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Streams to wake once the lock is released.
#[must_use = "streams sleep until woken"]
#[derive(Default)]
struct Wakes(Option<Waker>, Vec<Waker>);

impl Wakes {
    fn add(&mut self, waker: Waker) {
        match &self.0 {
            None => self.0 = Some(waker),
            Some(_) => self.1.push(waker),
        }
    }

    fn wake(self) {
        if let Some(waker) = self.0 {
            waker.wake();
        }
        for waker in self.1 {
            waker.wake();
        }
    }
}
