//! The domain's nouns: ids, envelopes and what they carry. No protobuf and no I/O.
//!
//! An `Envelope` is made where something happens and travels unchanged to the streams of a subscriber; its sequence number is
//! given when it leaves the backlog. It is cheap to clone: payloads and ids are shared.

use std::{fmt, net::SocketAddr, sync::Arc, time::SystemTime};

use bytes::Bytes;

use crate::{error::Error, framing::Frame, limits::ENVELOPE_OVERHEAD_BYTES};

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// An id with this text.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The shared text.
            pub fn text(&self) -> &Arc<str> {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

id_type!(
    /// The id of a session.
    SessionId
);
id_type!(
    /// The id of a listener.
    ListenerId
);

impl SessionId {
    /// A fresh id.
    pub fn random() -> Self {
        Self::new(format!("sess-{}", uuid::Uuid::new_v4()))
    }
}

impl ListenerId {
    /// A fresh id.
    pub fn random() -> Self {
        Self::new(format!("lstn-{}", uuid::Uuid::new_v4()))
    }
}

/// The id of a send, unique within the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(pub u64);

impl MessageId {
    /// As callers see it. Made for every send, so not with the machinery of formatting.
    pub fn text(self) -> String {
        let (prefix, mut digits) = ("msg-", itoa::Buffer::new());
        let digits = digits.format(self.0);
        let mut text = String::with_capacity(prefix.len() + digits.len());
        text.push_str(prefix);
        text.push_str(digits);
        text
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// One of the two outputs of a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Lifecycle events, errors and answers.
    Events,
    /// Inbound data.
    Data,
}

/// What kind of socket a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Dialled.
    TcpOutbound,
    /// Accepted.
    TcpInbound,
    /// A UDP socket.
    Udp,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::TcpOutbound, Self::TcpInbound, Self::Udp];

    /// A name for labels and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TcpOutbound => "tcp_outbound",
            Self::TcpInbound => "tcp_inbound",
            Self::Udp => "udp",
        }
    }
}

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The connection is being made.
    Connecting,
    /// The connection is open.
    Connected,
    /// The peer has ended its direction.
    HalfClosed,
    /// A close is under way.
    Disconnecting,
    /// A UDP socket is bound.
    Listening,
}

impl State {
    /// All states.
    pub const ALL: [Self; 5] =
        [Self::Connecting, Self::Connected, Self::HalfClosed, Self::Disconnecting, Self::Listening];

    /// A name for messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::HalfClosed => "half-closed",
            Self::Disconnecting => "disconnecting",
            Self::Listening => "listening",
        }
    }

    /// A name for labels and records.
    pub const fn as_label(self) -> &'static str {
        match self {
            Self::HalfClosed => "half_closed",
            other => other.as_str(),
        }
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The peer ended the connection.
    PeerClosed,
    /// The peer reset the connection.
    PeerReset,
    /// A disconnect was asked for.
    ByRequest,
    /// Inactivity.
    Timeout,
    /// An abort was asked for, or the dial was given up by its caller.
    Abort,
    /// Nobody attended to it.
    Orphaned,
    /// The gateway shut down.
    Shutdown,
    /// Its place was taken by another.
    Replaced,
    /// An error, told by an envelope before.
    Error,
}

impl CloseReason {
    /// All reasons.
    pub const ALL: [Self; 9] = [
        Self::PeerClosed,
        Self::PeerReset,
        Self::ByRequest,
        Self::Timeout,
        Self::Abort,
        Self::Orphaned,
        Self::Shutdown,
        Self::Replaced,
        Self::Error,
    ];

    /// A name for labels and records.
    pub const fn as_label(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer_closed",
            Self::PeerReset => "peer_reset",
            Self::ByRequest => "by_request",
            other => other.as_str(),
        }
    }

    /// A name for logs and metadata.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer closed",
            Self::PeerReset => "peer reset",
            Self::ByRequest => "by request",
            Self::Timeout => "timeout",
            Self::Abort => "abort",
            Self::Orphaned => "orphaned",
            Self::Shutdown => "shutdown",
            Self::Replaced => "replaced",
            Self::Error => "error",
        }
    }
}

/// Both ends of an open TCP connection, IPv4-mapped addresses shown as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The gateway's end.
    pub local: SocketAddr,
    /// The peer's end.
    pub remote: SocketAddr,
}

/// What an envelope says.
#[derive(Clone, Debug)]
pub enum Body {
    /// An outbound connection is being made.
    Connecting {
        /// As the caller gave it.
        host: Arc<str>,
        /// The port.
        port: u16,
    },
    /// A TCP connection is open.
    Connected(Ends),
    /// A listener or a UDP socket is bound.
    Listening {
        /// The bound address.
        local: SocketAddr,
        /// UDP: the groups joined.
        groups: Arc<[String]>,
    },
    /// Inbound bytes of a TCP session.
    Data(Frame),
    /// An inbound datagram.
    Datagram {
        /// Who sent it.
        from: SocketAddr,
        /// What it holds.
        payload: Bytes,
        /// Whether to deliver it as text where it is valid UTF-8.
        utf8: bool,
    },
    /// A TCP send was taken whole by the operating system.
    Sent {
        /// The send's id.
        message_id: MessageId,
        /// How many items.
        chunk_count: u32,
    },
    /// A datagram was taken by the operating system.
    DatagramSent {
        /// The send's id.
        message_id: MessageId,
        /// Where it went.
        to: SocketAddr,
        /// Its size.
        bytes: u32,
    },
    /// The peer ended its direction.
    HalfClosed,
    /// A close was asked for.
    Disconnecting,
    /// The session has ended.
    Disconnected {
        /// Why.
        reason: CloseReason,
        /// Bytes read.
        received: u64,
        /// Bytes written.
        sent: u64,
    },
    /// The listener has ended.
    Closed,
    /// The session was inactive for its timeout.
    TimedOut(Arc<Error>),
    /// Something failed.
    Failed(Arc<Error>),
}

/// One message that leaves on an output.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// When it was emitted.
    pub time: SystemTime,
    /// The session concerned.
    pub session: Option<SessionId>,
    /// The listener concerned.
    pub listener: Option<ListenerId>,
    /// What it says.
    pub body: Body,
    /// How many envelopes were dropped on this output of this session just before it.
    pub dropped_before: u64,
}

impl Envelope {
    /// An envelope of a session, emitted now.
    pub fn of_session(session: &SessionId, body: Body) -> Self {
        Self { time: SystemTime::now(), session: Some(session.clone()), listener: None, body, dropped_before: 0 }
    }

    /// An envelope of a listener, emitted now.
    pub fn of_listener(listener: &ListenerId, body: Body) -> Self {
        Self { time: SystemTime::now(), session: None, listener: Some(listener.clone()), body, dropped_before: 0 }
    }

    /// An envelope that concerns neither, emitted now.
    pub fn of_gateway(body: Body) -> Self {
        Self { time: SystemTime::now(), session: None, listener: None, body, dropped_before: 0 }
    }

    /// Names the listener as well.
    #[must_use]
    pub fn with_listener(mut self, listener: Option<&ListenerId>) -> Self {
        self.listener = listener.cloned();
        self
    }

    /// Which output it leaves on.
    pub fn output(&self) -> Output {
        match self.body {
            Body::Data(_) | Body::Datagram { .. } => Output::Data,
            _ => Output::Events,
        }
    }

    /// What it counts towards a backlog, in bytes.
    pub fn cost(&self) -> usize {
        ENVELOPE_OVERHEAD_BYTES
            + match &self.body {
                Body::Data(frame) => frame.content.len(),
                Body::Datagram { payload, .. } => payload.len(),
                _ => 0,
            }
    }
}
