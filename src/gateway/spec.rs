//! What calls ask for, checked: an invalid spec cannot exist. `api::parse` makes them from messages, `config` from declarations.

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

use crate::{
    envelope::SessionId,
    net::udp::{Membership, SendOptions},
    registry::RequestKey,
    session::{Mode, OnTimeout},
    subscriber::ResumePoint,
};

/// A wait_for as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// None.
    None,
    /// A regular expression, not compiled yet.
    Regex(String),
}

/// How TCP sessions behave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpOptions {
    /// How inbound bytes are delivered.
    pub mode: Mode,
    /// The opener's pattern.
    pub wait_for: Pattern,
    /// Inactivity timeout.
    pub timeout: Option<Duration>,
    /// What happens when it fires; None: close accepted sessions, keep dialled ones.
    pub on_timeout: Option<OnTimeout>,
    /// Keep the sending direction open after the peer ended its own.
    pub allow_half_open: bool,
    /// None: the default; zero: never.
    pub orphan_timeout: Option<Duration>,
}

/// A connection to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectSpec {
    /// A name or an address.
    pub host: Arc<str>,
    /// The port.
    pub port: u16,
    /// Who gets the events.
    pub subscriber: String,
    /// A forced id.
    pub session_id: Option<SessionId>,
    /// How the session behaves.
    pub options: TcpOptions,
    /// None: the default.
    pub connect_timeout: Option<Duration>,
    /// Answer at once.
    pub no_wait: bool,
    /// Guards against opening twice.
    pub request: Option<RequestKey>,
}

/// A listener to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenSpec {
    /// The address to bind.
    pub address: SocketAddr,
    /// Who gets the events.
    pub subscriber: String,
    /// How accepted sessions behave.
    pub options: TcpOptions,
    /// Guards against opening twice.
    pub request: Option<RequestKey>,
}

/// A send.
#[derive(Clone, Debug)]
pub struct SendSpec {
    /// On which session.
    pub session_id: String,
    /// What, line terminators included.
    pub items: Vec<Bytes>,
    /// Who claims the data; empty: nobody.
    pub subscriber: String,
    /// The claim's pattern; None: inherited.
    pub wait_for: Option<Pattern>,
    /// A new inactivity timeout; zero: none.
    pub timeout: Option<Duration>,
    /// The write offset the caller counts on.
    pub expected_offset: Option<u64>,
    /// Put a `sent` on the events output.
    pub emit_sent: bool,
}

/// An exchange.
#[derive(Clone, Debug)]
pub struct ExchangeCall {
    /// On which session.
    pub session_id: String,
    /// What to send; may be nothing.
    pub items: Vec<Bytes>,
    /// What completes the answer.
    pub wait_for: Pattern,
    /// None: the default.
    pub timeout: Option<Duration>,
    /// None: the default.
    pub settle: Option<Duration>,
    /// Abort the session when the answer does not come.
    pub abort_unanswered: bool,
    /// The write offset the caller counts on.
    pub expected_offset: Option<u64>,
}

/// A session to close.
#[derive(Clone, Debug)]
pub struct DisconnectSpec {
    /// Which.
    pub session_id: String,
    /// By RST.
    pub abort: bool,
    /// Who gets `disconnecting`; empty: the opener.
    pub subscriber: String,
    /// How long a graceful close may take; None: `limits.close_timeout`.
    pub close_timeout: Option<Duration>,
}

/// A listener to close.
#[derive(Clone, Debug)]
pub struct UnlistenSpec {
    /// Which.
    pub listener_id: String,
    /// Its sessions too.
    pub close_sessions: bool,
}

/// A UDP socket to bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpInSpec {
    /// The address to bind.
    pub address: SocketAddr,
    /// The groups to join.
    pub groups: Vec<Membership>,
    /// Deliver text where it is valid UTF-8.
    pub utf8: bool,
    /// SO_REUSEADDR.
    pub reuse_address: bool,
    /// Who gets the events.
    pub subscriber: String,
    /// A forced id.
    pub session_id: Option<SessionId>,
    /// None: the default; zero: never.
    pub orphan_timeout: Option<Duration>,
    /// Inactivity timeout.
    pub timeout: Option<Duration>,
    /// What happens when it fires.
    pub on_timeout: OnTimeout,
    /// Guards against opening twice.
    pub request: Option<RequestKey>,
}

/// A datagram to send.
#[derive(Clone, Debug)]
pub struct DatagramSpec {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What.
    pub payload: Bytes,
    /// How.
    pub options: SendOptions,
    /// From which session's socket.
    pub session_id: Option<String>,
    /// Who claims the data, and gets the reports; empty: nobody claims.
    pub subscriber: String,
    /// Put a `sent` on the events output.
    pub emit_sent: bool,
}

/// A stream to attach.
#[derive(Clone, Debug)]
pub struct SubscribeSpec {
    /// To whom.
    pub subscriber: String,
    /// The events output.
    pub events: bool,
    /// The data output.
    pub data: bool,
    /// Only these.
    pub session_ids: Option<Arc<HashSet<String>>>,
    /// Instance and resume point.
    pub resume: Option<(String, ResumePoint)>,
    /// Heartbeats.
    pub heartbeat: Option<Duration>,
    /// Delivered when acked.
    pub acknowledged: bool,
}

impl UdpInSpec {
    /// The groups as text.
    pub fn group_names(&self) -> Arc<[String]> {
        self.groups.iter().map(|membership| membership.group.to_string()).collect()
    }

    /// The unspecified address of a family.
    pub fn any(ipv6: bool) -> IpAddr {
        if ipv6 { IpAddr::from([0_u16; 8]) } else { IpAddr::from([0_u8; 4]) }
    }
}
