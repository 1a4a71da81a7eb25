//! What is so at the moment of a scrape, collected by who can ask for it.

use crate::envelope::{Kind, State};

/// What sessions moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes read.
    pub bytes_received: u64,
    /// Bytes written.
    pub bytes_sent: u64,
    /// Datagrams received.
    pub datagrams_received: u64,
    /// Datagrams sent.
    pub datagrams_sent: u64,
}

impl std::ops::AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
        self.datagrams_received += other.datagrams_received;
        self.datagrams_sent += other.datagrams_sent;
    }
}

/// All backlogs together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Backlogs {
    /// Bytes undelivered or unacked.
    pub bytes: u64,
    /// Envelopes undelivered or unacked.
    pub envelopes: u64,
    /// Bytes of the subscriber that has most.
    pub largest_bytes: u64,
    /// The age of the oldest envelope that is undelivered or unacked, in seconds.
    pub oldest_seconds: f64,
    /// Sessions that are not read because of a backlog.
    pub paused_sessions: u64,
    /// Streams attached.
    pub streams: u64,
}

/// What is so now.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// Live sessions by kind and state.
    pub sessions: [[u64; State::ALL.len()]; Kind::ALL.len()],
    /// What sessions moved so far, the ended ones included, by kind.
    pub traffic: [Traffic; Kind::ALL.len()],
    /// Bytes of sends that wait for peers to read.
    pub send_queue_bytes: u64,
    /// Calls that wait for a turn.
    pub turn_waiters: u64,
    /// Exchanges that collect or settle.
    pub exchanges: u64,
    /// Live listeners.
    pub listeners: u64,
    /// Connection attempts under way.
    pub connects: u64,
    /// Subscribers.
    pub subscribers: u64,
    /// Their backlogs.
    pub backlogs: Backlogs,
    /// Watch streams.
    pub watchers: u64,
    /// Taps.
    pub taps: u64,
    /// Whether the gateway is going down.
    pub draining: bool,
    /// How much there may be, by the name of the limit.
    pub limits: Vec<(&'static str, u64)>,
}
