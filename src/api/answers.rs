//! Answers on an Attach stream on their way down, and news of the credit that its sends have back.
//!
//! A command without a correlation id is one that nobody waits for: it is answered only where it fails.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
};

use super::{
    proto::{self, answer},
    render,
    send_credit::SendCredit,
};
use crate::error::Error;

/// Answers that wait for the reader's pause at the most: commands that come together are answered together.
const ANSWERS_BEFORE_WAKING: usize = 64;

/// Answers in one message.
const ANSWERS_PER_MESSAGE: usize = 512;

/// Answers on their way down.
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
    /// Credits of which something is to be told.
    renewed: Vec<Arc<SendCredit>>,
    pub(super) waker: Option<Waker>,
    pub(super) ended: Option<Error>,
}

/// The answers of one session, in the order of its commands; the first of them is not known yet.
#[derive(Default)]
struct InOrder {
    first: u64,
    places: VecDeque<Place>,
}

enum Place {
    /// Of an answer that is not known yet.
    Open,
    Known(proto::Answer),
    /// Of a command that is not answered.
    Unanswered,
}

impl InOrder {
    fn add(&mut self, place: Place) -> u64 {
        self.places.push_back(place);
        self.first + self.places.len() as u64 - 1
    }
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
        let Some(answer) = rendered(correlation_id, result) else { return self.close_unanswered() };
        let mut pending = self.lock();
        match pending.waiting.get_mut(session) {
            Some(in_order) => {
                in_order.add(Place::Known(answer));
            }
            None => pending.ready.push_back(answer),
        }
        if pending.ready.len() >= ANSWERS_BEFORE_WAKING {
            wake(pending);
        }
    }

    /// Lets the stream have what is ready.
    pub(super) fn flush(&self) {
        let pending = self.lock();
        if !pending.ready.is_empty() || !pending.renewed.is_empty() {
            wake(pending);
        }
    }

    /// What this credit has back is to be told.
    pub(super) fn renew(&self, credit: &Arc<SendCredit>) {
        self.lock().renewed.push(Arc::clone(credit));
    }

    /// Keeps the place of an answer that is not known yet.
    pub(super) fn keep_place(&self, session: &str) -> u64 {
        self.lock().waiting.entry(session.to_owned()).or_default().add(Place::Open)
    }

    /// Puts an answer in its place; those behind it that waited for it go with it.
    pub(super) fn fill(&self, session: &str, place: u64, correlation_id: u64, result: Result<answer::Result, Error>) {
        let answer = rendered(correlation_id, result).map_or(Place::Unanswered, Place::Known);
        let mut guard = self.lock();
        let pending = &mut *guard;
        let Some(in_order) = pending.waiting.get_mut(session) else { return };
        if let Some(kept) = in_order.places.get_mut((place - in_order.first) as usize) {
            *kept = answer;
        }
        while let Some(Place::Known(_) | Place::Unanswered) = in_order.places.front() {
            in_order.first += 1;
            match in_order.places.pop_front() {
                Some(Place::Known(answer)) => pending.ready.push_back(answer),
                _ => self.close_unanswered(),
            }
        }
        if in_order.places.is_empty() {
            pending.waiting.remove(session);
        }
        wake(guard);
    }

    /// Puts what is ready into a message; false where nothing is.
    pub(super) fn take(&self, pending: &mut Pending, most_credit: usize, response: &mut proto::AttachResponse) -> bool {
        let count = pending.take(most_credit, response);
        self.open.fetch_sub(count, Ordering::Relaxed);
        !response.answers.is_empty() || !response.credits.is_empty()
    }
}

impl Pending {
    fn take(&mut self, most_credit: usize, response: &mut proto::AttachResponse) -> usize {
        let count = self.ready.len().min(ANSWERS_PER_MESSAGE);
        response.answers.extend(self.ready.drain(..count));
        response.credits.extend(self.renewed.drain(..).map(|credit| proto::SendCredit {
            session_id: credit.session.clone(),
            send_limit: credit.tell(most_credit),
        }));
        count
    }
}

/// None: nobody waits for it.
fn rendered(correlation_id: u64, result: Result<answer::Result, Error>) -> Option<proto::Answer> {
    let result = match result {
        Ok(_) if correlation_id == 0 => return None,
        Ok(result) => result,
        Err(error) => answer::Result::Error(render::command_error(&error)),
    };
    Some(proto::Answer { correlation_id, result: Some(result) })
}

fn wake(mut pending: MutexGuard<'_, Pending>) {
    let waker = pending.waker.take();
    drop(pending);
    if let Some(waker) = waker {
        waker.wake();
    }
}
