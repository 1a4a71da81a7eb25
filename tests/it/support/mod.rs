//! A gateway to test, clients to it, peers for it, and patience.

pub mod admin;
pub mod attached;
pub mod calls;
pub mod peers;
pub mod stream;

use std::{collections::HashMap, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use socket_gateway::{
    api::proto::{
        self, PayloadItem, payload_item::Item, session_service_client::SessionServiceClient,
        socket_gateway_service_client::SocketGatewayServiceClient,
    },
    gateway::Gateway,
    limits::Limits,
    server::Server,
};
use tokio_util::sync::CancellationToken;
use tonic::{Status, transport::Channel};
use tonic_types::StatusExt;

pub use self::stream::Envelopes;

pub type Sockets = SocketGatewayServiceClient<Channel>;
pub type Sessions = SessionServiceClient<Channel>;

/// How long a condition may take to become true. Generous: it is only waited out where a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway in this process, on a port of its own. Ends with the test.
pub struct TestGateway {
    pub gateway: Arc<Gateway>,
    pub addr: SocketAddr,
    pub stop: CancellationToken,
    pub kill: CancellationToken,
    serving: Option<tokio::task::JoinHandle<()>>,
}

impl TestGateway {
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// A gateway whose limits differ from the defaults.
    pub async fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        Self::of(Gateway::new(limits))
    }

    /// Serves a gateway.
    pub fn of(gateway: Arc<Gateway>) -> Self {
        let server = Server::bind(Arc::clone(&gateway), ([127, 0, 0, 1], 0).into()).expect("a free port");
        let addr = server.local_addr();
        let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
        let serving = tokio::spawn({
            let (stop, kill) = (stop.clone(), kill.clone());
            async move { server.serve(stop, kill).await.expect("the server runs") }
        });
        Self { gateway, addr, stop, kill, serving: Some(serving) }
    }

    pub async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.addr)).expect("address").connect().await.expect("connects")
    }

    pub async fn sockets(&self) -> Sockets {
        SocketGatewayServiceClient::new(self.channel().await)
    }

    pub async fn sessions(&self) -> Sessions {
        SessionServiceClient::new(self.channel().await)
    }

    /// A plain stream of everything for a subscriber, on a connection of its own; its start has been read.
    pub async fn subscribe(&self, subscriber: &str) -> Envelopes {
        let request = proto::SubscribeRequest { subscriber: subscriber.into(), ..Default::default() };
        self.subscribe_with(request).await
    }

    pub async fn subscribe_with(&self, request: proto::SubscribeRequest) -> Envelopes {
        Envelopes::open(self.sockets().await, request).await.expect("subscribes")
    }

    /// Every session, listener and task has ended and freed what it held.
    pub async fn released(&self) {
        let registry = &self.gateway.registry;
        eventually("sessions, listeners and tasks are gone", || async {
            registry.sessions().is_empty() && registry.listeners().is_empty() && registry.tasks() == 0
        })
        .await;
    }

    /// Stops as on SIGTERM and waits for the end.
    pub async fn shut_down(mut self) {
        self.stop.cancel();
        let serving = self.serving.take().expect("once");
        within(serving).await.expect("the server ends without a panic");
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        self.stop.cancel();
        self.kill.cancel();
    }
}

/// Waits for a condition; fails the test when it does not come.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "in vain: {what}");
}

/// Awaits something that must come; fails the test when it does not.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("came in time")
}

pub fn text(text: &str) -> PayloadItem {
    PayloadItem { item: Some(Item::Text(text.into())) }
}

pub fn bytes(bytes: impl Into<Vec<u8>>) -> PayloadItem {
    PayloadItem { item: Some(Item::Bytes(bytes.into().into())) }
}

pub fn seconds(seconds: f64) -> Option<prost_types::Duration> {
    Some(Duration::from_secs_f64(seconds).try_into().expect("a duration"))
}

/// A connect request to an address.
pub fn connect_to(addr: SocketAddr) -> proto::TcpConnectRequest {
    proto::TcpConnectRequest { host: addr.ip().to_string(), port: addr.port().into(), ..Default::default() }
}

/// As `connect_to`, in line mode.
pub fn connect_lines(addr: SocketAddr) -> proto::TcpConnectRequest {
    proto::TcpConnectRequest { mode: proto::TcpMode::Line.into(), ..connect_to(addr) }
}

/// A send of one text.
pub fn send(session_id: &str, what: &str) -> proto::TcpSendRequest {
    proto::TcpSendRequest { session_id: session_id.into(), payload: vec![text(what)], ..Default::default() }
}

pub fn disconnect(session_id: &str) -> proto::TcpDisconnectRequest {
    proto::TcpDisconnectRequest { session_id: session_id.into(), ..Default::default() }
}

/// The reason and the metadata of a failed call.
pub fn reason(status: &Status) -> (String, HashMap<String, String>) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    (info.reason.clone(), info.metadata.clone())
}

/// The fields a failed call complains about.
pub fn bad_fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let request = details.bad_request().map(|request| request.field_violations.clone()).unwrap_or_default();
    request.into_iter().map(|violation| violation.field).collect()
}

/// A send of these bytes.
pub fn send_bytes(session_id: &str, what: impl Into<Vec<u8>>) -> proto::TcpSendRequest {
    proto::TcpSendRequest { session_id: session_id.into(), payload: vec![bytes(what)], ..Default::default() }
}

/// A request to listen on a free port of this host.
pub fn listen_for(subscriber: &str) -> proto::TcpListenRequest {
    proto::TcpListenRequest { host: "127.0.0.1".into(), subscriber: subscriber.into(), ..Default::default() }
}

/// Bytes that tell where in a stream they belong.
pub fn pattern(offset: usize, len: usize) -> Vec<u8> {
    (offset..offset + len).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// What one session looks like now.
pub async fn look(sessions: &mut Sessions, session_id: &str) -> proto::Session {
    let request = proto::GetSessionRequest { session_id: session_id.into(), ..Default::default() };
    sessions.get_session(request).await.expect("lives").into_inner().session.expect("is shown")
}

/// What one subscriber looks like now.
pub async fn look_at_subscriber(sessions: &mut Sessions, name: &str) -> Option<proto::Subscriber> {
    let request = proto::ListSubscribersRequest { page_size: 1000, ..Default::default() };
    let all = sessions.list_subscribers(request).await.expect("lists").into_inner().subscribers;
    all.into_iter().find(|subscriber| subscriber.name == name)
}

impl TestGateway {
    /// Ends as on a second signal and waits for the end.
    pub async fn cut_down(mut self) {
        self.kill.cancel();
        let serving = self.serving.take().expect("once");
        within(serving).await.expect("the server ends without a panic");
    }
}
