//! A UDP socket that the gateway holds.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::{
    error::Error,
    events::{Closed, Data, Datagram, Event},
    payload, proto,
    session::Session,
};

/// A bound UDP socket of the gateway. It is closed when it is dropped.
#[derive(Debug)]
pub struct UdpSocket {
    session: Session,
    local: SocketAddr,
}

impl UdpSocket {
    pub(crate) fn new(session: Session, local: SocketAddr) -> Self {
        Self { session, local }
    }

    /// Its session id.
    pub fn id(&self) -> &str {
        self.session.id()
    }

    /// The address and port it is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The next datagram; None when the socket was closed. Dropping the future loses none.
    ///
    /// # Errors
    /// How it ended where that was not in order.
    pub async fn recv(&self) -> Result<Option<Datagram>, Error> {
        loop {
            match self.session.next().await? {
                None => return Ok(None),
                Some(Data::Datagram(datagram)) => return Ok(Some(datagram)),
                Some(_) => {}
            }
        }
    }

    /// Answers a datagram from the port it came to.
    ///
    /// # Errors
    /// As `send_to`.
    pub async fn reply(&self, to: &Datagram, payload: impl Into<Bytes>) -> Result<(), Error> {
        self.send_to(&to.from.ip().to_string(), to.from.port(), payload).await
    }

    /// Sends a datagram from this socket.
    ///
    /// # Errors
    /// What the gateway says, above all `Reason::UdpSendFailed`.
    pub async fn send_to(&self, host: &str, port: u16, datagram: impl Into<Bytes>) -> Result<(), Error> {
        self.send_with(proto::UdpOutRequest {
            host: host.to_owned(),
            port: port.into(),
            payload: Some(payload::datagram(datagram.into())),
            ..Default::default()
        })
        .await
    }

    /// As `send_to`, with all that `UdpOut` offers: broadcast, multicast TTL, interface.
    ///
    /// # Errors
    /// What the gateway says.
    pub async fn send_with(&self, mut request: proto::UdpOutRequest) -> Result<(), Error> {
        request.session_id = self.id().to_owned();
        let link = &self.session.owner().link;
        request.subscriber.clone_from(&link.subscriber);
        link.udp_out(request).await.map(drop)
    }

    /// The next event; None after the last.
    ///
    /// # Errors
    /// `GatewayRestarted` and the like.
    pub async fn next_event(&self) -> Result<Option<Event>, Error> {
        self.session.next_event().await
    }

    /// Closes it.
    ///
    /// # Errors
    /// What the gateway says. One that has ended already is no error.
    pub async fn close(&self) -> Result<(), Error> {
        self.session.disconnect().await
    }

    /// Waits for the end, and tells how it came.
    ///
    /// # Errors
    /// `GatewayRestarted` and the like.
    pub async fn closed(&self) -> Result<Closed, Error> {
        self.session.closed().await
    }
}
