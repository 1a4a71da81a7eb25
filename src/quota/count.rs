//! Counts of what is in use: taken under a limit that may change, given back in Drop.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// How many of something are in use.
#[derive(Clone, Default)]
pub struct Count(Arc<AtomicUsize>);

/// One of them; the place is free again when it is dropped.
#[must_use = "the place is given back when it is dropped"]
pub struct Held(Arc<AtomicUsize>);

impl Count {
    /// Takes one more, unless as many as `most` are in use.
    pub fn take(&self, most: usize) -> Option<Held> {
        let one_more = |used| (used < most).then_some(used + 1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        Some(Held(Arc::clone(&self.0)))
    }

    /// How many are in use now.
    pub fn used(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_taken_than_the_limit_of_the_moment_allows_and_dropping_gives_back() {
        let count = Count::default();
        let held: Vec<_> = (0..3).map_while(|_| count.take(2)).collect();
        assert_eq!((held.len(), count.used()), (2, 2));
        assert!(count.take(1).is_none(), "a lower limit takes nothing away and gives nothing more");
        let third = count.take(3).expect("a higher limit gives more");
        drop(held);
        assert_eq!(count.used(), 1);
        drop(third);
        assert_eq!(count.used(), 0);
    }
}
