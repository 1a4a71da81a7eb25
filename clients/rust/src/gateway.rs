//! A `Gateway`: the way to one gateway, and what it opens.

use std::{env, fmt, net::SocketAddr, sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::{
    channel::{Channels, Sessions, Sockets},
    error::Error,
    events::{address, ends_of},
    inbox::Inbox,
    link::Link,
    listener::Listener,
    options::{Options, TcpOptions, UdpOptions, duration},
    payload, proto,
    session::Session,
    udp::UdpSocket,
};

/// The gateway that `Gateway::from_env` talks to where nothing else is said.
pub const DEFAULT_TARGET: &str = "127.0.0.1:50051";

/// One gateway, one stream for everything that this program opens there. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    link: Arc<Owner>,
}

/// Ends the stream when the last `Gateway`, session, listener and socket is dropped.
pub(crate) struct Owner {
    pub(crate) link: Arc<Link>,
    task: JoinHandle<()>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("subscriber", &self.subscriber()).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Opens the way to the gateway at `target` (`host:port`, or a URL with `http` or `https`), with default options.
    ///
    /// # Errors
    /// `Unreachable`, or what the gateway says.
    pub async fn open(target: &str) -> Result<Self, Error> {
        Self::open_with(target, Options::default()).await
    }

    /// As `open`, with options.
    ///
    /// # Errors
    /// `Unreachable`, `Invalid`, or what the gateway says.
    pub async fn open_with(target: &str, options: Options) -> Result<Self, Error> {
        let channels = Channels::new(target, &options)?;
        let subscriber = options.subscriber.unwrap_or_else(|| format!("rust-{}", Uuid::new_v4()));
        let opened = Link::open(channels, subscriber, options.reconnect_for, options.heartbeat).await;
        let (link, down) = opened.map_err(|error| match error {
            Error::Unreachable(why) => Error::Unreachable(format!("{target}: {why}")),
            other => other,
        })?;
        let task = tokio::spawn(Arc::clone(&link).run(down));
        Ok(Self { link: Arc::new(Owner { link, task }) })
    }

    /// Opens the way to the gateway that the environment names: SOCKET_GATEWAY_TARGET, SOCKET_GATEWAY_TOKEN; by default the one
    /// on this machine.
    ///
    /// # Errors
    /// As `open_with`.
    pub async fn from_env() -> Result<Self, Error> {
        let target = env::var("SOCKET_GATEWAY_TARGET").unwrap_or_else(|_| DEFAULT_TARGET.to_owned());
        let options = Options { token: env::var("SOCKET_GATEWAY_TOKEN").ok(), ..Options::default() };
        Self::open_with(&target, options).await
    }

    /// The generated clients alone, with the credentials of these options: for programs that only ask. Connects with the first call.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn calls(target: &str, options: &Options) -> Result<(Sockets, Sessions), Error> {
        let channels = Channels::new(target, options)?;
        Ok((channels.sockets(), channels.sessions()))
    }

    /// The name of this program's receiver.
    pub fn subscriber(&self) -> &str {
        &self.link.link.subscriber
    }

    /// Dials. Answers when the connection stands.
    ///
    /// # Errors
    /// What the gateway says, above all `Reason::ConnectFailed` with its errno.
    pub async fn connect(&self, host: &str, port: u16, options: TcpOptions) -> Result<Session, Error> {
        let id = options.session_id.unwrap_or_else(|| format!("sess-{}", Uuid::new_v4()));
        let request = proto::TcpConnectRequest {
            host: host.to_owned(),
            port: port.into(),
            subscriber: self.subscriber().to_owned(),
            session_id: id.clone(),
            mode: options.mode.into(),
            wait_for: options.wait_for,
            timeout: duration(options.timeout)?,
            on_timeout: options.on_timeout.into(),
            connect_timeout: duration(options.connect_timeout)?,
            no_wait: options.no_wait,
            allow_half_open: options.allow_half_open,
            orphan_timeout: duration(options.orphan_timeout)?,
            request_id: options.request_id,
            ..Default::default()
        };
        let link = &self.link.link;
        // Before the call: the first envelopes may overtake its answer.
        let inbox = link.enter(Inbox::new(id));
        match link.sockets().tcp_connect(request).await {
            Ok(answer) => {
                let ends = answer.into_inner().connected.as_ref().and_then(ends_of);
                if let Some(ends) = ends {
                    inbox.lock().ends = Some(ends);
                }
                Ok(Session::new(Arc::clone(&self.link), inbox, false))
            }
            Err(status) => {
                link.forget(&inbox);
                Err(status.into())
            }
        }
    }

    /// Listens on a port of the gateway; 0 picks one. `host` is the address to bind; empty: all.
    ///
    /// # Errors
    /// What the gateway says, above all `Reason::ServerError` with its errno.
    pub async fn listen(&self, host: &str, port: u16, options: TcpOptions) -> Result<Listener, Error> {
        let request = proto::TcpListenRequest {
            host: host.to_owned(),
            port: port.into(),
            subscriber: self.subscriber().to_owned(),
            mode: options.mode.into(),
            wait_for: options.wait_for,
            timeout: duration(options.timeout)?,
            on_timeout: options.on_timeout.into(),
            allow_half_open: options.allow_half_open,
            orphan_timeout: duration(options.orphan_timeout)?,
            request_id: options.request_id,
            ..Default::default()
        };
        let answer = self.sockets().tcp_listen(request).await?.into_inner();
        let local = local(answer.listening.as_ref())?;
        let accepting = self.link.link.listener(&answer.listener_id);
        Ok(Listener::new(Arc::clone(&self.link), answer.listener_id, local, accepting))
    }

    /// Binds a UDP socket of the gateway; port 0 picks one.
    ///
    /// # Errors
    /// What the gateway says, above all `Reason::UdpError` with its errno.
    pub async fn udp_in(&self, port: u16, options: UdpOptions) -> Result<UdpSocket, Error> {
        let id = options.session_id.unwrap_or_else(|| format!("sess-{}", Uuid::new_v4()));
        let request = proto::UdpInRequest {
            host: options.host,
            port: port.into(),
            multicast_groups: options.groups,
            mode: options.mode.into(),
            reuse_address: options.reuse_address,
            subscriber: self.subscriber().to_owned(),
            session_id: id.clone(),
            orphan_timeout: duration(options.orphan_timeout)?,
            request_id: options.request_id,
            timeout: duration(options.timeout)?,
            ..Default::default()
        };
        let link = &self.link.link;
        let inbox = link.enter(Inbox::new(id));
        let answer = link.sockets().udp_in(request).await;
        match answer.map_err(Error::from).and_then(|answer| local(answer.into_inner().listening.as_ref())) {
            Ok(local) => Ok(UdpSocket::new(Session::new(Arc::clone(&self.link), inbox, false), local)),
            Err(error) => {
                link.forget(&inbox);
                Err(error)
            }
        }
    }

    /// Sends one datagram from a socket of its own. Gives its size in bytes.
    ///
    /// # Errors
    /// What the gateway says, above all `Reason::UdpSendFailed`.
    pub async fn udp_out(&self, host: &str, port: u16, datagram: impl Into<bytes::Bytes>) -> Result<u32, Error> {
        self.udp_out_with(proto::UdpOutRequest {
            host: host.to_owned(),
            port: port.into(),
            payload: Some(payload::datagram(datagram.into())),
            ..Default::default()
        })
        .await
    }

    /// As `udp_out`, with all that `UdpOut` offers: broadcast, multicast TTL, interface.
    ///
    /// # Errors
    /// What the gateway says.
    pub async fn udp_out_with(&self, request: proto::UdpOutRequest) -> Result<u32, Error> {
        Ok(self.link.link.udp_out(request).await?.bytes)
    }

    /// A session that lives already, opened by another program or an earlier life of this one. Its data comes here from the first
    /// `send` or `claim` on. Dropping it does not close it.
    ///
    /// # Errors
    /// `Reason::SessionNotFound`.
    pub async fn session(&self, id: &str) -> Result<Session, Error> {
        let request = proto::GetSessionRequest { session_id: id.to_owned(), ..Default::default() };
        self.sessions().get_session(request).await?;
        let inbox = self.link.link.adopt(id);
        Ok(Session::new(Arc::clone(&self.link), inbox, true))
    }

    /// The generated client, with this `Gateway`'s credentials, for what the layer does not show.
    pub fn sockets(&self) -> Sockets {
        self.link.link.sockets()
    }

    /// The generated client of the service that lists and watches, with this `Gateway`'s credentials.
    pub fn sessions(&self) -> Sessions {
        self.link.link.channels.sessions()
    }

    /// Ends the stream: everything opened here fails with `GatewayClosed` from now on, and the gateway closes what nobody takes up
    /// within the orphan timeout. Dropping everything does the same.
    pub fn close(&self) {
        self.link.link.end(&Error::GatewayClosed);
        self.link.task.abort();
    }
}

fn local(listening: Option<&proto::Listening>) -> Result<SocketAddr, Error> {
    listening
        .and_then(|listening| address(&listening.local_host, listening.local_port))
        .ok_or_else(|| Error::Unreachable("the answer has no address".to_owned()))
}

/// How long the last words of what is dropped may take.
pub(crate) const FAREWELL: Duration = Duration::from_secs(5);
