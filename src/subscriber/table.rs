//! The table of subscribers by namespace and name.

use std::{
    hash::RandomState,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hashbrown::HashMap;
use tokio::time::Instant;

use super::{Subscriber, brakes::Brakes};
use crate::{
    error::Error,
    identity::{Caller, Scoped},
    limits::{Limits, LiveLimits},
    metrics::Metrics,
    quota::{Held, Pressure, Usage},
};

/// By namespace and name.
type Table = HashMap<Scoped<Arc<str>>, Entry, RandomState>;

/// All subscribers. One comes into being when it is first named, and is removed (with what nobody fetched) when no stream,
/// session or listener has used it for `limits.subscriber_idle_timeout`.
pub struct Subscribers {
    limits: Arc<LiveLimits>,
    pressure: Arc<Pressure>,
    metrics: Arc<Metrics>,
    table: Mutex<Table>,
}

struct Entry {
    subscriber: Arc<Subscriber>,
    /// Since when only the table holds it, as the last sweep saw it.
    idle_since: Option<Instant>,
    _place: Option<Held>,
}

impl Subscribers {
    /// An empty table.
    pub fn new(limits: Arc<LiveLimits>, pressure: Arc<Pressure>, metrics: Arc<Metrics>) -> Self {
        Self { limits, pressure, metrics, table: Mutex::default() }
    }

    /// The subscriber of this name in the caller's namespace, made where there is none. The flag tells whether it is new.
    ///
    /// # Errors
    /// LIMIT_REACHED where `limits.subscribers` exist already.
    pub fn get_or_create(
        &self,
        caller: &Arc<Caller>,
        name: &str,
        usage: impl FnOnce() -> Option<Arc<Usage>>,
    ) -> Result<(Arc<Subscriber>, bool), Error> {
        let mut table = self.lock();
        if let Some(entry) = table.get(&(&*caller.namespace, name)) {
            return Ok((Arc::clone(&entry.subscriber), false));
        }
        let limits = self.limits.keep();
        if table.len() >= limits.subscribers {
            return Err(Error::global_limit(
                "subscribers",
                limits.subscribers,
                format!("there are {} subscribers already; use an existing name", limits.subscribers),
            ));
        }
        let usage = usage();
        let place = usage.as_ref().map(|usage| usage.subscriber()).transpose()?;
        let brakes = Brakes { all: Arc::clone(&self.pressure), own: usage };
        let subscriber = Arc::new(Subscriber::new(name.into(), Arc::clone(caller), &limits, &self.metrics, brakes));
        table.insert(
            subscriber.scoped_name(),
            Entry { subscriber: Arc::clone(&subscriber), idle_since: None, _place: place },
        );
        Ok((subscriber, true))
    }

    /// Whether the caller's namespace has one of this name.
    pub fn has(&self, caller: &Caller, name: &str) -> bool {
        self.lock().contains_key(&(&*caller.namespace, name))
    }

    /// All of them, in no order.
    pub fn all(&self) -> Vec<Arc<Subscriber>> {
        self.lock().values().map(|entry| Arc::clone(&entry.subscriber)).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts all of them under other limits.
    pub fn limit(&self, limits: &Arc<Limits>) {
        for subscriber in self.all() {
            subscriber.lock().limit(limits);
        }
    }

    /// Removes those that nothing uses any more; returns them.
    pub fn sweep(&self, now: Instant) -> Vec<Arc<Subscriber>> {
        let mut removed = Vec::new();
        let most_idle = self.limits.now().subscriber_idle_timeout;
        self.lock().retain(|_, entry| {
            // Lanes and streams hold the subscriber, and nobody can take hold of it while the table is locked.
            if Arc::strong_count(&entry.subscriber) > 1 {
                entry.idle_since = None;
                return true;
            }
            let since = *entry.idle_since.get_or_insert(now);
            let keep = now.duration_since(since) < most_idle;
            if !keep {
                removed.push(Arc::clone(&entry.subscriber));
            }
            keep
        });
        removed
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
