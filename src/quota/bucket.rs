//! A rate: so much a second on the average, and a second's worth at once.
//!
//! What is larger than the bucket is taken when the bucket is full, and leaves a debt: a send is one piece, and is paced by what it
//! makes the next one wait. The state is the moment at which the bucket will be full again (the generic cell rate algorithm of ITU-T
//! I.371), so that taking is one compare and swap, and asking an unlimited bucket one load.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// A token bucket whose rate may change.
pub struct Bucket {
    /// A second; 0: without bound.
    rate: AtomicU64,
    /// What may be taken at once, in seconds of the rate.
    depth: Duration,
    started: Instant,
    /// When it is full again, in nanoseconds since `started`.
    full_at: AtomicU64,
}

impl Bucket {
    /// A full bucket without bound, which will hold what comes in during `depth`.
    pub fn new(depth: Duration) -> Self {
        Self { rate: AtomicU64::new(0), depth, started: Instant::now(), full_at: AtomicU64::new(0) }
    }

    /// Changes its rate. 0: without bound.
    pub fn set_rate(&self, rate: usize) {
        self.rate.store(rate as u64, Ordering::Relaxed);
    }

    /// Takes an amount, if it is in the bucket or the bucket is full.
    ///
    /// # Errors
    /// How long that will take.
    pub fn take(&self, amount: usize) -> Result<(), Duration> {
        match self.rate.load(Ordering::Relaxed) {
            0 => Ok(()),
            rate => self.take_at(rate, amount),
        }
    }

    /// How much is in the bucket; it is `spend`'s to take it.
    ///
    /// # Errors
    /// How long it will stay empty.
    pub fn left(&self) -> Result<usize, Duration> {
        let rate = self.rate.load(Ordering::Relaxed);
        if rate == 0 {
            return Ok(usize::MAX);
        }
        let room = self.room(self.now(), self.full_at.load(Ordering::Relaxed), 1)?;
        Ok((u128::from(room) * u128::from(rate) / NANOS).max(1) as usize)
    }

    /// Takes an amount, whether it is there or not.
    pub fn spend(&self, amount: usize) {
        let rate = self.rate.load(Ordering::Relaxed);
        if rate > 0 {
            let now = self.now();
            let spent = |full_at: u64| Some(full_at.max(now).saturating_add(cost(rate, amount)));
            let _ = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent);
        }
    }

    /// Waits until an amount can be taken, and takes it.
    pub async fn pace(&self, amount: usize) {
        while let Err(empty) = self.take(amount) {
            sleep(empty).await;
        }
    }

    /// Whether nothing is missing from it.
    pub fn is_full(&self) -> bool {
        self.full_at.load(Ordering::Relaxed) <= self.now()
    }

    fn take_at(&self, rate: u64, amount: usize) -> Result<(), Duration> {
        let (now, cost) = (self.now(), cost(rate, amount));
        let taken = |full_at: u64| self.room(now, full_at, cost).ok().map(|_| full_at.max(now).saturating_add(cost));
        match self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken) {
            Ok(_) => Ok(()),
            Err(full_at) => Err(self.room(now, full_at, cost).err().unwrap_or_default()),
        }
    }

    /// What is in it, as the time it took to come in, if that is enough.
    fn room(&self, now: u64, full_at: u64, enough: u64) -> Result<u64, Duration> {
        let depth = self.depth.as_nanos() as u64;
        let (has_by_now, needs) = (now + depth, full_at.max(now).saturating_add(enough.min(depth)));
        match needs.checked_sub(has_by_now) {
            None | Some(0) => Ok(has_by_now - full_at.max(now)),
            Some(missing) => Err(Duration::from_nanos(missing)),
        }
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }
}

const NANOS: u128 = 1_000_000_000;

/// How long an amount takes to come in.
fn cost(rate: u64, amount: usize) -> u64 {
    u64::try_from(amount as u128 * NANOS / u128::from(rate)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_taken_at_once_and_then_the_rate_holds() {
        let bucket = Bucket::new(Duration::from_secs(2));
        bucket.set_rate(10);
        let at_once = (0..100).take_while(|_| bucket.take(1).is_ok()).count();
        assert_eq!(at_once, 20);
        let started = Instant::now();
        for _ in 0..30 {
            bucket.pace(1).await;
        }
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(2900) && took <= Duration::from_millis(3100), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_piece_is_taken_whole_and_the_next_one_waits_for_it() {
        let bucket = Bucket::new(Duration::from_secs(1));
        bucket.set_rate(1000);
        bucket.pace(5000).await;
        let empty = bucket.take(1).expect_err("a debt");
        assert!(empty >= Duration::from_secs(4) && empty <= Duration::from_millis(4001), "{empty:?}");
        assert!(!bucket.is_full());
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(bucket.is_full() && bucket.left() == Ok(1000));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_everything_is_taken_and_a_rate_may_change() {
        let bucket = Bucket::new(Duration::from_secs(1));
        bucket.spend(usize::MAX);
        assert_eq!((bucket.take(usize::MAX), bucket.left()), (Ok(()), Ok(usize::MAX)));
        bucket.set_rate(1);
        bucket.spend(100);
        assert!(bucket.left().is_err());
        bucket.set_rate(0);
        assert_eq!(bucket.take(1), Ok(()));
    }
}
