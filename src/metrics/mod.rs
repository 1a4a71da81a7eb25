//! What the gateway counts, every metric by name, and how it is told to a scraper.
//!
//! Other rooms count by plain relaxed atomics ([`Counter`], [`Histogram`]) whose labels are enums of ours: no label takes its value
//! from a caller or a peer, so the number of series is fixed. What can be asked at any time (live sessions, their bytes, backlogs) is
//! not counted at all, but handed in as a [`Picture`] when somebody scrapes. Nothing here locks or waits.

mod classic;
mod exposition;
mod page;
mod picture;
mod process;
mod rpc;
mod values;

use std::time::SystemTime;

pub use self::{
    exposition::{Format, expose},
    picture::{Backlogs, Picture, Traffic},
    process::{Process, Runtime},
    rpc::{METHODS, Rpc, RpcMetrics},
    values::{Counter, Gauge, Histogram},
};
use crate::envelope::{CloseReason, Kind};

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    /// Sessions that were opened and have ended.
    pub sessions: SessionMetrics,
    /// What waits, and what had to go.
    pub delivery: DeliveryMetrics,
    /// Dials and lookups.
    pub dials: DialMetrics,
    /// Exchanges.
    pub exchanges: ExchangeMetrics,
    /// Calls.
    pub rpc: RpcMetrics,
    /// What was refused or failed at the gateway's doors.
    pub doors: DoorMetrics,
    /// The audit log.
    pub audit: AuditMetrics,
    /// Taps.
    pub taps: TapMetrics,
    /// When counting began: the start of the process, as far as it matters.
    pub started: SystemTime,
}

/// Sessions that were opened and have ended, and datagrams that belong to none.
#[derive(Debug, Default)]
pub struct SessionMetrics {
    opened: [Counter; Kind::ALL.len()],
    closed: [[Counter; CloseReason::ALL.len()]; Kind::ALL.len()],
    /// What sessions that have ended moved. Live ones are added when somebody scrapes.
    ended: [EndedTraffic; Kind::ALL.len()],
    /// Listeners opened.
    pub listeners_opened: Counter,
    /// Datagrams sent from a socket of their own.
    pub lone_datagrams: Counter,
    /// Their bytes.
    pub lone_datagram_bytes: Counter,
}

#[derive(Debug, Default)]
struct EndedTraffic {
    bytes_received: Counter,
    bytes_sent: Counter,
    datagrams_received: Counter,
    datagrams_sent: Counter,
}

impl SessionMetrics {
    /// A session was opened.
    pub fn opened(&self, kind: Kind) {
        self.opened[kind as usize].increment();
    }

    /// A session has ended, having moved this much.
    pub fn ended(&self, kind: Kind, reason: CloseReason, traffic: &Traffic) {
        self.closed[kind as usize][reason as usize].increment();
        let ended = &self.ended[kind as usize];
        ended.bytes_received.add(traffic.bytes_received);
        ended.bytes_sent.add(traffic.bytes_sent);
        ended.datagrams_received.add(traffic.datagrams_received);
        ended.datagrams_sent.add(traffic.datagrams_sent);
    }

    /// What sessions that have ended moved.
    pub fn ended_traffic(&self, kind: Kind) -> Traffic {
        let ended = &self.ended[kind as usize];
        Traffic {
            bytes_received: ended.bytes_received.get(),
            bytes_sent: ended.bytes_sent.get(),
            datagrams_received: ended.datagrams_received.get(),
            datagrams_sent: ended.datagrams_sent.get(),
        }
    }
}

/// What had to wait, and what had to go.
#[derive(Debug, Default)]
pub struct DeliveryMetrics {
    /// Times the reading of a session was paused because its subscriber's backlog, or its share of it, was full.
    pub read_pauses: Counter,
    /// Datagrams dropped because the backlog was full.
    pub dropped_by_backlog: Counter,
    /// Datagrams dropped by the kernel because its socket's buffer was full.
    pub dropped_by_kernel: Counter,
    /// Datagrams whose receiver had received as many bytes as it may in that time.
    pub dropped_by_quota: Counter,
    /// Reports dropped because too many waited.
    pub reports_dropped: Counter,
    /// Streams ended because they read nothing while the backlog was full.
    pub streams_stalled: Counter,
}

/// How an attempt to connect ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialOutcome {
    /// The handshake was done.
    Connected,
    /// The name could not be resolved.
    Unresolved,
    /// The peer refused or could not be reached.
    Failed,
    /// No answer in time.
    TimedOut,
    /// The policy says no.
    Denied,
    /// The session was closed, or its caller left, before there was an outcome.
    GivenUp,
}

impl DialOutcome {
    pub(super) const NAMES: [&str; 6] = ["connected", "unresolved", "failed", "timeout", "denied", "given_up"];
}

/// How a name lookup ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupOutcome {
    /// With addresses.
    Found,
    /// Without.
    NotFound,
    /// Not in time.
    TimedOut,
}

impl LookupOutcome {
    pub(super) const NAMES: [&str; 3] = ["found", "not_found", "timeout"];
}

/// Dials and lookups.
#[derive(Debug)]
pub struct DialMetrics {
    connects: [Histogram; DialOutcome::NAMES.len()],
    lookups: [Histogram; LookupOutcome::NAMES.len()],
}

impl DialMetrics {
    /// A dial, from the call to its outcome, the lookup included.
    pub fn dialled(&self, outcome: DialOutcome, took: std::time::Duration) {
        self.connects[outcome as usize].observe(took);
    }

    /// A lookup. An address that is written out needs none.
    pub fn looked_up(&self, outcome: LookupOutcome, took: std::time::Duration) {
        self.lookups[outcome as usize].observe(took);
    }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeOutcome {
    /// With its answer.
    Answered,
    /// Not in time.
    TimedOut,
    /// With another error.
    Failed,
    /// Its caller left.
    Left,
}

impl ExchangeOutcome {
    pub(super) const NAMES: [&str; 4] = ["answered", "timeout", "failed", "left"];
}

/// Exchanges.
#[derive(Debug)]
pub struct ExchangeMetrics {
    /// How long exchanges waited for the turn, whether they got it or not.
    pub turn_wait: Histogram,
    durations: [Histogram; ExchangeOutcome::NAMES.len()],
}

impl ExchangeMetrics {
    /// An exchange, from the call to its end.
    pub fn ended(&self, outcome: ExchangeOutcome, took: std::time::Duration) {
        self.durations[outcome as usize].observe(took);
    }
}

/// What a policy was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Reaching out.
    Dial,
    /// Taking an address of this machine.
    Bind,
    /// Joining a multicast group.
    Join,
}

impl Action {
    pub(super) const NAMES: [&str; 3] = ["dial", "bind", "join"];

    /// A name for labels and records.
    pub const fn as_str(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// Where accepting can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The gRPC port.
    Grpc,
    /// A listener of a caller.
    Listener,
    /// The admin port.
    Admin,
}

impl Door {
    pub(super) const NAMES: [&str; 3] = ["grpc", "listener", "admin"];
}

/// What was refused or failed at the gateway's doors.
#[derive(Debug, Default)]
pub struct DoorMetrics {
    denials: [Counter; Action::NAMES.len()],
    accept_failures: [Counter; Door::NAMES.len()],
    /// Calls without a credential that counts.
    pub authentication_failures: Counter,
    /// TLS handshakes of gRPC connections that failed.
    pub handshake_failures: Counter,
    /// gRPC connections accepted.
    pub grpc_accepted: Counter,
    /// gRPC connections that are open.
    pub grpc_open: Gauge,
}

impl DoorMetrics {
    /// The policy said no.
    pub fn denied(&self, action: Action) {
        self.denials[action as usize].increment();
    }

    /// Accepting a connection failed.
    pub fn accept_failed(&self, door: Door) {
        self.accept_failures[door as usize].increment();
    }
}

/// The audit log.
#[derive(Debug, Default)]
pub struct AuditMetrics {
    /// Records written.
    pub written: Counter,
    /// Records lost because writing was too slow, or failed.
    pub dropped: Counter,
}

/// Taps.
#[derive(Debug, Default)]
pub struct TapMetrics {
    /// Taps begun.
    pub begun: Counter,
    /// Records that a tapper was too slow for.
    pub records_dropped: Counter,
}

/// Connects and lookups: from a neighbour to a timeout of a minute.
const DIAL_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Exchanges: a device that thinks may take minutes.
const EXCHANGE_SECONDS: &[f64] =
    &[0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0];

impl Metrics {
    /// Nothing was counted yet.
    pub fn new() -> Self {
        Self {
            sessions: SessionMetrics::default(),
            delivery: DeliveryMetrics::default(),
            dials: DialMetrics {
                connects: std::array::from_fn(|_| Histogram::new(DIAL_SECONDS)),
                lookups: std::array::from_fn(|_| Histogram::new(DIAL_SECONDS)),
            },
            exchanges: ExchangeMetrics {
                turn_wait: Histogram::new(EXCHANGE_SECONDS),
                durations: std::array::from_fn(|_| Histogram::new(EXCHANGE_SECONDS)),
            },
            rpc: RpcMetrics::new(),
            doors: DoorMetrics::default(),
            audit: AuditMetrics::default(),
            taps: TapMetrics::default(),
            started: SystemTime::now(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
