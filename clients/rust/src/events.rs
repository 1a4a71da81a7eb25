//! What sessions tell: data, events, and how they ended.

use std::{fmt, io, net::SocketAddr};

use bytes::Bytes;

pub use crate::proto::CloseReason;
use crate::{
    error::Failure,
    proto::{self, data::Payload, envelope::Detail, line::Content},
};

/// One line without its line end. Not every line of the world is UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Valid UTF-8.
    Text(String),
    /// Anything else, as it came.
    Bytes(Bytes),
}

impl Line {
    /// The line as it came.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// The line as text, with U+FFFD for what is not UTF-8.
    pub fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Bytes(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
        }
    }
}

impl PartialEq<str> for Line {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Line {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl From<proto::Line> for Line {
    fn from(line: proto::Line) -> Self {
        match line.content {
            Some(Content::Text(text)) => Self::Text(text),
            Some(Content::Bytes(bytes)) => Self::Bytes(bytes),
            None => Self::Text(String::new()),
        }
    }
}

/// One capture group of a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Its name; empty where it has none.
    pub name: String,
    /// What it matched; None where it took no part.
    pub value: Option<Line>,
}

impl From<proto::Capture> for Capture {
    fn from(capture: proto::Capture) -> Self {
        let value = capture.value.filter(|_| capture.participated).map(Line::from);
        Self { name: capture.name, value }
    }
}

/// What `wait_for` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The lines before the match, oldest first.
    pub lines: Vec<Line>,
    /// The line, or the unfinished rest of one, that matched.
    pub matched: Line,
    /// The pattern's capture groups.
    pub captures: Vec<Capture>,
}

/// One UDP datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Its sender.
    pub from: SocketAddr,
    /// Its payload, which may be empty.
    pub payload: Bytes,
    /// How many datagrams were dropped just before this one, by a full backlog or by the kernel.
    pub dropped_before: u64,
}

impl Datagram {
    /// Its payload as text, where it is valid UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.payload).ok()
    }
}

/// Inbound data of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Binary mode: what one read brought.
    Chunk(Bytes),
    /// Line mode.
    Line(Line),
    /// Line mode with `wait_for`.
    Match(Match),
    /// Line mode with `wait_for`: lines handed over without a match, because the claim moved, a limit was reached or the session
    /// ended.
    Flushed {
        /// The lines.
        lines: Vec<Line>,
        /// Whether the last of them has no line end.
        last_unfinished: bool,
    },
    /// UDP.
    Datagram(Datagram),
}

/// What happened to a session, beside its data.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The connection is being made.
    Connecting,
    /// The connection is open.
    Connected(Ends),
    /// A UDP socket is bound.
    Listening,
    /// The peer ended its direction; the session can still send.
    HalfClosed,
    /// The session was inactive for its timeout.
    Timeout(Failure),
    /// A close was asked for.
    Disconnecting,
    /// Something failed.
    Failed(Failure),
    /// The session has ended: the last event.
    Disconnected(Closed),
}

/// Both ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The peer.
    pub peer: SocketAddr,
    /// The gateway's end.
    pub local: SocketAddr,
}

/// How a session ended.
#[derive(Clone, Debug)]
pub struct Closed {
    /// Why.
    pub reason: CloseReason,
    /// Bytes read from the peer.
    pub received: u64,
    /// Bytes taken by the gateway's operating system.
    pub sent: u64,
    /// The error that came before, where there was one.
    pub failure: Option<Box<Failure>>,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            CloseReason::PeerClosed => "the peer closed the connection",
            CloseReason::PeerReset => "the peer reset the connection",
            CloseReason::ByRequest => "closed by request",
            CloseReason::Timeout => "it was inactive for its timeout",
            CloseReason::Abort => "it was aborted",
            CloseReason::Orphaned => "nobody was attached to it",
            CloseReason::Shutdown => "the gateway shut down",
            CloseReason::Replaced => "its place was taken by another",
            CloseReason::Error => "it failed",
            CloseReason::Unspecified => "for a reason this client does not know",
        })?;
        match &self.failure {
            Some(failure) => write!(f, " ({failure})"),
            None => Ok(()),
        }
    }
}

impl Closed {
    /// Whether the peer, or somebody here, ended it in order.
    pub fn is_orderly(&self) -> bool {
        matches!(self.reason, CloseReason::PeerClosed | CloseReason::ByRequest)
    }

    pub(crate) fn io_kind(&self) -> io::ErrorKind {
        match self.reason {
            CloseReason::PeerClosed | CloseReason::ByRequest => io::ErrorKind::BrokenPipe,
            CloseReason::PeerReset => io::ErrorKind::ConnectionReset,
            CloseReason::Timeout => io::ErrorKind::TimedOut,
            _ => io::ErrorKind::ConnectionAborted,
        }
    }
}

/// What an envelope of a session is to this client.
pub(crate) enum Told {
    Data(Data),
    Event(Event),
    /// Nothing it shows (an event that a newer gateway has).
    Nothing,
}

pub(crate) fn told(envelope: proto::Envelope) -> Told {
    use proto::Event as Happened;
    let happened = envelope.event();
    match (happened, envelope.detail) {
        (Happened::Data, Some(Detail::Data(data))) => match data.payload {
            Some(payload) => Told::Data(data_of(payload, envelope.dropped_before)),
            None => Told::Nothing,
        },
        (Happened::Connecting, _) => Told::Event(Event::Connecting),
        (Happened::Connected, Some(Detail::Connected(ends))) => match ends_of(&ends) {
            Some(ends) => Told::Event(Event::Connected(ends)),
            None => Told::Nothing,
        },
        (Happened::Listening, _) => Told::Event(Event::Listening),
        (Happened::HalfClosed, _) => Told::Event(Event::HalfClosed),
        (Happened::Disconnecting, _) => Told::Event(Event::Disconnecting),
        (Happened::Timeout | Happened::Error, _) => {
            let failure = Failure::of_envelope(&envelope.error_code, envelope.error_text, envelope.error_metadata);
            Told::Event(if happened == Happened::Timeout { Event::Timeout(failure) } else { Event::Failed(failure) })
        }
        (Happened::Disconnected, Some(Detail::Disconnected(end))) => Told::Event(Event::Disconnected(Closed {
            reason: end.reason(),
            received: end.bytes_received,
            sent: end.bytes_sent,
            failure: None,
        })),
        _ => Told::Nothing,
    }
}

fn data_of(payload: Payload, dropped_before: u64) -> Data {
    match payload {
        Payload::Bytes(bytes) => Data::Chunk(bytes),
        Payload::Text(text) => Data::Line(Line::Text(text)),
        Payload::Match(found) => Data::Match(Match {
            lines: found.lines.into_iter().map(Line::from).collect(),
            matched: found.r#match.map_or_else(|| Line::Text(String::new()), Line::from),
            captures: found.captures.into_iter().map(Capture::from).collect(),
        }),
        Payload::Flushed(flushed) => Data::Flushed {
            lines: flushed.lines.into_iter().map(Line::from).collect(),
            last_unfinished: flushed.last_unfinished,
        },
        Payload::Datagram(datagram) => {
            let from = address(&datagram.remote_host, datagram.remote_port);
            let payload = match datagram.payload {
                Some(proto::datagram::Payload::Bytes(bytes)) => bytes,
                Some(proto::datagram::Payload::Text(text)) => text.into(),
                None => Bytes::new(),
            };
            let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
            Data::Datagram(Datagram { from: from.unwrap_or(unspecified), payload, dropped_before })
        }
    }
}

pub(crate) fn ends_of(ends: &proto::Connected) -> Option<Ends> {
    let peer = address(&ends.remote_host, ends.remote_port)?;
    Some(Ends { peer, local: address(&ends.local_host, ends.local_port)? })
}

pub(crate) fn address(host: &str, port: u32) -> Option<SocketAddr> {
    // A zone follows a link-local address, as a name or a number: std reads numbers only.
    let bare = host.split('%').next()?;
    Some(SocketAddr::new(bare.parse().ok()?, u16::try_from(port).ok()?))
}
