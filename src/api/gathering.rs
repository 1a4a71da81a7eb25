//! Lets a stream that was woken gather what else is ready before it takes anything.
//!
//! One look at the sockets often finds many of them readable. The session whose task runs first wakes the stream, and tokio runs what
//! was woken last next: the stream would send that session's envelope by itself and those of the others one by one, with a system
//! call and a wake-up of the client each. So after a sleep it lets everybody go first who is ready by now, and whose socket is.
//! Nobody is waited for: where nothing else is ready it costs one more look at the sockets, and is left out for a while.

use std::{
    mem,
    pin::pin,
    task::{Context, Poll},
};

use tokio::task::yield_now;

/// Sleeps after which nothing is gathered where that brought nothing.
const REST: u32 = 16;

/// Whether a stream is about to gather, and whether that is worth it.
#[derive(Default)]
pub(super) struct Gathering {
    asleep: bool,
    gathered: bool,
    rest: u32,
}

impl Gathering {
    /// The stream has nothing to say until it is woken.
    pub(super) fn sleep(&mut self) {
        self.asleep = true;
    }

    /// Pending once after a sleep; the task is woken again when the sockets have been looked at.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !mem::take(&mut self.asleep) {
            return Poll::Ready(());
        }
        self.gathered = self.rest == 0;
        self.rest = self.rest.saturating_sub(1);
        if self.gathered { pin!(yield_now()).poll(cx) } else { Poll::Ready(()) }
    }

    /// The stream has this many things to say at once.
    pub(super) fn took(&mut self, count: usize) {
        match (count, mem::take(&mut self.gathered)) {
            (0 | 1, true) => self.rest = REST,
            (0 | 1, false) => {}
            _ => self.rest = 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Whether it gathers before each of some messages of so many things.
    fn gathers(gathering: &mut Gathering, messages: usize, count: usize) -> Vec<bool> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut one = || {
            gathering.sleep();
            let gathers = gathering.poll(&mut cx).is_pending();
            assert!(gathering.poll(&mut cx).is_ready(), "it gathers once");
            gathering.took(count);
            gathers
        };
        (0..messages).map(|_| one()).collect()
    }

    #[tokio::test]
    async fn gathering_goes_on_while_it_brings_more_than_one_thing() {
        let mut gathering = Gathering::default();
        assert_eq!(gathers(&mut gathering, 50, 2), [true; 50]);
    }

    #[tokio::test]
    async fn what_brings_nothing_is_tried_again_only_after_a_while() {
        let mut gathering = Gathering::default();
        let tried = gathers(&mut gathering, 1 + 2 * (REST as usize + 1), 1);
        let times: Vec<usize> = (0..tried.len()).filter(|&at| tried[at]).collect();
        assert_eq!(times, [0, REST as usize + 1, 2 * (REST as usize + 1)]);
        assert_eq!(gathers(&mut gathering, 2, 2), [false, true], "at once when there is more to say anyway");
    }
}
