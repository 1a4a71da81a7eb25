//! What a session is, and where it is in its life.

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
}
