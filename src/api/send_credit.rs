//! The credit that the sends of one Attach stream are under, session by session.
//!
//! Only the task that reads the stream's commands takes credit, so it alone keeps the table and looks a session up once a command.
//! Credit comes back from wherever a send ends.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use hashbrown::HashMap;

/// Sessions whose credit is remembered before it is looked which of them have ended.
const BEFORE_PRUNING: usize = 64;

/// What the sends of one session hold on one stream.
#[derive(Default)]
pub(super) struct SendCredit {
    /// The session's id.
    pub(super) session: String,
    /// Bytes of sends that are not over.
    outstanding: AtomicUsize,
    /// Bytes of sends that are over since the stream began.
    over: AtomicU64,
    /// What was last told of that.
    told: AtomicU64,
    /// Somebody is about to tell more.
    to_tell: AtomicBool,
    /// Its session has ended.
    ended: AtomicBool,
}

impl SendCredit {
    /// Takes credit for a send; false where there is none left.
    pub(super) fn take(&self, bytes: usize, most: usize) -> bool {
        let granted = self.outstanding.load(Ordering::Relaxed) + bytes <= most;
        if granted {
            self.outstanding.fetch_add(bytes, Ordering::Relaxed);
        }
        granted
    }

    /// Gives a send's credit back. True: so much has come back, half of `most`, that the caller has to see to it that it is told;
    /// once until it is, so that a client that reads nothing does not pile up news of its credit.
    pub(super) fn give_back(&self, bytes: usize, most: usize) -> bool {
        self.outstanding.fetch_sub(bytes, Ordering::Relaxed);
        let over = self.over.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        let untold = over.saturating_sub(self.told.load(Ordering::Relaxed));
        untold >= (most / 2) as u64 && !self.to_tell.swap(true, Ordering::AcqRel)
    }

    /// Up to which position of the stream's sends on this session it may send: is told now.
    pub(super) fn tell(&self, most: usize) -> u64 {
        // What is given back before the next `true` of `give_back` is seen here.
        self.to_tell.swap(false, Ordering::AcqRel);
        let over = self.over.load(Ordering::Relaxed);
        self.told.store(over, Ordering::Relaxed);
        over + most as u64
    }

    /// The session has ended: its id may come again, and begins anew then.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    fn is_held(&self) -> bool {
        self.outstanding.load(Ordering::Relaxed) > 0
    }
}

/// The credits of one stream. Its ids are all of one caller, so nobody but who picks them is slowed by ids that collide: the table's
/// hash may be a quick one.
#[derive(Default)]
pub(super) struct SendCredits {
    by_session: HashMap<String, Arc<SendCredit>>,
    /// At so many, those of sessions that have ended are forgotten.
    prune_at: usize,
}

impl SendCredits {
    /// The credit of a session; `lives` tells which sessions may still give theirs back.
    pub(super) fn of(&mut self, session: &str, lives: impl Fn(&str) -> bool) -> &Arc<SendCredit> {
        if self.by_session.len() >= self.prune_at {
            self.by_session.retain(|id, credit| credit.is_held() || lives(id));
            self.prune_at = (2 * self.by_session.len()).max(BEFORE_PRUNING);
        }
        let credit = self.by_session.entry_ref(session).or_insert_with(|| begin(session));
        if credit.ended.load(Ordering::Relaxed) && !credit.is_held() {
            *credit = begin(session);
        }
        credit
    }
}

fn begin(session: &str) -> Arc<SendCredit> {
    Arc::new(SendCredit { session: session.to_owned(), ..SendCredit::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_ends_and_comes_back_and_is_told_by_halves() {
        let credit = SendCredit::default();
        assert!(credit.take(60, 100) && credit.take(40, 100));
        assert!(!credit.take(1, 100), "none is left");
        assert!(!credit.give_back(40, 100), "less than half");
        assert!(credit.take(40, 100));
        assert!(credit.give_back(60, 100));
        assert!(credit.take(60, 100) && !credit.give_back(60, 100), "it is about to be told anyway");
        assert_eq!(credit.tell(100), 260);
        assert!(!credit.give_back(40, 100), "less than half since");
        assert!(credit.take(10, 100) && credit.give_back(10, 100));
        assert_eq!(credit.tell(100), 310);
    }

    #[test]
    fn the_id_of_an_ended_session_begins_anew_once_nothing_is_held() {
        let mut credits = SendCredits::default();
        let first = Arc::clone(credits.of("one", |_| true));
        assert!(first.take(10, 10));
        first.end();
        assert!(Arc::ptr_eq(credits.of("one", |_| true), &first), "some of it is to come back");
        first.give_back(10, 10);
        assert!(!Arc::ptr_eq(credits.of("one", |_| true), &first));
    }

    #[test]
    fn credits_of_sessions_that_are_gone_are_forgotten() {
        let mut credits = SendCredits::default();
        for session in 0..10 * BEFORE_PRUNING {
            credits.of(&session.to_string(), |id| id == "0");
        }
        assert!(credits.by_session.len() <= BEFORE_PRUNING + 1);
        assert!(credits.by_session.contains_key("0"), "it lives");
    }
}
