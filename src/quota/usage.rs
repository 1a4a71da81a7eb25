//! What each identity uses, and whether it may have more.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;

use super::{Bucket, Count, Held, Load, Quota, Quotas};
use crate::{error::Error, identity::Caller};

/// What one identity uses.
pub struct Usage {
    identity: Arc<str>,
    quota: ArcSwap<Quota>,
    sessions: Count,
    listeners: Count,
    subscribers: Count,
    streams: Count,
    dialling: Count,
    dials: Bucket,
    /// Bytes from its peers.
    pub received: Bucket,
    /// Bytes to its peers.
    pub sent: Bucket,
    /// What waits in its subscribers.
    pub backlog: Load,
}

impl Usage {
    fn new(identity: Arc<str>, quota: Quota) -> Self {
        let second = || Bucket::new(Duration::from_secs(1));
        let usage = Self {
            identity,
            quota: ArcSwap::from_pointee(quota),
            sessions: Count::default(),
            listeners: Count::default(),
            subscribers: Count::default(),
            streams: Count::default(),
            dialling: Count::default(),
            dials: Bucket::new(Duration::from_secs(2)),
            received: second(),
            sent: second(),
            backlog: Load::default(),
        };
        usage.renew_rates();
        usage
    }

    /// Takes the place of a session.
    ///
    /// # Errors
    /// LIMIT_REACHED.
    pub fn session(&self) -> Result<Held, Error> {
        self.take(&self.sessions, self.quota.load().sessions, "quota.sessions", "sessions; end some first")
    }

    /// Whether another session may be opened.
    pub fn has_room(&self) -> bool {
        let most = self.quota.load().sessions;
        most == 0 || self.sessions.used() < most
    }

    /// Takes the place of a listener.
    ///
    /// # Errors
    /// LIMIT_REACHED.
    pub fn listener(&self) -> Result<Held, Error> {
        self.take(&self.listeners, self.quota.load().listeners, "quota.listeners", "listeners; end some first")
    }

    /// Takes the place of a subscriber.
    ///
    /// # Errors
    /// LIMIT_REACHED.
    pub fn subscriber(&self) -> Result<Held, Error> {
        let most = self.quota.load().subscribers;
        self.take(&self.subscribers, most, "quota.subscribers", "subscribers; use an existing name")
    }

    /// Takes the place of a stream.
    ///
    /// # Errors
    /// LIMIT_REACHED.
    pub fn stream(&self) -> Result<Held, Error> {
        self.take(&self.streams, self.quota.load().streams, "quota.streams", "streams; end some first")
    }

    /// Takes the place of a connection attempt.
    ///
    /// # Errors
    /// LIMIT_REACHED.
    pub fn dial(&self) -> Result<Held, Error> {
        let quota = self.quota.load();
        let place = self.take(
            &self.dialling,
            quota.pending_connects,
            "quota.pending_connects",
            "connections being made; try again",
        )?;
        self.dials.take(1).map_err(|wait| {
            self.reached("quota.dials_per_second", quota.dials_per_second, "connection attempts a second; try again")
                .with("retryAfter", humantime::format_duration(Duration::from_millis(wait.as_millis() as u64 + 1)))
        })?;
        Ok(place)
    }

    /// Takes the bytes of a datagram to be sent.
    ///
    /// # Errors
    /// LIMIT_REACHED.
    pub fn datagram(&self, bytes: usize) -> Result<(), Error> {
        self.sent.take(bytes).map_err(|_| {
            let most = self.quota.load().sent_bytes_per_second;
            self.reached("quota.sent_bytes_per_second", most, "bytes a second; send the datagram later")
        })
    }

    fn take(&self, count: &Count, most: usize, quota: &'static str, what: &str) -> Result<Held, Error> {
        let bound = if most == 0 { usize::MAX } else { most };
        count.take(bound).ok_or_else(|| self.reached(quota, most, what))
    }

    fn reached(&self, quota: &'static str, most: usize, what: &str) -> Error {
        let message = format!("\"{}\" has as many as it may ({quota} = {most}) {what}", self.identity);
        Error::limit(quota, most, message).with("scope", "identity")
    }

    /// What it may use.
    pub fn quota(&self) -> Quota {
        **self.quota.load()
    }

    fn limit(&self, quota: Quota) {
        self.quota.store(Arc::new(quota));
        self.renew_rates();
    }

    fn renew_rates(&self) {
        let quota = self.quota.load();
        self.dials.set_rate(quota.dials_per_second);
        self.received.set_rate(quota.received_bytes_per_second);
        self.sent.set_rate(quota.sent_bytes_per_second);
    }

    /// Whether nothing would be lost with it.
    fn is_unused(&self) -> bool {
        let counts = [&self.sessions, &self.listeners, &self.subscribers, &self.streams, &self.dialling];
        let buckets = [&self.dials, &self.received, &self.sent];
        counts.iter().all(|count| count.used() == 0) && buckets.iter().all(|bucket| bucket.is_full())
    }
}

/// What all identities use.
pub struct Usages {
    quotas: ArcSwap<Quotas>,
    table: Mutex<HashMap<Arc<str>, Arc<Usage>>>,
}

impl Usages {
    /// Nothing is used yet.
    pub fn new(quotas: impl Into<Quotas>) -> Self {
        Self { quotas: ArcSwap::from_pointee(quotas.into()), table: Mutex::default() }
    }

    /// What a caller uses; None where no quota applies.
    pub fn of(&self, caller: &Caller) -> Option<Arc<Usage>> {
        if !caller.has_quota() {
            return None;
        }
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(usage) = table.get(&*caller.identity) {
            return Some(Arc::clone(usage));
        }
        let quota = self.quotas.load().of(&caller.identity);
        let usage = Arc::new(Usage::new(Arc::clone(&caller.identity), quota));
        table.insert(Arc::clone(&caller.identity), Arc::clone(&usage));
        Some(usage)
    }

    /// Puts other quotas into force.
    pub fn replace(&self, quotas: impl Into<Quotas>) {
        let quotas = Arc::new(quotas.into());
        // Whoever is entered by now is given them here, and who comes later finds them.
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        self.quotas.store(Arc::clone(&quotas));
        for (identity, usage) in &*table {
            usage.limit(quotas.of(identity));
        }
    }

    /// Those of all identities that use something.
    pub fn all(&self) -> Vec<Arc<Usage>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect()
    }

    /// Forgets identities that use nothing any more.
    pub fn sweep(&self) {
        // Who takes something holds it, and nobody can take hold of it while the table is locked.
        let unused = |usage: &Arc<Usage>| Arc::strong_count(usage) == 1 && usage.is_unused();
        self.table.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, usage| !unused(usage));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Role;

    fn caller(identity: &str) -> Arc<Caller> {
        Arc::new(Caller { identity: identity.into(), namespace: "n".into(), role: Role::User })
    }

    #[tokio::test]
    async fn an_identity_reaches_its_own_quota_and_no_other_notices() {
        let usages = Usages::new(Quota { sessions: 1, dials_per_second: 1, ..Quota::default() });
        let usage = |name: &str| usages.of(&caller(name)).expect("a quota");
        let held = usage("a").session().expect("the first");
        let error = usage("a").session().map(drop).expect_err("the second");
        let metadata: HashMap<_, _> = error.metadata().iter().cloned().collect();
        let told = ["limit", "value", "scope"].map(|key| metadata[key].clone());
        assert_eq!(told, ["quota.sessions", "1", "identity"]);
        assert!(!usage("a").has_room() && usage("b").has_room());
        usage("b").session().map(drop).expect("its own first");
        drop(held);
        usage("a").session().map(drop).expect("the place is free again");
        let dials = (0..5).map(|_| usage("a").dial().map(drop)).take_while(Result::is_ok).count();
        assert_eq!(dials, 2, "twice the rate at once");
        usages.replace(Quota { dials_per_second: 0, ..Quota::default() });
        usage("a").dial().map(drop).expect("the bound is gone");
    }

    #[tokio::test]
    async fn an_identity_with_a_quota_of_its_own_is_held_to_that_alone() {
        let two = Quota { sessions: 2, ..Quota::default() };
        let own = HashMap::from([("small".into(), Quota { sessions: 1, ..two })]);
        let usages = Usages::new(Quotas { all: two, own });
        let most = |name: &str| {
            let usage = usages.of(&caller(name)).expect("a quota");
            (0..5).map_while(|_| usage.session().ok()).collect::<Vec<_>>().len()
        };
        assert_eq!((most("small"), most("other")), (1, 2));
        usages.replace(Quota { sessions: 3, ..Quota::default() });
        assert_eq!((most("small"), most("other")), (3, 3), "its own is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn identities_that_use_nothing_are_forgotten_but_not_what_they_owe() {
        let usages = Usages::new(Quota { sent_bytes_per_second: 10, ..Quota::default() });
        let held = usages.of(&caller("a")).expect("a quota").session();
        usages.of(&caller("b")).expect("a quota").sent.spend(25);
        usages.of(&caller("c")).expect("a quota");
        usages.sweep();
        assert_eq!(usages.all().len(), 2, "c is gone, a has a place, and b owes");
        drop(held);
        tokio::time::advance(Duration::from_secs(3)).await;
        usages.sweep();
        assert!(usages.all().is_empty());
        assert!(usages.of(&Caller::local()).is_none() && usages.of(&Caller::declared("n")).is_none());
    }
}
