//! The table of subscribers by name.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::Subscriber;
use crate::{error::Error, limits::Limits, metrics::Metrics};

/// All subscribers. One comes into being when it is first named, and is removed (with what nobody fetched) when no stream,
/// session or listener has used it for `limits.subscriber_idle_timeout`.
pub struct Subscribers {
    limits: Arc<Limits>,
    metrics: Arc<Metrics>,
    table: Mutex<HashMap<Arc<str>, Entry>>,
}

struct Entry {
    subscriber: Arc<Subscriber>,
    /// Since when only the table holds it, as the last sweep saw it.
    idle_since: Option<Instant>,
}

impl Subscribers {
    /// An empty table.
    pub fn new(limits: Arc<Limits>, metrics: Arc<Metrics>) -> Self {
        Self { limits, metrics, table: Mutex::new(HashMap::new()) }
    }

    /// The subscriber of this name, made where there is none. The flag tells whether it is new.
    ///
    /// # Errors
    /// LIMIT_REACHED where `limits.subscribers` exist already.
    pub fn get_or_create(&self, name: &str) -> Result<(Arc<Subscriber>, bool), Error> {
        let mut table = self.lock();
        if let Some(entry) = table.get(name) {
            return Ok((Arc::clone(&entry.subscriber), false));
        }
        if table.len() >= self.limits.subscribers {
            return Err(Error::limit(
                "subscribers",
                self.limits.subscribers,
                format!("there are {} subscribers already; use an existing name", self.limits.subscribers),
            ));
        }
        let name: Arc<str> = name.into();
        let subscriber = Arc::new(Subscriber::new(Arc::clone(&name), &self.limits, &self.metrics));
        table.insert(name, Entry { subscriber: Arc::clone(&subscriber), idle_since: None });
        Ok((subscriber, true))
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

    /// Removes those that nothing uses any more; returns them.
    pub fn sweep(&self, now: Instant) -> Vec<Arc<Subscriber>> {
        let mut removed = Vec::new();
        self.lock().retain(|_, entry| {
            // Lanes and streams hold the subscriber, and nobody can take hold of it while the table is locked.
            if Arc::strong_count(&entry.subscriber) > 1 {
                entry.idle_since = None;
                return true;
            }
            let since = *entry.idle_since.get_or_insert(now);
            let keep = now.duration_since(since) < self.limits.subscriber_idle_timeout;
            if !keep {
                removed.push(Arc::clone(&entry.subscriber));
            }
            keep
        });
        removed
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
