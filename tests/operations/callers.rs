//! Callers that say who they are, by a token each.

use std::net::SocketAddr;

use socket_gateway::{
    api::proto::{
        self, session_service_client::SessionServiceClient, socket_gateway_service_client::SocketGatewayServiceClient,
    },
    identity::TokenHash,
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use crate::process::{channel, within};

/// The table of a token, which is "NAME-token".
pub fn token(name: &str) -> String {
    let hash = TokenHash::of(format!("{name}-token").as_bytes());
    format!("[[identity.tokens]]\nname = \"{name}\"\nsha256 = \"{hash}\"\n")
}

/// Sends the token with every call.
#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

type Authorized = InterceptedService<Channel, Bearer>;

/// Somebody with a token and a connection.
#[derive(Clone)]
pub struct Caller {
    pub sockets: SocketGatewayServiceClient<Authorized>,
    pub sessions: SessionServiceClient<Authorized>,
}

impl Caller {
    pub async fn new(address: SocketAddr, name: &str) -> Self {
        Self::over(channel(address).await, name)
    }

    pub fn over(channel: Channel, name: &str) -> Self {
        let bearer = Bearer(format!("Bearer {name}-token").parse().expect("a header"));
        Self {
            sockets: SocketGatewayServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            sessions: SessionServiceClient::with_interceptor(channel, bearer),
        }
    }

    /// Its live sessions.
    pub async fn looks(&mut self) -> Result<Vec<proto::Session>, Status> {
        let listed = within(self.sessions.list_sessions(proto::ListSessionsRequest::default())).await;
        listed.map(|listed| listed.into_inner().sessions)
    }

    /// One of them.
    pub async fn look(&mut self, session_id: &str) -> proto::Session {
        let request = proto::GetSessionRequest { session_id: session_id.into(), ..Default::default() };
        within(self.sessions.get_session(request)).await.expect("lives").into_inner().session.expect("is shown")
    }

    /// Binds a UDP session.
    pub async fn udp_in(&mut self) -> Result<String, Status> {
        let request = proto::UdpInRequest { host: "127.0.0.1".into(), ..Default::default() };
        within(self.sockets.udp_in(request)).await.map(|bound| bound.into_inner().session_id)
    }

    /// Dials.
    pub async fn dial(&mut self, to: SocketAddr, subscriber: &str) -> Result<String, Status> {
        self.connect(proto::TcpConnectRequest { subscriber: subscriber.into(), ..crate::support::connect_to(to) }).await
    }

    pub async fn connect(&mut self, request: proto::TcpConnectRequest) -> Result<String, Status> {
        within(self.sockets.tcp_connect(request)).await.map(|connected| connected.into_inner().session_id)
    }

    /// Cuts a session.
    pub async fn cut(&mut self, session_id: &str) {
        let request = proto::TcpDisconnectRequest { abort: true, ..crate::support::disconnect(session_id) };
        within(self.sockets.tcp_disconnect(request)).await.expect("ends");
    }

    pub async fn subscribe(&mut self, subscriber: &str) -> Result<Envelopes, Status> {
        let request = proto::SubscribeRequest { subscriber: subscriber.into(), ..Default::default() };
        let mut stream = within(self.sockets.subscribe(request)).await?.into_inner();
        let first = within(stream.message()).await?.expect("a start");
        assert!(first.start.is_some());
        Ok(Envelopes(stream, first.envelopes))
    }
}

/// A stream of a subscriber, after its start.
#[derive(Debug)]
pub struct Envelopes(tonic::Streaming<proto::SubscribeResponse>, Vec<proto::Envelope>);

impl Envelopes {
    /// What comes next.
    pub async fn next(&mut self) -> Result<Vec<proto::Envelope>, Status> {
        if !self.1.is_empty() {
            return Ok(std::mem::take(&mut self.1));
        }
        within(self.0.message()).await.map(|message| message.expect("it ends with a status").envelopes)
    }

    /// Reads so many bytes of sessions.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < count {
            for envelope in self.next().await.expect("goes on") {
                if let Some((_, chunk)) = crate::support::stream::chunk(&envelope) {
                    all.extend_from_slice(chunk);
                }
            }
        }
        all
    }
}
