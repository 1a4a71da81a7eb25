//! From a host as callers write it to socket addresses.
//!
//! Lookups go through the system's resolver, each on a blocking thread that cannot be interrupted: a caller that gives up leaves its
//! lookup running, so the number of lookups, not of callers, is what is bounded.

use std::{
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6},
    sync::Arc,
};

use tokio::{sync::Semaphore, time::Instant};

use crate::{
    limits::fixed,
    metrics::{LookupOutcome, Metrics},
};

/// Addresses tried per name, so that a hostile zone cannot make one connect try thousands.
const ADDRESSES: usize = 16;

/// A bounded front of the system's resolver.
pub struct Resolver {
    lookups: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// Why a host gave no address.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// It can be neither a name nor an address.
    #[error(
        "\"{0}\" is neither a host name in ASCII (like db.example.com; other alphabets as xn--…) nor an address in its usual form (like \
         192.0.2.7, 2001:db8::7 or fe80::7%eth0)"
    )]
    Malformed(String),
    /// The resolver has no answer.
    #[error("the name \"{name}\" could not be resolved: {cause}")]
    NotFound {
        /// What was asked.
        name: String,
        /// What the resolver said.
        cause: String,
    },
    /// The deadline passed first.
    #[error("resolving \"{0}\" took too long")]
    TimedOut(String),
}

impl Resolver {
    /// A resolver that runs at most this many lookups at once.
    pub fn new(lookups: usize, metrics: Arc<Metrics>) -> Self {
        Self { lookups: Arc::new(Semaphore::new(lookups)), metrics }
    }

    /// All addresses of a host, families interleaved (RFC 8305, section 4), at most 16.
    ///
    /// # Errors
    /// See `ResolveError`.
    pub async fn resolve(&self, host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, ResolveError> {
        if let Some(addr) = literal(host, port)? {
            return Ok(vec![addr]);
        }
        let started = Instant::now();
        let found = self.look_up(host, port, deadline).await;
        let outcome = match &found {
            Ok(_) => LookupOutcome::Found,
            Err(ResolveError::TimedOut(_)) => LookupOutcome::TimedOut,
            Err(_) => LookupOutcome::NotFound,
        };
        self.metrics.dials.looked_up(outcome, started.elapsed());
        found
    }

    async fn look_up(&self, host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, ResolveError> {
        let timed_out = || ResolveError::TimedOut(host.to_owned());
        let lookups = Arc::clone(&self.lookups);
        let permit = tokio::time::timeout_at(deadline, lookups.acquire_owned()).await.map_err(|_| timed_out())?;
        let name = host.to_owned();
        #[expect(
            clippy::disallowed_methods,
            reason = "the lookup outlives a caller that gives up and keeps its permit"
        )]
        let lookup = tokio::spawn(async move {
            let found = tokio::net::lookup_host((name.as_str(), port)).await.map(Vec::from_iter);
            drop(permit);
            found
        });
        let answer = tokio::time::timeout_at(deadline, lookup).await.map_err(|_| timed_out())?;
        let found = answer.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        match found {
            Ok(addrs) if !addrs.is_empty() => Ok(interleave(addrs)),
            Ok(_) => Err(ResolveError::NotFound { name: host.to_owned(), cause: "it has no address".to_owned() }),
            Err(error) => Err(ResolveError::NotFound { name: host.to_owned(), cause: resolver_sentence(&error) }),
        }
    }
}

fn resolver_sentence(error: &io::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
}

/// An address written out, with a zone where one is given. The C library also takes spellings such as 127.1 or 0x7f000001 for
/// addresses; a name that ends in a number is refused so that no check is bypassed by them.
pub fn literal(host: &str, port: u16) -> Result<Option<SocketAddr>, ResolveError> {
    let malformed = || ResolveError::Malformed(crate::error::shortened(host));
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(Some(SocketAddr::new(ip, port)));
    }
    if let Some((address, zone)) = host.split_once('%') {
        let ip: Ipv6Addr = address.parse().map_err(|_| malformed())?;
        // A zone anywhere else says nothing, and the system would not look at it.
        if !ip.is_unicast_link_local() && !ip.is_multicast() {
            return Err(malformed());
        }
        return Ok(Some(SocketAddrV6::new(ip, port, 0, zone_index(zone).ok_or_else(malformed)?).into()));
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    let hex = last.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    let numeric = hex || last.bytes().all(|byte| byte.is_ascii_digit());
    if numeric || !is_name(name) {
        return Err(malformed());
    }
    Ok(None)
}

/// The number of an interface, given as such or by name. Digits mean a number, and nothing but digits does.
fn zone_index(zone: &str) -> Option<u32> {
    if zone.bytes().all(|byte| byte.is_ascii_digit()) {
        return zone.parse().ok();
    }
    nix::net::if_::if_nametoindex(zone).ok()
}

/// The longest label of a name (RFC 1035, section 2.3.4).
const LABEL_BYTES: usize = 63;

/// Whether a text, without a trailing dot, can be a host name: labels of ASCII letters, digits, hyphens and underscores. A name in
/// another alphabet is given in its ASCII form (RFC 5891): what a resolver makes of anything else is nobody's promise, and digits and
/// dots of other alphabets would spell addresses.
pub fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=LABEL_BYTES).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= fixed::HOST_BYTES && text.split('.').all(label)
}

fn interleave(addrs: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addrs.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addrs.into_iter().partition(|addr| addr.is_ipv6() == first_is_v6);
    let mut merged = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        match (first.next(), second.next()) {
            (None, None) => break,
            (a, b) => merged.extend(a.into_iter().chain(b)),
        }
    }
    merged.truncate(ADDRESSES);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addrs(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|text| text.parse().expect("address")).collect()
    }

    #[test]
    fn families_take_turns_and_the_resolvers_first_choice_stays_first() {
        let mixed = addrs(&["[::1]:1", "[::2]:1", "10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]);
        let expected = addrs(&["[::1]:1", "10.0.0.1:1", "[::2]:1", "10.0.0.2:1", "10.0.0.3:1"]);
        assert_eq!(interleave(mixed), expected);
    }

    #[test]
    fn spellings_that_only_the_c_library_takes_for_addresses_are_refused() {
        for host in [
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "017700000001",
            "1.2.3.4.",
            "0",
            "a b",
            "a/b",
            "[::1]",
            "010.0.0.1",
            "::1%1",
            "2001:db8::1%lo",
            "fe80::1%+1",
            "fe80::1%",
            "a..b",
            ".a",
            "a..",
            "１.example",
            "127。0。0。1",
            "bücher.example",
        ] {
            assert!(matches!(literal(host, 1), Err(ResolveError::Malformed(_))), "{host}");
        }
    }

    #[test]
    fn names_and_plain_addresses_are_taken() {
        for name in ["localhost", "a.example", "a-b_c.example.", "xn--bcher-kva.example", "4you.example"] {
            assert!(matches!(literal(name, 1), Ok(None)), "{name}");
        }
        for address in ["192.0.2.7", "::1", "2001:db8::7", "fe80::7%1"] {
            assert!(matches!(literal(address, 1), Ok(Some(_))), "{address}");
        }
    }
}
