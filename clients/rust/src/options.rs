//! How things are opened. Every option has a default, so that `Options::default()` and the like do.

use std::time::Duration;

use crate::{
    error::Error,
    proto::{self, TcpMode, TimeoutAction},
};

/// How a `Gateway` is opened.
#[derive(Clone)]
pub struct Options {
    pub(crate) subscriber: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) tls: Option<Tls>,
    pub(crate) reconnect_for: Duration,
    pub(crate) heartbeat: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            subscriber: None,
            token: None,
            tls: None,
            reconnect_for: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
        }
    }
}

impl Options {
    /// The name of this program's receiver. Default: a name of its own. With a fixed name, data that came while the program was
    /// away is delivered when it is back; two programs with one name each get everything.
    #[must_use]
    pub fn subscriber(mut self, name: impl Into<String>) -> Self {
        self.subscriber = Some(name.into());
        self
    }

    /// The bearer token that every call carries.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Speak TLS.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// How long a stream that broke is tried to be had again. Default: 60 s.
    #[must_use]
    pub fn reconnect_for(mut self, time: Duration) -> Self {
        self.reconnect_for = time;
        self
    }

    /// How often the gateway says something when there is nothing to say; three times that without a word, and the stream counts as
    /// broken. At least 1 s. Default: 15 s.
    #[must_use]
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval.max(Duration::from_secs(1));
        self
    }
}

/// Who the gateway must be, and who this program is.
#[derive(Clone)]
pub struct Tls {
    pub(crate) ca: Vec<u8>,
    pub(crate) server_name: Option<String>,
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Tls {
    /// Trusts gateways whose certificate is signed by one of these certificate authorities, in PEM.
    pub fn trusting(ca_pem: impl Into<Vec<u8>>) -> Self {
        Self { ca: ca_pem.into(), server_name: None, identity: None }
    }

    /// The name in the gateway's certificate, where it is not the target's host.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Shows a certificate of one's own (mutual TLS), in PEM.
    #[must_use]
    pub fn identity(mut self, certificate_pem: impl Into<Vec<u8>>, key_pem: impl Into<Vec<u8>>) -> Self {
        self.identity = Some((certificate_pem.into(), key_pem.into()));
        self
    }
}

/// How a TCP session behaves: for `Gateway::connect` and `Gateway::listen`.
#[derive(Clone, Debug, Default)]
pub struct TcpOptions {
    pub(crate) mode: TcpMode,
    pub(crate) wait_for: String,
    pub(crate) timeout: Option<Duration>,
    pub(crate) on_timeout: TimeoutAction,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) no_wait: bool,
    pub(crate) allow_half_open: bool,
    pub(crate) orphan_timeout: Option<Duration>,
    pub(crate) session_id: Option<String>,
    pub(crate) request_id: String,
}

impl TcpOptions {
    /// Bytes as they come: what `Default` gives.
    pub fn binary() -> Self {
        Self { mode: TcpMode::Binary, ..Self::default() }
    }

    /// Inbound data is split into lines at \r\n, \n or \r.
    pub fn lines() -> Self {
        Self { mode: TcpMode::Line, ..Self::default() }
    }

    /// Lines are collected until one matches this regular expression (of the Rust `regex` crate), or the unfinished rest of one,
    /// as prompts are. Implies lines.
    pub fn wait_for(pattern: impl Into<String>) -> Self {
        Self { mode: TcpMode::Line, wait_for: pattern.into(), ..Self::default() }
    }

    /// Inactivity after which `Event::Timeout` comes. Default: never.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// Whether the session ends with its timeout. Default: accepted ones do, dialled ones do not.
    #[must_use]
    pub fn close_on_timeout(mut self, close: bool) -> Self {
        self.on_timeout = if close { TimeoutAction::Close } else { TimeoutAction::Keep };
        self
    }

    /// How long connecting may take, at most 60 s. Default: the gateway's.
    #[must_use]
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = Some(time);
        self
    }

    /// `connect` answers at once; `Session::connected` waits for the connection.
    #[must_use]
    pub fn no_wait(mut self) -> Self {
        self.no_wait = true;
        self
    }

    /// Stay open for sending when the peer has ended its own direction.
    #[must_use]
    pub fn allow_half_open(mut self) -> Self {
        self.allow_half_open = true;
        self
    }

    /// How long the session may live when nobody is attached to it; zero: for ever. Default: the gateway's.
    #[must_use]
    pub fn orphan_timeout(mut self, time: Duration) -> Self {
        self.orphan_timeout = Some(time);
        self
    }

    /// The session's id, instead of one made up. Not for listeners.
    #[must_use]
    pub fn session_id(mut self, id: impl Into<String>) -> Self {
        self.session_id = Some(id.into());
        self
    }

    /// An id for this call: a retry with the same one finds the session of the first.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = id.into();
        self
    }
}

/// How a UDP socket is bound.
#[derive(Clone, Debug, Default)]
pub struct UdpOptions {
    pub(crate) host: String,
    pub(crate) mode: proto::UdpMode,
    pub(crate) groups: Vec<proto::MulticastGroup>,
    pub(crate) reuse_address: Option<bool>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) orphan_timeout: Option<Duration>,
    pub(crate) session_id: Option<String>,
    pub(crate) request_id: String,
}

impl UdpOptions {
    /// The address to bind. Default: all.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// Datagrams that are valid UTF-8 travel as text: for other receivers of the same data, here there is no difference.
    #[must_use]
    pub fn utf8(mut self) -> Self {
        self.mode = proto::UdpMode::Utf8;
        self
    }

    /// Joins a multicast group; may be called several times. `interface` is a name, or for IPv4 its address; empty: the system
    /// chooses.
    #[must_use]
    pub fn group(mut self, address: impl Into<String>, interface: impl Into<String>) -> Self {
        self.groups.push(proto::MulticastGroup { address: address.into(), interface: interface.into() });
        self
    }

    /// SO_REUSEADDR. Default: with groups only.
    #[must_use]
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.reuse_address = Some(reuse);
        self
    }

    /// Inactivity after which `Event::Timeout` comes.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// As for TCP.
    #[must_use]
    pub fn orphan_timeout(mut self, time: Duration) -> Self {
        self.orphan_timeout = Some(time);
        self
    }

    /// As for TCP.
    #[must_use]
    pub fn session_id(mut self, id: impl Into<String>) -> Self {
        self.session_id = Some(id.into());
        self
    }

    /// As for TCP.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = id.into();
        self
    }
}

pub(crate) fn duration(time: Option<Duration>) -> Result<Option<prost_types::Duration>, Error> {
    let convert = |time: Duration| time.try_into().map_err(|_| Error::Invalid(format!("{time:?} is too long")));
    time.map(convert).transpose()
}
