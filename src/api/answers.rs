//! Answers on an Attach stream on their way down, and the credit that its sends hold.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
};

use super::{
    proto::{self, answer},
    render,
};
use crate::error::Error;

/// Answers that wait for the reader's pause at the most: commands that come together are answered together.
const ANSWERS_BEFORE_WAKING: usize = 64;

/// Answers in one message.
const ANSWERS_PER_MESSAGE: usize = 512;

/// Sessions whose credit is remembered before it is looked which of them have ended.
const CREDITS_BEFORE_PRUNING: usize = 64;

/// Answers on their way down, and what the sends of this stream hold.
#[derive(Default)]
pub(super) struct Answers {
    pending: Mutex<Pending>,
    /// Commands whose answer is not on the stream yet.
    open: AtomicUsize,
}

#[derive(Default)]
pub(super) struct Pending {
    ready: VecDeque<proto::Answer>,
    /// Sessions whose next answer is not known yet.
    waiting: HashMap<String, InOrder>,
    credits: HashMap<String, Credit>,
    /// At so many, those of sessions that have ended are forgotten.
    prune_at: usize,
    renewed: Vec<String>,
    pub(super) waker: Option<Waker>,
    pub(super) ended: Option<Error>,
}

/// The answers of one session, in the order of its commands; the first of them is not known yet.
#[derive(Default)]
struct InOrder {
    first: u64,
    places: VecDeque<Option<proto::Answer>>,
}

impl InOrder {
    fn add(&mut self, answer: Option<proto::Answer>) -> u64 {
        self.places.push_back(answer);
        self.first + self.places.len() as u64 - 1
    }
}

#[derive(Default)]
struct Credit {
    /// Bytes of unanswered sends.
    outstanding: usize,
    /// Bytes answered since the stream began.
    answered: u64,
    /// What was last told.
    told: u64,
}

impl Answers {
    pub(super) fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a command; where too many answers are unread, it and the stream end with this error.
    pub(super) fn admit(&self, most: usize) -> bool {
        if self.open.fetch_add(1, Ordering::Relaxed) < most {
            return true;
        }
        self.open.fetch_sub(1, Ordering::Relaxed);
        let sentence = "this stream has as many unread answers as it may: read them while sending";
        let mut pending = self.lock();
        pending.ended = Some(Error::limit("attach_commands", most, sentence));
        wake(pending);
        false
    }

    /// A command that is not answered was obeyed.
    pub(super) fn close_unanswered(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Answers a command, after the earlier ones of its session. The stream is told by `flush`, or when many answers wait.
    pub(super) fn push(&self, session: &str, correlation_id: u64, result: Result<answer::Result, Error>) {
        let answer = rendered(correlation_id, result);
        let mut pending = self.lock();
        pending.push(session, answer);
        if pending.ready.len() >= ANSWERS_BEFORE_WAKING {
            wake(pending);
        }
    }

    /// Lets the stream have what is ready.
    pub(super) fn flush(&self) {
        let pending = self.lock();
        if !pending.ready.is_empty() {
            wake(pending);
        }
    }

    /// Answers a send that was written at once, and returns its credit.
    pub(super) fn push_sent(
        &self,
        session: &str,
        correlation_id: u64,
        result: Result<answer::Result, Error>,
        credit: Returned,
    ) {
        let answer = rendered(correlation_id, result);
        let mut pending = self.lock();
        pending.return_credit(session, credit);
        pending.push(session, answer);
        if pending.ready.len() >= ANSWERS_BEFORE_WAKING {
            wake(pending);
        }
    }

    /// Keeps the place of an answer that is not known yet.
    pub(super) fn keep_place(&self, session: &str) -> u64 {
        self.lock().waiting.entry(session.to_owned()).or_default().add(None)
    }

    /// Puts an answer in its place; those behind it that waited for it go with it.
    pub(super) fn fill(
        &self,
        session: &str,
        place: u64,
        correlation_id: u64,
        result: Result<answer::Result, Error>,
        credit: Returned,
    ) {
        let answer = rendered(correlation_id, result);
        let mut guard = self.lock();
        let pending = &mut *guard;
        pending.return_credit(session, credit);
        let Some(in_order) = pending.waiting.get_mut(session) else { return };
        if let Some(kept) = in_order.places.get_mut((place - in_order.first) as usize) {
            *kept = Some(answer);
        }
        while let Some(Some(_)) = in_order.places.front() {
            pending.ready.extend(in_order.places.pop_front().flatten());
            in_order.first += 1;
        }
        if in_order.places.is_empty() {
            pending.waiting.remove(session);
        }
        wake(guard);
    }

    /// Takes credit for a send; false where it has none left. `lives` tells which sessions may still return theirs.
    pub(super) fn take_credit(&self, session: &str, bytes: usize, most: usize, lives: impl Fn(&str) -> bool) -> bool {
        let mut pending = self.lock();
        if pending.credits.len() >= pending.prune_at {
            pending.credits.retain(|id, credit| credit.outstanding > 0 || lives(id));
            pending.prune_at = (2 * pending.credits.len()).max(CREDITS_BEFORE_PRUNING);
        }
        let credit = match pending.credits.get_mut(session) {
            Some(credit) => credit,
            None => pending.credits.entry(session.to_owned()).or_default(),
        };
        let granted = credit.outstanding + bytes <= most;
        credit.outstanding += if granted { bytes } else { 0 };
        granted
    }

    /// Puts what is ready into a message; false where nothing is.
    pub(super) fn take(&self, pending: &mut Pending, most_credit: usize, response: &mut proto::AttachResponse) -> bool {
        let count = pending.take(most_credit, response);
        self.open.fetch_sub(count, Ordering::Relaxed);
        !response.answers.is_empty() || !response.credits.is_empty()
    }
}

/// The credit of a send that is over.
#[derive(Clone, Copy)]
pub(super) struct Returned {
    /// What it took.
    pub(super) bytes: usize,
    /// What its session may take.
    pub(super) most: usize,
    /// Whether the session has ended.
    pub(super) ended: bool,
}

impl Pending {
    fn push(&mut self, session: &str, answer: proto::Answer) {
        match self.waiting.get_mut(session) {
            Some(in_order) => {
                in_order.add(Some(answer));
            }
            None => self.ready.push_back(answer),
        }
    }

    /// Credit is told once half of it is used; with the last answer of a session that has ended it is forgotten, for the id may be
    /// used again.
    fn return_credit(&mut self, session: &str, Returned { bytes, most, ended }: Returned) {
        let Some(credit) = self.credits.get_mut(session) else { return };
        credit.outstanding -= bytes;
        credit.answered += bytes as u64;
        if ended && credit.outstanding == 0 {
            self.credits.remove(session);
        } else if credit.answered - credit.told >= (most / 2) as u64 {
            credit.told = credit.answered;
            self.renewed.push(session.to_owned());
        }
    }

    fn take(&mut self, most_credit: usize, response: &mut proto::AttachResponse) -> usize {
        let count = self.ready.len().min(ANSWERS_PER_MESSAGE);
        response.answers.extend(self.ready.drain(..count));
        for session_id in std::mem::take(&mut self.renewed) {
            if let Some(told) = self.credits.get(&session_id).map(|credit| credit.told) {
                response.credits.push(proto::SendCredit { session_id, send_limit: told + most_credit as u64 });
            }
        }
        count
    }
}

fn rendered(correlation_id: u64, result: Result<answer::Result, Error>) -> proto::Answer {
    let result = result.unwrap_or_else(|error| answer::Result::Error(render::command_error(&error)));
    proto::Answer { correlation_id, result: Some(result) }
}

fn wake(mut pending: MutexGuard<'_, Pending>) {
    let waker = pending.waker.take();
    drop(pending);
    if let Some(waker) = waker {
        waker.wake();
    }
}
