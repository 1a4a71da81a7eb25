//! SocketGatewayService: each method parses, calls the gateway and renders.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use prost::Message;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::{
    attach,
    callers::Callers,
    down::SubscribeMessage,
    gathering::Gathering,
    padding::Padding,
    parse,
    parse_fields::is_name,
    parse_udp,
    proto::{self, streamed::socket_gateway_service_server::SocketGatewayService},
    render::{self, PayloadFormat},
    up::AttachCommand,
};
use crate::{
    error::Error,
    gateway::{DatagramSent, Gateway, Sent},
    identity::Caller,
    net::host_text,
    session::End,
    subscriber::{Batch, Subscription},
};

/// The service.
pub struct GatewayService {
    gateway: Arc<Gateway>,
    callers: Callers,
}

impl GatewayService {
    /// A service of this gateway.
    pub fn new(gateway: Arc<Gateway>, callers: Callers) -> Self {
        Self { gateway, callers }
    }

    /// An error as the caller's status; it goes to the named subscriber's events output as well.
    fn fail(&self, caller: &Arc<Caller>, error: Error, subscriber: &str, session: &str) -> Status {
        // A name that no subscriber may have is what the error is about.
        if is_name(subscriber) {
            self.gateway.report(caller, subscriber, Some(session).filter(|id| !id.is_empty()), &error);
        }
        error.into()
    }
}

#[tonic::async_trait]
impl SocketGatewayService for GatewayService {
    async fn tcp_connect(
        &self,
        request: Request<proto::TcpConnectRequest>,
    ) -> Result<Response<proto::TcpConnectResponse>, Status> {
        let caller = self.callers.of(&request)?;
        let request = request.into_inner();
        let (subscriber, session) = (request.subscriber.clone(), request.session_id.clone());
        let connected = match parse::connect_spec(request) {
            Ok(spec) => self.gateway.connect(&caller, spec).await,
            Err(error) => Err(error),
        };
        let connected = connected.map_err(|error| self.fail(&caller, error, &subscriber, &session))?;
        let event = if connected.ends.is_some() { proto::Event::Connected } else { proto::Event::Connecting };
        Ok(Response::new(proto::TcpConnectResponse {
            session_id: connected.session_id.to_string(),
            event: event.into(),
            connected: connected.ends.as_ref().map(render::connected),
        }))
    }

    async fn tcp_listen(
        &self,
        request: Request<proto::TcpListenRequest>,
    ) -> Result<Response<proto::TcpListenResponse>, Status> {
        let caller = self.callers.of(&request)?;
        let request = request.into_inner();
        let subscriber = request.subscriber.clone();
        let listener = match parse::listen_spec(request) {
            Ok(spec) => self.gateway.listen(&caller, spec).await,
            Err(error) => Err(error),
        };
        let listener = listener.map_err(|error| self.fail(&caller, error, &subscriber, ""))?;
        Ok(Response::new(proto::TcpListenResponse {
            listener_id: listener.id.to_string(),
            event: proto::Event::Listening.into(),
            listening: Some(render::listening(&listener.local, &[])),
        }))
    }

    async fn tcp_send(
        &self,
        request: Request<proto::TcpSendRequest>,
    ) -> Result<Response<proto::TcpSendResponse>, Status> {
        let caller = self.callers.of(&request)?;
        let mut request = request.into_inner();
        let spec = parse::send_spec(&mut request, &self.gateway.limits.now());
        let mut spec = spec.map_err(|error| self.fail(&caller, error, &request.subscriber, &request.session_id))?;
        let sent = self.gateway.send(&caller, &mut spec).await;
        let sent = sent.map_err(|error| self.fail(&caller, error, &spec.subscriber, &spec.session_id))?;
        Ok(Response::new(send_response(&sent)))
    }

    type AttachStream = attach::AttachStream;

    async fn attach(&self, request: Request<Streaming<AttachCommand>>) -> Result<Response<Self::AttachStream>, Status> {
        let caller = self.callers.of(&request)?;
        Ok(Response::new(attach::attach(Arc::clone(&self.gateway), caller, request).await?))
    }

    async fn tcp_exchange(
        &self,
        request: Request<proto::TcpExchangeRequest>,
    ) -> Result<Response<proto::TcpExchangeResponse>, Status> {
        let caller = self.callers.of(&request)?;
        let request = request.into_inner();
        let (subscriber, session) = (request.subscriber.clone(), request.session_id.clone());
        let format = PayloadFormat::try_from(request.payload_format).unwrap_or_default();
        let answered = match parse::exchange_call(request, &self.gateway.limits.now()) {
            Ok(call) => self.gateway.exchange(&caller, call).await,
            Err(error) => Err(error),
        };
        let (written, answer) = answered.map_err(|error| self.fail(&caller, error, &subscriber, &session))?;
        let end = match answer.end {
            End::Match => proto::ExchangeEnd::Match,
            End::Frame => proto::ExchangeEnd::Frame,
            End::PeerClosed => proto::ExchangeEnd::PeerClosed,
        };
        Ok(Response::new(proto::TcpExchangeResponse {
            end: end.into(),
            frames: render::lines(answer.frames, format),
            r#match: answer.matched.map(|matched| render::line(matched, format)),
            captures: render::captures(answer.captures, format),
            write_offset: written.write_offset,
            read_offset: answer.read_offset,
        }))
    }

    async fn tcp_disconnect(
        &self,
        request: Request<proto::TcpDisconnectRequest>,
    ) -> Result<Response<proto::TcpDisconnectResponse>, Status> {
        let caller = self.callers.of(&request)?;
        let request = request.into_inner();
        let caller = caller.in_namespace(&request.namespace)?;
        let (subscriber, session) = (request.subscriber.clone(), request.session_id.clone());
        parse::disconnect_spec(request)
            .and_then(|spec| self.gateway.disconnect(&caller, &spec))
            .map_err(|error| self.fail(&caller, error, &subscriber, &session))?;
        Ok(Response::new(proto::TcpDisconnectResponse { event: proto::Event::Disconnecting.into() }))
    }

    async fn tcp_unlisten(
        &self,
        request: Request<proto::TcpUnlistenRequest>,
    ) -> Result<Response<proto::TcpUnlistenResponse>, Status> {
        let caller = self.callers.of(&request)?;
        let request = request.into_inner();
        let caller = caller.in_namespace(&request.namespace)?;
        let subscriber = request.subscriber.clone();
        let closed = match parse::unlisten_spec(request) {
            Ok(spec) => self.gateway.unlisten(&caller, &spec).await,
            Err(error) => Err(error),
        };
        let closed = closed.map_err(|error| self.fail(&caller, error, &subscriber, ""))?;
        Ok(Response::new(proto::TcpUnlistenResponse {
            event: proto::Event::Closed.into(),
            sessions_closing: closed.sessions_closing as u32,
        }))
    }

    async fn udp_in(&self, request: Request<proto::UdpInRequest>) -> Result<Response<proto::UdpInResponse>, Status> {
        let caller = self.callers.of(&request)?;
        let request = request.into_inner();
        let (subscriber, session) = (request.subscriber.clone(), request.session_id.clone());
        let bound = parse_udp::udp_in_spec(request)
            .and_then(|spec| self.gateway.udp_in(&caller, spec))
            .map_err(|error| self.fail(&caller, error, &subscriber, &session))?;
        Ok(Response::new(proto::UdpInResponse {
            session_id: bound.session_id.to_string(),
            event: proto::Event::Listening.into(),
            listening: Some(render::listening(&bound.local, &bound.groups)),
        }))
    }

    async fn udp_out(&self, request: Request<proto::UdpOutRequest>) -> Result<Response<proto::UdpOutResponse>, Status> {
        let caller = self.callers.of(&request)?;
        let request = request.into_inner();
        let (subscriber, session) = (request.subscriber.clone(), request.session_id.clone());
        let sent = match parse_udp::datagram_spec(request) {
            Ok(spec) => self.gateway.udp_out(&caller, &spec).await,
            Err(error) => Err(error),
        };
        let sent = sent.map_err(|error| self.fail(&caller, error, &subscriber, &session))?;
        Ok(Response::new(datagram_response(&sent)))
    }

    type SubscribeStream = SubscribeStream;

    async fn subscribe(
        &self,
        request: Request<proto::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let padding = Padding::new(request.metadata());
        let caller = self.callers.of(&request)?;
        let request = request.into_inner();
        let format = PayloadFormat::try_from(request.payload_format).unwrap_or_default();
        let spec = parse::subscribe_spec(request, false)?;
        let subscription = self.gateway.subscribe(&caller, spec)?;
        let instance_id = self.gateway.instance_id.clone();
        Ok(Response::new(SubscribeStream {
            subscription,
            format,
            instance_id,
            padding,
            gathering: Gathering::default(),
        }))
    }
}

pub(super) fn datagram_response(sent: &DatagramSent) -> proto::UdpOutResponse {
    proto::UdpOutResponse {
        message_id: sent.message_id.text(),
        host: host_text(&sent.to),
        port: sent.to.port().into(),
        bytes: sent.bytes as u32,
    }
}

pub(super) fn send_response(sent: &Sent) -> proto::TcpSendResponse {
    proto::TcpSendResponse {
        message_id: sent.message_id.text(),
        chunk_count: sent.written.chunk_count,
        write_offset: sent.written.write_offset,
    }
}

/// A Subscribe stream.
pub struct SubscribeStream {
    subscription: Subscription,
    format: PayloadFormat,
    instance_id: String,
    padding: Padding,
    gathering: Gathering,
}

impl Stream for SubscribeStream {
    type Item = Result<SubscribeMessage, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let (format, this) = (self.format, &mut *self);
        ready!(this.gathering.poll(cx));
        let next = this.subscription.poll_batch(cx);
        if next.is_pending() {
            this.gathering.sleep();
        }
        next.map(|next| {
            let batch = next?;
            Some(batch.map_err(Status::from).map(|batch| {
                let mut response = response(batch, format, &this.instance_id);
                this.gathering.took(response.envelopes);
                response.rest.padding = this.padding.of(response.envelopes, || response.encoded_len());
                response
            }))
        })
    }
}

fn response(batch: Batch, format: PayloadFormat, instance_id: &str) -> SubscribeMessage {
    let mut response = SubscribeMessage::default();
    response.rest.start = batch.start.map(|start| render::start(start, instance_id, 0));
    response.rest.gap = batch.gap.map(render::gap);
    response.rest.heartbeat = batch.heartbeat.map(|last_sequence| proto::Heartbeat { last_sequence });
    response.extend(batch.envelopes, format);
    response
}
