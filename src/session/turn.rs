//! The turn: the exclusive right to one request and its answer on a session, first come, first served.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// The turn of one session.
#[derive(Default)]
pub(super) struct Turn(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    held: bool,
    closed: bool,
    queue: VecDeque<oneshot::Sender<TurnGuard>>,
}

/// Holds the turn; passes it on in Drop, to the first waiter that is still there.
pub(super) struct TurnGuard(Option<Arc<Turn>>);

/// What asking for the turn gave.
pub(super) enum Asked {
    Granted(TurnGuard),
    /// Dropping the receiver gives the place up. It fails when the session ends.
    Queued(oneshot::Receiver<TurnGuard>),
    /// As many wait as may.
    Full,
}

impl Turn {
    /// Whether nobody holds it: then nobody waits for it either.
    pub(super) fn is_free(&self) -> bool {
        !self.lock().held
    }

    pub(super) fn waiters(&self) -> usize {
        self.lock().queue.iter().filter(|waiter| !waiter.is_closed()).count()
    }

    pub(super) fn ask(self: &Arc<Self>, most: usize) -> Asked {
        let mut waiting = self.lock();
        if !waiting.held {
            waiting.held = true;
            return Asked::Granted(TurnGuard(Some(Arc::clone(self))));
        }
        if waiting.queue.len() >= most {
            waiting.queue.retain(|waiter| !waiter.is_closed());
        }
        if waiting.queue.len() >= most {
            return Asked::Full;
        }
        let (grant, granted) = oneshot::channel();
        if !waiting.closed {
            waiting.queue.push_back(grant);
        }
        Asked::Queued(granted)
    }

    /// The session ends: whoever waits is told by a closed channel.
    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        let queue = std::mem::take(&mut waiting.queue);
        drop(waiting);
        drop(queue);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TurnGuard {
    fn drop(&mut self) {
        let Some(turn) = self.0.take() else { return };
        loop {
            let mut waiting = turn.lock();
            let Some(next) = waiting.queue.pop_front() else {
                waiting.held = false;
                return;
            };
            drop(waiting);
            match next.send(Self(Some(Arc::clone(&turn)))) {
                Ok(()) => return,
                // That waiter has gone; its guard must not pass the turn on a second time.
                Err(mut unclaimed) => unclaimed.0 = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(turn: &Arc<Turn>) -> TurnGuard {
        match turn.ask(8) {
            Asked::Granted(guard) => guard,
            _ => panic!("the turn is not free"),
        }
    }

    fn queued(turn: &Arc<Turn>, most: usize) -> oneshot::Receiver<TurnGuard> {
        match turn.ask(most) {
            Asked::Queued(receiver) => receiver,
            _ => panic!("the turn was not queued for"),
        }
    }

    #[test]
    fn the_turn_is_given_first_come_first_served_and_skips_those_who_left() {
        let turn = Arc::new(Turn::default());
        let first = granted(&turn);
        let (gone, mut second, mut third) = (queued(&turn, 8), queued(&turn, 8), queued(&turn, 8));
        drop(gone);
        drop(first);
        assert!(third.try_recv().is_err());
        let guard = second.try_recv().expect("second has it");
        drop(guard);
        drop(third.try_recv().expect("third has it"));
        assert!(turn.is_free());
    }

    #[test]
    fn a_grant_that_nobody_fetched_passes_on() {
        let turn = Arc::new(Turn::default());
        let first = granted(&turn);
        let (second, mut third) = (queued(&turn, 8), queued(&turn, 8));
        drop(first);
        drop(second);
        assert!(third.try_recv().is_ok());
    }

    #[test]
    fn only_so_many_wait_and_those_who_left_do_not_count() {
        let turn = Arc::new(Turn::default());
        let _held = granted(&turn);
        let one = queued(&turn, 1);
        assert!(matches!(turn.ask(1), Asked::Full));
        drop(one);
        queued(&turn, 1);
    }

    #[test]
    fn closing_tells_everybody_who_waits() {
        let turn = Arc::new(Turn::default());
        let _held = granted(&turn);
        let mut waiting = queued(&turn, 8);
        turn.close();
        assert!(matches!(waiting.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    }
}
