//! The role `limit`: a gRPC server with the gateway's settings that does only what the limit of a case needs.
//!
//! It writes to sockets it has connected (case 1), answers sends that name no session without doing anything (case 2), streams
//! envelopes made beforehand (cases 5 and 7), and swallows what comes up an Attach stream (case 6).

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use anyhow::Result;
use serde_json::json;
use socket_gateway::{
    api::proto::{
        self, Data, Envelope, StreamStart,
        data::Payload,
        envelope::Detail,
        payload_item::Item,
        socket_gateway_service_server::{SocketGatewayService, SocketGatewayServiceServer},
    },
    limits::Limits,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::{Stream, StreamExt, iter, once, pending};
use tonic::{
    Request, Response, Status, Streaming, async_trait,
    transport::{Server, server::TcpIncoming},
};

use crate::{peer::LINE_BYTES, process::announce};

/// The subscriber that gets chunks without end.
pub const BYTES: &str = "bytes";

/// The subscriber that gets lines without end.
pub const LINES: &str = "lines";

const CHUNK: usize = 64 * 1024;

type Down<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[derive(Default)]
struct Limit {
    sockets: RwLock<HashMap<String, Arc<TcpStream>>>,
}

pub async fn run() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let limits = Limits::default();
    let service =
        SocketGatewayServiceServer::new(Limit::default()).max_decoding_message_size(limits.grpc_message_bytes);
    // As in `socket_gateway::server`.
    let server = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(16 * 1024 * 1024)
        .max_frame_size(64 * 1024)
        .max_concurrent_streams(limits.grpc_streams_per_connection)
        .add_service(service)
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
    tokio::select! {
        () = announce(json!({ "address": address })) => Ok(()),
        ended = server => Ok(ended?),
    }
}

impl Limit {
    fn socket(&self, session: &str) -> Result<Arc<TcpStream>, Status> {
        let sockets = self.sockets.read().unwrap_or_else(PoisonError::into_inner);
        sockets.get(session).cloned().ok_or_else(|| Status::not_found("no such socket"))
    }

    fn sockets_mut(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<String, Arc<TcpStream>>> {
        self.sockets.write().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(socket: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match socket.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// One message as the gateway makes it under load.
fn canned(subscriber: &str) -> Option<proto::SubscribeResponse> {
    let (count, payload) = match subscriber {
        BYTES => (1, Payload::Bytes(vec![b'x'; CHUNK].into())),
        LINES => (Limits::default().batch_envelopes, Payload::Text("x".repeat(LINE_BYTES - 1))),
        _ => return None,
    };
    let envelope = Envelope {
        timestamp: Some(SystemTime::now().into()),
        status: proto::Status::Ok.into(),
        event: proto::Event::Data.into(),
        output: proto::Output::Data.into(),
        sequence: 1 << 20,
        session_id: format!("sess-{:08x}-0000-4000-8000-{:012}", 0, 0),
        detail: Some(Detail::Data(Data { offset: 1 << 30, next_offset: 1 << 30, payload: Some(payload) })),
        ..Envelope::default()
    };
    Some(proto::SubscribeResponse { envelopes: vec![envelope; count], ..Default::default() })
}

#[async_trait]
impl SocketGatewayService for Limit {
    async fn tcp_connect(
        &self,
        request: Request<proto::TcpConnectRequest>,
    ) -> Result<Response<proto::TcpConnectResponse>, Status> {
        let request = request.into_inner();
        let socket = TcpStream::connect((request.host.as_str(), request.port as u16)).await?;
        socket.set_nodelay(true)?;
        self.sockets_mut().insert(request.session_id.clone(), Arc::new(socket));
        Ok(Response::new(proto::TcpConnectResponse { session_id: request.session_id, ..Default::default() }))
    }

    async fn tcp_send(
        &self,
        request: Request<proto::TcpSendRequest>,
    ) -> Result<Response<proto::TcpSendResponse>, Status> {
        let request = request.into_inner();
        if !request.session_id.is_empty() {
            let socket = self.socket(&request.session_id)?;
            for item in request.payload {
                if let Some(Item::Bytes(bytes)) = item.item {
                    write(&socket, &bytes).await?;
                }
            }
        }
        Ok(Response::new(proto::TcpSendResponse::default()))
    }

    async fn tcp_disconnect(
        &self,
        request: Request<proto::TcpDisconnectRequest>,
    ) -> Result<Response<proto::TcpDisconnectResponse>, Status> {
        self.sockets_mut().remove(&request.into_inner().session_id);
        Ok(Response::new(proto::TcpDisconnectResponse::default()))
    }

    type SubscribeStream = Down<proto::SubscribeResponse>;

    async fn subscribe(
        &self,
        request: Request<proto::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let message = canned(&request.into_inner().subscriber).ok_or_else(|| Status::not_found("no such flood"))?;
        let start = proto::SubscribeResponse { start: Some(StreamStart::default()), ..Default::default() };
        let endless = iter(std::iter::repeat_with(move || Ok(message.clone())));
        Ok(Response::new(Box::pin(once(Ok(start)).chain(endless))))
    }

    type AttachStream = Down<proto::AttachResponse>;

    async fn attach(
        &self,
        request: Request<Streaming<proto::AttachRequest>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let mut commands = request.into_inner();
        tokio::spawn(async move { while let Ok(Some(_)) = commands.message().await {} });
        let start = proto::AttachResponse { start: Some(StreamStart::default()), ..Default::default() };
        Ok(Response::new(Box::pin(once(Ok(start)).chain(pending()))))
    }

    async fn tcp_listen(
        &self,
        _: Request<proto::TcpListenRequest>,
    ) -> Result<Response<proto::TcpListenResponse>, Status> {
        Err(beyond())
    }

    async fn tcp_exchange(
        &self,
        _: Request<proto::TcpExchangeRequest>,
    ) -> Result<Response<proto::TcpExchangeResponse>, Status> {
        Err(beyond())
    }

    async fn tcp_unlisten(
        &self,
        _: Request<proto::TcpUnlistenRequest>,
    ) -> Result<Response<proto::TcpUnlistenResponse>, Status> {
        Err(beyond())
    }

    async fn udp_in(&self, _: Request<proto::UdpInRequest>) -> Result<Response<proto::UdpInResponse>, Status> {
        Err(beyond())
    }

    async fn udp_out(&self, _: Request<proto::UdpOutRequest>) -> Result<Response<proto::UdpOutResponse>, Status> {
        Err(beyond())
    }
}

fn beyond() -> Status {
    Status::unimplemented("no limit needs this")
}
