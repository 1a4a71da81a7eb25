//! What has become too much, and is to become less before anything goes on: backlogs taken together, and memory.
//!
//! A byte that waits for a subscriber is counted where it waits; nobody adds all of them up with every byte. Ten times a second they
//! are, and then reading pauses at the bound and goes on at half of it, so that it does not stutter. In between no more can come
//! than what each session may have of its own.

use std::sync::atomic::{AtomicBool, Ordering};

/// A quantity with a bound: too much from the bound on, until it is down to half.
#[derive(Default)]
pub struct Load(AtomicBool);

impl Load {
    /// Tells how much there is now; 0 as the bound is none. True: it was too much, and is not any more.
    pub fn update(&self, now: usize, bound: usize) -> bool {
        let was = self.is_too_much();
        let is = bound > 0 && now >= if was { bound / 2 } else { bound };
        self.0.store(is, Ordering::Relaxed);
        was && !is
    }

    /// Whether it is too much.
    pub fn is_too_much(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What holds for all identities.
#[derive(Default)]
pub struct Pressure {
    /// The backlogs of all subscribers.
    pub backlog: Load,
    /// Memory is so scarce that nothing more is read.
    pub memory_pause: AtomicBool,
    /// Memory is so scarce that nothing more is opened.
    pub memory_refuse: AtomicBool,
}

impl Pressure {
    /// Whether reading has to pause.
    pub fn pauses(&self) -> bool {
        self.backlog.is_too_much() || self.memory_pause.load(Ordering::Relaxed)
    }

    /// Whether nothing may be opened.
    pub fn refuses(&self) -> bool {
        self.memory_refuse.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_too_much_from_the_bound_until_half_of_it() {
        let load = Load::default();
        let looks = [(99, false), (100, true), (60, true), (50, true), (49, false), (99, false)];
        for (now, too_much) in looks {
            load.update(now, 100);
            assert_eq!(load.is_too_much(), too_much, "{now}");
        }
        assert!(!load.update(1000, 100) && load.update(0, 100), "the end is told once");
        assert!(!load.update(1000, 0) && !load.is_too_much(), "without a bound nothing is too much");
    }
}
