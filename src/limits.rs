//! Every bound of the gateway: its default, its unit, and the memory it can cost.
//!
//! Each field is a setting `limits.<field>` (file, environment or flag; see `config`). Nothing in the gateway queues, buffers,
//! waits or counts without one of these.
//!
//! Worst-case memory, apart from about 10 MiB for the process and 6 KiB per session:
//! `subscribers in use x (3 x (subscriber_backlog_bytes + subscriber_retained_bytes) + subscriber_events x 0.5 KiB)`
//! `+ sessions x (full_backlog_read_bytes + 64 KiB + 2 x (line_bytes + line_held_bytes) + send_queue_bytes)`, where the 64 KiB (read,
//! but not framed yet), lines and pending sends apply only to sessions that use line mode and pending sends. The 3 is for envelopes
//! that carry next to nothing: queues are half empty at times, and so are the allocator's pages; for bulk it is 1.5. Each gRPC
//! connection may hold what its streams have on their way besides: about 0.5 MiB a stream.
//!
//! What waits for all subscribers together is bounded by `backlog_bytes` besides, whatever their number: 3 times it at the most, and
//! what every session may read within a tenth of a second. `memory_refuse_percent` and `memory_pause_percent` watch the sum of all.
//!
//! Taps cost `taps x tap_queue_bytes` besides, an audit log `audit_queue_records x 0.5 KiB`, while their readers are slow.
//!
//! Kernel buffers come on top, and a control group (version 2) counts them: at most `2 x socket_receive_buffer_bytes` per TCP session
//! that is paused and `2 x udp_receive_buffer_bytes` per UDP session, as the kernel doubles what it is asked for; and what the kernel
//! allows (`net.ipv4.tcp_wmem`, by default up to 4 MiB) per TCP session whose peer does not read what was sent to it.
//! `tests/memory.rs` holds the gateway to this.

use std::{sync::Arc, time::Duration};

use arc_swap::{ArcSwap, Guard};
use serde::{Deserialize, Serialize};

use crate::framing::{LineLimits, PatternLimits};

/// What an undelivered envelope counts towards a backlog on top of its payload: about what it occupies in memory, so that a
/// million empty datagrams are not free.
pub const ENVELOPE_OVERHEAD_BYTES: usize = 256;

/// All bounds. See the module's header for the memory product.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Live sessions (TCP connections and UDP sockets). Each costs a file descriptor and about 3 KiB.
    pub sessions: usize,
    /// Live TCP listeners.
    pub listeners: usize,
    /// Connection attempts under way at once.
    pub pending_connects: usize,
    /// Name lookups under way at once. Each blocks a thread for as long as the system's resolver takes.
    pub name_lookups: usize,
    /// Subscribers, with or without streams.
    pub subscribers: usize,
    /// Streams attached to one subscriber.
    pub streams_per_subscriber: usize,
    /// Subscribe and Attach streams.
    pub streams: usize,
    /// Concurrent `Watch` streams.
    pub watchers: usize,
    /// Undelivered bytes of one subscriber. When reached, its TCP sessions are not read and its oldest datagrams go.
    pub subscriber_backlog_bytes: usize,
    /// Undelivered bytes of all subscribers. When reached, nothing is read until half of it is delivered; looked at ten times a
    /// second. 0: no bound but those of the parts.
    pub backlog_bytes: usize,
    /// Undelivered bytes of one session: its share of the backlog.
    pub session_backlog_bytes: usize,
    /// What a session with nothing undelivered may still read when its subscriber's backlog is full, so that bulk does not starve
    /// a prompt.
    pub full_backlog_read_bytes: usize,
    /// Undelivered lifecycle events of one subscriber. When reached, its listeners stop accepting and its connects are refused.
    pub subscriber_events: usize,
    /// Undelivered error and `sent` reports of one subscriber. When reached, further ones are dropped and counted: their callers
    /// have them as answers already.
    pub subscriber_reports: usize,
    /// Delivered bytes kept so that a plain stream can resume.
    pub subscriber_retained_bytes: usize,
    /// Envelopes in one message of a stream.
    pub batch_envelopes: usize,
    /// Payload bytes in one message of a stream (one envelope may exceed it).
    pub batch_bytes: usize,
    /// A stream that takes nothing for this long while the backlog is full is ended.
    #[serde(with = "humantime_serde")]
    pub stall_timeout: Duration,
    /// A subscriber without streams, sessions and listeners is removed, with its backlog, after this long.
    #[serde(with = "humantime_serde")]
    pub subscriber_idle_timeout: Duration,
    /// Default orphan timeout of sessions. 0s: never.
    #[serde(with = "humantime_serde")]
    pub orphan_timeout: Duration,
    /// Payload bytes of one send, line terminators included.
    pub payload_bytes: usize,
    /// Items of one send.
    pub payload_items: usize,
    /// Sends of one session that wait for the peer to read.
    pub send_queue_sends: usize,
    /// Bytes of the sends of one session that wait for the peer to read; one send may always wait.
    pub send_queue_bytes: usize,
    /// Callers that wait for the turn of one session.
    pub turn_waiters: usize,
    /// Commands of one Attach stream that are not answered yet.
    pub attach_commands: usize,
    /// Bytes of unanswered sends of one session on one Attach stream: its send credit.
    pub attach_send_credit_bytes: usize,
    /// One line, without its end.
    pub line_bytes: usize,
    /// Lines collected for a wait_for.
    pub line_held_lines: usize,
    /// Bytes of lines collected for a wait_for.
    pub line_held_bytes: usize,
    /// A wait_for pattern.
    pub pattern_bytes: usize,
    /// A compiled pattern.
    pub pattern_compiled_bytes: usize,
    /// Nesting of a pattern.
    pub pattern_nesting: u32,
    /// Default connect timeout; requests may ask for up to 60 s.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Default time of an exchange, its wait for the turn included; requests may ask for up to 10 min.
    #[serde(with = "humantime_serde")]
    pub exchange_timeout: Duration,
    /// Default time the turn is kept for the late answer of an exchange that ended unanswered.
    #[serde(with = "humantime_serde")]
    pub settle_timeout: Duration,
    /// How long a graceful close may take: writing what is queued, and the peer's own end.
    #[serde(with = "humantime_serde")]
    pub close_timeout: Duration,
    /// SO_RCVBUF of TCP sockets, so that a paused session does not pile up megabytes in the kernel (which doubles the value).
    /// 0: leave it to the kernel.
    pub socket_receive_buffer_bytes: usize,
    /// SO_RCVBUF of UDP sockets. 0: leave it to the kernel.
    pub udp_receive_buffer_bytes: usize,
    /// Connections accepted by one listener in a second; further ones wait in the kernel's queue. 0: as they come.
    pub accepts_per_second: usize,
    /// Connections waiting to be accepted by one listener.
    pub listen_backlog: u32,
    /// What this process may occupy. 0: what its control group allows, if that has a bound.
    pub memory_bytes: usize,
    /// From this share of it on nothing more is opened.
    pub memory_refuse_percent: u32,
    /// From this share of it on nothing more is read.
    pub memory_pause_percent: u32,
    /// gRPC connections. Further ones are closed at once.
    pub grpc_connections: usize,
    /// gRPC connections of one address, so that one client cannot shut all others out.
    pub grpc_connections_per_peer: usize,
    /// gRPC connections that have not sent their HTTP/2 preface, or are in a TLS handshake. When reached, the oldest of them is closed for the next one.
    pub grpc_handshakes: usize,
    /// Concurrent streams of one gRPC connection.
    pub grpc_streams_per_connection: u32,
    /// Streams of one gRPC connection that its client has reset and the gateway has not dealt with (rapid reset, CVE-2023-44487).
    /// Beyond, the connection is ended.
    pub grpc_pending_resets: usize,
    /// Headers of one request, as RFC 9113 counts them (section 6.5.2); CONTINUATION frames are bounded by it too.
    pub grpc_header_bytes: u32,
    /// One gRPC message to the gateway.
    pub grpc_message_bytes: usize,
    /// Failed authentications of one address in a second, of which a minute's worth may come at once. Beyond, its credentials are not
    /// looked at, but on connections that have shown good ones. 0: no bound.
    pub failed_authentications_per_second: usize,
    /// How long a gRPC connection may take to send its HTTP/2 preface, a TLS handshake included.
    #[serde(with = "humantime_serde")]
    pub grpc_preface_timeout: Duration,
    /// A gRPC connection is told to go (GOAWAY) at this age, so that clients spread anew over several gateways. 0s: never.
    #[serde(with = "humantime_serde")]
    pub grpc_connection_age: Duration,
    /// What is left of a connection this long after it was told to go is cut.
    #[serde(with = "humantime_serde")]
    pub grpc_connection_age_grace: Duration,
    /// Audit records that wait to be written, each of some 300 bytes.
    pub audit_queue_records: usize,
    /// Taps (`Tap` streams) in all.
    pub taps: usize,
    /// What waits for one slow tapper, each record with an overhead of 128 bytes.
    pub tap_queue_bytes: usize,
    /// Connections to the admin port.
    pub admin_connections: usize,
    /// How long a request to the admin port may take to send its headers; an idle connection ends after it as well.
    #[serde(with = "humantime_serde")]
    pub admin_header_timeout: Duration,
    /// How long after SIGTERM the gateway goes on as before, while health says NOT_SERVING already: what sends clients here (the
    /// endpoints of a Kubernetes service, a load balancer) needs a moment to hear of it. 0s: not at all.
    #[serde(with = "humantime_serde")]
    pub drain_delay: Duration,
    /// How long a graceful stop may take, after the delay, before everything is cut.
    #[serde(with = "humantime_serde")]
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const KIB: usize = 1024;
        const MIB: usize = 1024 * KIB;
        Self {
            sessions: 16_384,
            listeners: 256,
            pending_connects: 1024,
            name_lookups: 32,
            subscribers: 4096,
            streams_per_subscriber: 16,
            streams: 16_384,
            watchers: 64,
            subscriber_backlog_bytes: 16 * MIB,
            backlog_bytes: 1024 * MIB,
            session_backlog_bytes: 256 * KIB,
            full_backlog_read_bytes: 4 * KIB,
            subscriber_events: 32_768,
            subscriber_reports: 256,
            subscriber_retained_bytes: MIB,
            batch_envelopes: 256,
            batch_bytes: 128 * KIB,
            stall_timeout: Duration::from_secs(60),
            subscriber_idle_timeout: Duration::from_secs(300),
            orphan_timeout: Duration::from_secs(300),
            payload_bytes: MIB,
            payload_items: 1024,
            send_queue_sends: 128,
            send_queue_bytes: MIB,
            turn_waiters: 256,
            attach_commands: 16_384,
            attach_send_credit_bytes: 256 * KIB,
            line_bytes: 64 * KIB,
            line_held_lines: 4096,
            line_held_bytes: 256 * KIB,
            pattern_bytes: 4 * KIB,
            pattern_compiled_bytes: 256 * KIB,
            pattern_nesting: 50,
            connect_timeout: Duration::from_secs(10),
            exchange_timeout: Duration::from_secs(30),
            settle_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(10),
            socket_receive_buffer_bytes: 128 * KIB,
            udp_receive_buffer_bytes: MIB,
            accepts_per_second: 0,
            listen_backlog: 1024,
            memory_bytes: 0,
            memory_refuse_percent: 85,
            memory_pause_percent: 95,
            grpc_connections: 1024,
            grpc_connections_per_peer: 512,
            grpc_handshakes: 256,
            grpc_streams_per_connection: 1024,
            grpc_pending_resets: 20,
            grpc_header_bytes: 16 * KIB as u32,
            grpc_message_bytes: 2 * MIB,
            failed_authentications_per_second: 1,
            grpc_preface_timeout: Duration::from_secs(10),
            grpc_connection_age: Duration::ZERO,
            grpc_connection_age_grace: Duration::from_secs(300),
            audit_queue_records: 8192,
            taps: 8,
            tap_queue_bytes: MIB,
            admin_connections: 16,
            admin_header_timeout: Duration::from_secs(10),
            drain_delay: Duration::ZERO,
            shutdown_timeout: Duration::from_secs(25),
        }
    }
}

/// The bounds in force. A reload replaces them whole: what is opened after it gets the new ones, and so does every subscriber;
/// a session keeps those it was opened with.
pub struct LiveLimits(ArcSwap<Limits>);

impl LiveLimits {
    /// Bounds to begin with.
    pub fn new(limits: Limits) -> Self {
        Self(ArcSwap::from_pointee(limits))
    }

    /// The bounds now, to be looked at and let go: not across an await.
    pub fn now(&self) -> Guard<Arc<Limits>> {
        self.0.load()
    }

    /// The bounds now, to be kept by what is opened.
    pub fn keep(&self) -> Arc<Limits> {
        self.0.load_full()
    }

    /// Replaces them.
    pub fn replace(&self, limits: Arc<Limits>) {
        self.0.store(limits);
    }
}

/// Bounds of request fields that are part of the API rather than of a deployment.
pub mod fixed {
    use std::time::Duration;

    /// A host name or address (RFC 1035 allows 253 characters).
    pub const HOST_BYTES: usize = 253;
    /// A session id, subscriber name or request id.
    pub const NAME_BYTES: usize = 128;
    /// A bearer token.
    pub const TOKEN_BYTES: usize = 8 * 1024;
    /// Session ids in a Subscribe filter.
    pub const FILTER_SESSIONS: usize = 1024;
    /// File descriptors of the process itself: its logs, its event queue, its ports, lookups and datagrams under way.
    pub const OWN_DESCRIPTORS: usize = 64;
    /// Multicast groups of one UDP socket.
    pub const MULTICAST_GROUPS: usize = 64;
    /// A UDP payload: 65535 less the UDP and IPv4 headers.
    pub const DATAGRAM_BYTES: usize = 65_507;
    /// Rules in each list of the policy.
    pub const POLICY_RULES: usize = 1000;
    /// Entries of one condition of a rule.
    pub const POLICY_RULE_ENTRIES: usize = 1000;
    /// The longest connect timeout.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
    /// The longest exchange or settle timeout.
    pub const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(600);
    /// The longest inactivity or orphan timeout.
    pub const SESSION_TIMEOUT: Duration = Duration::from_secs(86_400);
    /// The longest a graceful close may take where its caller asks for a time.
    pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(3600);
    /// The shortest heartbeat interval.
    pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
    /// The longest page of a list.
    pub const PAGE_SIZE: u32 = 1000;
    /// The page of a list that asks for none.
    pub const DEFAULT_PAGE_SIZE: u32 = 100;
}

impl Limits {
    /// Lowers what takes file descriptors until all of it fits: new clients, and health for whoever watches, must come in although
    /// every session is open. True: something was lowered.
    pub fn fit(&mut self, descriptors: usize) -> bool {
        let own = fixed::OWN_DESCRIPTORS.min(descriptors / 4);
        if own + self.sessions + self.listeners + self.grpc_connections <= descriptors {
            return false;
        }
        self.grpc_connections = self.grpc_connections.min(descriptors / 4).max(1);
        self.listeners = self.listeners.min(descriptors / 8).max(1);
        let left = descriptors.saturating_sub(own + self.grpc_connections + self.listeners);
        self.sessions = self.sessions.min(left).max(1);
        true
    }

    /// The bounds of line framing.
    pub fn line(&self) -> LineLimits {
        LineLimits { line_bytes: self.line_bytes, held_lines: self.line_held_lines, held_bytes: self.line_held_bytes }
    }

    /// The bounds of patterns.
    pub fn pattern(&self) -> PatternLimits {
        PatternLimits {
            pattern_bytes: self.pattern_bytes,
            compiled_bytes: self.pattern_compiled_bytes,
            nest: self.pattern_nesting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_descriptors_is_lowered_until_it_fits_and_only_then() {
        for descriptors in [40, 120, 1024, 4096, 1 << 20] {
            let mut limits = Limits::default();
            let lowered = limits.fit(descriptors);
            let all = limits.sessions + limits.listeners + limits.grpc_connections;
            assert!(all + descriptors.min(256) / 4 <= descriptors, "{descriptors}: {all}");
            assert!(limits.sessions >= (descriptors / 4).min(16_384), "{descriptors}: {}", limits.sessions);
            assert_eq!(lowered, descriptors < 17_728, "{descriptors}");
            assert!(!limits.fit(descriptors), "once is enough");
        }
    }
}
