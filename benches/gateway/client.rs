//! Speaking gRPC, to the gateway and to the limit alike.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Result};
use socket_gateway::api::proto::{
    AttachRequest, AttachResponse, AttachSubscribe, DeliveryMode, PayloadItem, SubscribeRequest, SubscribeResponse,
    TcpConnectRequest, TcpDisconnectRequest, TcpMode, TcpSendRequest, attach_request::Command, payload_item::Item,
    socket_gateway_service_client::SocketGatewayServiceClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};

pub type Sockets = SocketGatewayServiceClient<Channel>;

/// What is sent in the cases of small messages.
pub const SMALL: usize = 64;

/// Commands on their way into an Attach stream.
const COMMANDS: usize = 256;

/// Names that nothing in this run has had before: sessions and subscribers of a round may still be ending during the next.
fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub fn fresh_subscriber() -> String {
    format!("bench-{}", fresh())
}

/// A connection of its own; a fast client library sets no more than this.
pub async fn connect(address: SocketAddr) -> Result<Sockets> {
    let channel = Channel::from_shared(format!("http://{address}"))?.tcp_nodelay(true).connect().await?;
    Ok(SocketGatewayServiceClient::new(channel))
}

/// A session of as long an id as the gateway makes; it ends with `index`.
pub async fn open(
    sockets: &mut Sockets,
    to: SocketAddr,
    subscriber: &str,
    mode: TcpMode,
    index: usize,
) -> Result<String> {
    let request = TcpConnectRequest {
        host: to.ip().to_string(),
        port: to.port().into(),
        subscriber: subscriber.into(),
        session_id: format!("sess-{:08x}-0000-4000-8000-{index:012}", fresh()),
        mode: mode.into(),
        ..Default::default()
    };
    Ok(sockets.tcp_connect(request).await?.into_inner().session_id)
}

/// The index a session was opened with.
pub fn index_of(session: &str) -> usize {
    session.rsplit('-').next().and_then(|digits| digits.parse().ok()).unwrap_or(usize::MAX)
}

pub async fn close(mut sockets: Sockets, session: String) {
    let request = TcpDisconnectRequest { session_id: session, abort: true, ..Default::default() };
    // It may have ended by itself.
    let _ = sockets.tcp_disconnect(request).await;
}

pub fn send_request(session: &str, bytes: usize) -> TcpSendRequest {
    TcpSendRequest {
        session_id: session.into(),
        payload: vec![PayloadItem { item: Some(Item::Bytes(vec![b'x'; bytes].into())) }],
        ..Default::default()
    }
}

/// A Subscribe stream whose start has been read.
pub async fn subscribe(sockets: &mut Sockets, subscriber: &str) -> Result<Streaming<SubscribeResponse>> {
    let request = SubscribeRequest { subscriber: subscriber.into(), ..Default::default() };
    let mut stream = sockets.subscribe(request).await?.into_inner();
    stream.message().await?.and_then(|message| message.start).context("the stream began without its start")?;
    Ok(stream)
}

/// An Attach stream whose start has been read.
pub struct Attached {
    pub commands: mpsc::Sender<AttachRequest>,
    pub stream: Streaming<AttachResponse>,
    /// Bytes of unanswered sends that each session may have.
    pub credit: u64,
}

pub async fn attach(sockets: &mut Sockets, subscriber: &str, delivery: DeliveryMode) -> Result<Attached> {
    let (commands, outgoing) = mpsc::channel(COMMANDS);
    let subscription = Some(SubscribeRequest { subscriber: subscriber.into(), ..Default::default() });
    let subscribe = AttachSubscribe { subscription, delivery_mode: delivery.into() };
    commands.send(command(0, Command::Subscribe(subscribe))).await?;
    let mut stream = sockets.attach(ReceiverStream::new(outgoing)).await?.into_inner();
    let start = stream.message().await?.and_then(|message| message.start);
    let credit = start.context("the stream began without its start")?.send_credit;
    Ok(Attached { commands, stream, credit })
}

pub fn command(correlation_id: u64, command: Command) -> AttachRequest {
    AttachRequest { correlation_id, command: Some(command) }
}
