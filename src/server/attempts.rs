//! Failed authentications of each address: so many a second, and a minute's worth at once. Beyond, credentials of that address are
//! not looked at, so that guessing is slow, costs next to nothing, and does not flood the audit log.
//!
//! Connections that have shown good credentials are spared until they show bad ones: whoever shares an address with a guesser keeps
//! what it has. An IPv6 address counts by its /64, which is what one customer gets (RFC 6177), and addresses beyond what is remembered
//! share one account.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{error::Error, limits::LiveLimits, quota::Bucket};

/// What may come at once, in seconds of the rate.
const BURST: Duration = Duration::from_secs(60);

/// Addresses told apart, each of some 100 bytes.
const ADDRESSES: usize = 4096;

/// How often those that owe nothing are looked for while all places are taken.
const SWEEP: Duration = Duration::from_secs(1);

/// The accounts of all addresses.
pub(super) struct Attempts {
    limits: Arc<LiveLimits>,
    table: Mutex<Table>,
}

struct Table {
    by_peer: HashMap<IpAddr, Account>,
    /// Of all addresses that found no place.
    others: Account,
    swept: Instant,
}

struct Account {
    bucket: Bucket,
    /// Failures that no record tells of.
    unrecorded: u64,
}

impl Account {
    fn new() -> Self {
        Self { bucket: Bucket::new(BURST), unrecorded: 0 }
    }
}

impl Attempts {
    pub(super) fn new(limits: Arc<LiveLimits>) -> Self {
        let table = Table { by_peer: HashMap::new(), others: Account::new(), swept: Instant::now() };
        Self { limits, table: Mutex::new(table) }
    }

    /// Whether credentials of this address may be looked at.
    ///
    /// # Errors
    /// LIMIT_REACHED, with when to try again.
    pub(super) fn check(&self, peer: Option<IpAddr>) -> Result<(), Error> {
        let (rate, mut table) = (self.rate(), self.table());
        // Who has no account has not failed yet, or has found no place for one.
        let Some(account) = table.known(peer) else { return Ok(()) };
        account.bucket.set_rate(rate);
        let Err(wait) = account.bucket.left() else { return Ok(()) };
        account.unrecorded += 1;
        let wait = Duration::from_millis(wait.as_millis() as u64 + 1);
        let sentence =
            "too many calls from your address had no good credentials: none of them are looked at for a while";
        Err(Error::limit("failed_authentications_per_second", rate, sentence)
            .with("retryAfter", humantime::format_duration(wait)))
    }

    /// An authentication failed. Some: it is to be recorded, with so many before it that are not.
    pub(super) fn failed(&self, peer: Option<IpAddr>) -> Option<u64> {
        let (rate, mut table) = (self.rate(), self.table());
        let account = table.account(peer);
        account.bucket.set_rate(rate);
        // What is left may be a part of one: it is spent whole, and the next has to wait for the rest.
        if account.bucket.left().is_ok() {
            account.bucket.spend(1);
            return Some(std::mem::take(&mut account.unrecorded));
        }
        account.unrecorded += 1;
        None
    }

    fn rate(&self) -> usize {
        self.limits.now().failed_authentications_per_second
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn known(&mut self, peer: Option<IpAddr>) -> Option<&mut Account> {
        let full = self.by_peer.len() >= ADDRESSES;
        match peer.map(subject) {
            Some(subject) if self.by_peer.contains_key(&subject) => self.by_peer.get_mut(&subject),
            Some(_) if !full => None,
            _ => Some(&mut self.others),
        }
    }

    fn account(&mut self, peer: Option<IpAddr>) -> &mut Account {
        let Some(subject) = peer.map(subject) else { return &mut self.others };
        if !self.by_peer.contains_key(&subject) && self.by_peer.len() >= ADDRESSES {
            self.forget_idle();
            if self.by_peer.len() >= ADDRESSES {
                return &mut self.others;
            }
        }
        self.by_peer.entry(subject).or_insert_with(Account::new)
    }

    /// Those whose minute is over; what no record tells of them goes to the others' account.
    fn forget_idle(&mut self) {
        if self.swept.elapsed() < SWEEP {
            return;
        }
        self.swept = Instant::now();
        let mut unrecorded = 0;
        self.by_peer.retain(|_, account| {
            let idle = account.bucket.is_full();
            if idle {
                unrecorded += account.unrecorded;
            }
            !idle
        });
        self.others.unrecorded += unrecorded;
    }
}

/// What counts as one address.
fn subject(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn attempts(failed_authentications_per_second: usize) -> Attempts {
        let limits = Limits { failed_authentications_per_second, ..Limits::default() };
        Attempts::new(Arc::new(LiveLimits::new(limits)))
    }

    fn peer(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_fails_too_often_is_not_looked_at_and_no_other_notices() {
        let attempts = attempts(2);
        let (guesser, other) = (peer("192.0.2.1"), peer("192.0.2.2"));
        let recorded =
            (0..200).filter(|_| attempts.check(guesser).is_ok() && attempts.failed(guesser).is_some()).count();
        assert_eq!(recorded, 120, "a minute's worth");
        let refused = attempts.check(guesser).expect_err("no more");
        let told: HashMap<_, _> = refused.metadata().iter().cloned().collect();
        assert_eq!((told["limit"].as_str(), told["value"].as_str()), ("failed_authentications_per_second", "2"));
        assert!(humantime::parse_duration(&told["retryAfter"]).expect("a time") <= Duration::from_millis(501));
        attempts.check(other).expect("has done nothing");
        tokio::time::advance(Duration::from_secs(1)).await;
        attempts.check(guesser).expect("one may be tried again");
        assert_eq!(attempts.failed(guesser), Some(81), "what was not recorded is told once");
        // One whose connection is spared still counts.
        attempts.failed(guesser);
        assert_eq!(attempts.failed(guesser), None);
        // Not even at the moment at which there is a part of one.
        tokio::time::advance(Duration::from_millis(100)).await;
        attempts.check(guesser).expect("a part is there");
        attempts.failed(guesser);
        tokio::time::advance(Duration::from_millis(100)).await;
        assert!(attempts.check(guesser).is_err(), "it was spent whole");
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_one_network_count_as_one_and_mapped_ones_as_what_they_are() {
        let attempts = attempts(1);
        for n in 0..60 {
            attempts.failed(peer(&format!("2001:db8:0:1::{n:x}")));
            attempts.failed(peer("::ffff:192.0.2.1"));
        }
        assert!(attempts.check(peer("2001:db8:0:1:ffff::1")).is_err() && attempts.check(peer("192.0.2.1")).is_err());
        assert!(attempts.check(peer("2001:db8:0:2::1")).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn any_number_of_addresses_costs_no_more_than_the_table_and_those_that_owe_nothing_make_room() {
        let attempts = attempts(1);
        let address = |n: u32| Some(IpAddr::from(n.to_be_bytes()));
        for n in 0..3 * ADDRESSES as u32 {
            attempts.failed(address(n));
        }
        assert_eq!(attempts.table().by_peer.len(), ADDRESSES);
        assert!(attempts.check(address(2 * ADDRESSES as u32)).is_err(), "who finds no place shares one account");
        attempts.check(address(1)).expect("has its own");
        tokio::time::advance(BURST).await;
        attempts.failed(address(u32::MAX));
        assert_eq!(attempts.table().by_peer.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_of_0_bounds_nothing() {
        let attempts = attempts(0);
        for _ in 0..1000 {
            attempts.check(peer("192.0.2.1")).expect("is looked at");
            assert_eq!(attempts.failed(peer("192.0.2.1")), Some(0));
        }
    }
}
