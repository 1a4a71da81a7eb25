//! What has arrived for one session, in order, until the application takes it.
//!
//! Data is acked when the application takes it, events when they are noted. What is not acked counts against the session's credit
//! in the gateway, so an inbox holds at most that credit, and a slow reader holds up nobody but its own peer.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Mutex as AsyncMutex, Notify};

use crate::{
    error::{Error, Failure},
    events::{Closed, Data, Ends, Event, Told, told},
    proto,
};

/// Events kept for `Session::next_event`; the oldest go first. A session has few of them, but for timeouts.
const EVENTS_KEPT: usize = 64;

/// Data and what is to be acked with it; None at an orderly end.
type Next = Result<Option<(Data, Option<u64>)>, Error>;

pub(crate) struct Inbox {
    pub(crate) id: String,
    state: Mutex<State>,
    changed: Notify,
    /// Held while a send takes its place in the stream: sends go out in the order of their calls.
    pub(crate) sending: AsyncMutex<()>,
}

#[derive(Default)]
pub(crate) struct State {
    data: VecDeque<(u64, Data)>,
    events: VecDeque<Event>,
    /// The highest sequence that came.
    received: u64,
    acked: u64,
    /// Nobody has accepted it yet: until then not even its `connected` is acked.
    unaccepted: bool,
    /// Nobody reads it any more.
    discarding: bool,
    pub(crate) ends: Option<Ends>,
    half_closed: bool,
    failure: Option<Box<Failure>>,
    pub(crate) closed: Option<Closed>,
    /// The gateway lost it, or this client gave up.
    pub(crate) lost: Option<Error>,
}

impl State {
    /// Up to where everything is taken; None where that has been acked.
    fn due(&mut self) -> Option<u64> {
        if self.unaccepted {
            return None;
        }
        let taken = self.data.front().map_or(self.received, |(sequence, _)| sequence - 1);
        (taken > self.acked).then(|| {
            self.acked = taken;
            taken
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.closed.is_some() || self.lost.is_some()
    }

    /// The next data, the end (None), or why there is no more; nothing where it is not known yet.
    fn next(&mut self) -> Option<Next> {
        if let Some((_, data)) = self.data.pop_front() {
            let due = self.due();
            return Some(Ok(Some((data, due))));
        }
        match (&self.closed, &self.lost) {
            (Some(closed), _) if closed.is_orderly() => Some(Ok(None)),
            (Some(closed), _) => Some(Err(Error::Closed(closed.clone()))),
            (None, Some(lost)) => Some(Err(lost.clone())),
            (None, None) => self.half_closed.then_some(Ok(None)),
        }
    }
}

impl Inbox {
    pub(crate) fn new(id: String) -> Self {
        Self { id, state: Mutex::default(), changed: Notify::new(), sending: AsyncMutex::new(()) }
    }

    pub(crate) fn unaccepted(id: String) -> Self {
        let inbox = Self::new(id);
        inbox.lock().unaccepted = true;
        inbox
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an envelope in. Returns what is to be acked.
    pub(crate) fn deliver(&self, envelope: proto::Envelope) -> Option<u64> {
        let mut state = self.lock();
        let sequence = envelope.sequence;
        if sequence <= state.received {
            // A resumed stream delivers again what was not acked; an ack that was lost is repeated.
            return Some(state.acked).filter(|acked| *acked >= sequence);
        }
        state.received = sequence;
        match told(envelope) {
            Told::Data(data) if !state.discarding => state.data.push_back((sequence, data)),
            Told::Event(event) => state.note(event),
            Told::Data(_) | Told::Nothing => {}
        }
        let due = state.due();
        drop(state);
        self.changed.notify_waiters();
        due
    }

    /// The gateway lost the session, or this client gives up.
    pub(crate) fn lose(&self, why: &Error) {
        let mut state = self.lock();
        if state.closed.is_none() {
            state.lost.get_or_insert_with(|| why.clone());
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Somebody accepted it. Returns what is to be acked.
    pub(crate) fn accept(&self) -> Option<u64> {
        let mut state = self.lock();
        state.unaccepted = false;
        state.due()
    }

    /// Nobody reads it any more. Returns what is to be acked.
    pub(crate) fn discard(&self) -> Option<u64> {
        let mut state = self.lock();
        state.discarding = true;
        state.unaccepted = false;
        state.data.clear();
        state.due()
    }

    /// Waits until `look` has an answer. Dropping the future takes nothing.
    async fn until<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = look(&mut self.lock()) {
                return found;
            }
            changed.await;
        }
    }

    /// The next data and what is to be acked with it; None at an orderly end.
    pub(crate) async fn next(&self) -> Next {
        self.until(State::next).await
    }

    /// The next event; None after the last.
    pub(crate) async fn next_event(&self) -> Result<Option<Event>, Error> {
        self.until(|state| match (state.events.pop_front(), &state.lost) {
            (Some(event), _) => Some(Ok(Some(event))),
            (None, Some(lost)) => Some(Err(lost.clone())),
            (None, None) => state.closed.is_some().then_some(Ok(None)),
        })
        .await
    }

    /// How it ended.
    pub(crate) async fn closed(&self) -> Result<Closed, Error> {
        self.until(|state| match (&state.closed, &state.lost) {
            (Some(closed), _) => Some(Ok(closed.clone())),
            (None, Some(lost)) => Some(Err(lost.clone())),
            (None, None) => None,
        })
        .await
    }

    /// Its ends, once it is connected.
    pub(crate) async fn connected(&self) -> Result<Ends, Error> {
        self.until(|state| match (state.ends, &state.closed, &state.lost) {
            (Some(ends), ..) => Some(Ok(ends)),
            (None, Some(Closed { failure: Some(failure), .. }), _) => Some(Err(Error::Gateway(failure.clone()))),
            (None, Some(closed), _) => Some(Err(Error::Closed(closed.clone()))),
            (None, None, Some(lost)) => Some(Err(lost.clone())),
            (None, None, None) => None,
        })
        .await
    }
}

impl State {
    fn note(&mut self, mut event: Event) {
        match &mut event {
            Event::Connected(ends) => self.ends = Some(*ends),
            Event::HalfClosed => self.half_closed = true,
            Event::Failed(failure) => self.failure = Some(Box::new(failure.clone())),
            Event::Disconnected(closed) => {
                closed.failure = self.failure.take();
                self.closed = Some(closed.clone());
            }
            _ => {}
        }
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Data as ProtoData, Envelope, Event as Happened, data::Payload, envelope::Detail};

    fn data(sequence: u64, text: &'static str) -> Envelope {
        let payload = Some(Payload::Bytes(text.into()));
        let detail = Some(Detail::Data(ProtoData { payload, ..Default::default() }));
        Envelope { sequence, event: Happened::Data.into(), detail, ..Default::default() }
    }

    fn event(sequence: u64, event: Happened) -> Envelope {
        Envelope { sequence, event: event.into(), ..Default::default() }
    }

    #[tokio::test]
    async fn data_is_acked_when_it_is_taken_and_events_with_what_came_before_them() {
        let inbox = Inbox::new("s".into());
        assert_eq!(inbox.deliver(event(3, Happened::Connecting)), Some(3));
        assert_eq!(inbox.deliver(data(4, "a")), None);
        assert_eq!(inbox.deliver(event(6, Happened::HalfClosed)), None);
        let (taken, due) = inbox.next().await.expect("goes on").expect("data");
        assert_eq!((taken, due), (Data::Chunk("a".into()), Some(6)));
    }

    #[tokio::test]
    async fn what_comes_again_after_a_resume_is_not_given_twice_and_its_lost_ack_is_repeated() {
        let inbox = Inbox::new("s".into());
        inbox.deliver(data(1, "a"));
        inbox.deliver(data(2, "b"));
        assert_eq!(inbox.next().await.expect("goes on").expect("data").1, Some(1));
        assert_eq!(inbox.deliver(data(1, "a")), Some(1));
        assert_eq!(inbox.deliver(data(2, "b")), None);
        assert_eq!(inbox.next().await.expect("goes on").expect("data").0, Data::Chunk("b".into()));
    }

    #[test]
    fn a_session_that_nobody_accepted_is_not_acked() {
        let inbox = Inbox::unaccepted("s".into());
        assert_eq!(inbox.deliver(event(1, Happened::Connected)), None);
        assert_eq!(inbox.accept(), Some(1));
    }

    #[test]
    fn what_nobody_reads_any_more_is_acked_at_once() {
        let inbox = Inbox::new("s".into());
        inbox.deliver(data(1, "a"));
        assert_eq!(inbox.discard(), Some(1));
        assert_eq!(inbox.deliver(data(2, "b")), Some(2));
    }
}
