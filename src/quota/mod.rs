//! What one identity may use, and what all may: counts, rates and the backlogs taken together.
//!
//! A quota is a bound of one identity, below the limits that hold for all (`crate::limits`); reaching either is LIMIT_REACHED, with
//! `scope` telling whose bound it was. Nothing that lives is ended by a quota: counts refuse what is new, rates of bytes slow down
//! (TCP) or drop and count (UDP), and backlogs pause reading.
//!
//! Where no identity is configured there is one caller, to whom the limits alone apply; the same goes for what the configuration
//! file declares. Their usage is `None`, which costs nothing.

mod bucket;
mod count;
mod pressure;
mod usage;

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};

pub use self::{
    bucket::Bucket,
    count::{Count, Held},
    pressure::{Load, Pressure},
    usage::{Usage, Usages},
};

/// What one identity may use. 0: as much as the limits allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// Live sessions.
    pub sessions: usize,
    /// Live listeners.
    pub listeners: usize,
    /// Subscribers.
    pub subscribers: usize,
    /// Streams (Subscribe and Attach).
    pub streams: usize,
    /// Connection attempts under way at once.
    pub pending_connects: usize,
    /// Connection attempts a second; twice as many may come at once.
    pub dials_per_second: usize,
    /// Undelivered bytes of all its subscribers. When reached, its sessions are not read until half of it is delivered.
    pub backlog_bytes: usize,
    /// Bytes a second from its peers; TCP is read slower, datagrams beyond are dropped and counted.
    pub received_bytes_per_second: usize,
    /// Bytes a second to its peers; sends wait, datagrams beyond are refused.
    pub sent_bytes_per_second: usize,
}

/// The quotas of all identities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Of every identity that has none of its own.
    pub all: Quota,
    /// By identity.
    pub own: HashMap<Arc<str>, Quota>,
}

impl Quotas {
    /// What an identity may use.
    pub fn of(&self, identity: &str) -> Quota {
        self.own.get(identity).copied().unwrap_or(self.all)
    }
}

impl From<Quota> for Quotas {
    fn from(all: Quota) -> Self {
        Self { all, own: HashMap::new() }
    }
}

impl Default for Quota {
    fn default() -> Self {
        const MIB: usize = 1 << 20;
        Self {
            sessions: 4096,
            listeners: 64,
            subscribers: 1024,
            streams: 1024,
            pending_connects: 256,
            dials_per_second: 100,
            backlog_bytes: 256 * MIB,
            received_bytes_per_second: 0,
            sent_bytes_per_second: 0,
        }
    }
}
