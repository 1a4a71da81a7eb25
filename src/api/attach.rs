//! Attach: commands up, envelopes and answers down, on one stream.
//!
//! The task that reads commands starts each send at once, in order, and never waits for a peer: a send that the socket does not
//! take goes on by itself, under a credit per session. So one peer that does not read holds up neither the stream nor other
//! sessions. What may pile up is bounded: bytes by the credit, answers by `limits.attach_commands`; a client that passes that
//! without reading its answers is cut off.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use prost::Message;
use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Status, Streaming};

use super::{
    answers::Answers,
    down::AttachMessage,
    gateway_service::send_response,
    gathering::Gathering,
    padding::Padding,
    parse, parse_udp,
    proto::{self, answer, attach_request::Command},
    render::{self, PayloadFormat},
    send_credit::{SendCredit, SendCredits},
    up::AttachCommand,
};
use crate::{
    audit::{carried, peer},
    error::{Error, Reason},
    gateway::{DatagramSent, Gateway, SendSpec, Sent, SentOutcome},
    identity::Caller,
    net::host_text,
    subscriber::{Ack, Batch, Subscriber, Subscription},
};

pub(super) fn datagram_response(sent: &DatagramSent) -> proto::UdpOutResponse {
    proto::UdpOutResponse {
        message_id: sent.message_id.text(),
        host: host_text(&sent.to),
        port: sent.to.port().into(),
        bytes: sent.bytes as u32,
    }
}

/// Reads the subscription and starts the stream.
///
/// # Errors
/// REQUEST_INVALID where the first message is no subscription; those of `Gateway::subscribe`.
pub(super) async fn attach(
    gateway: Arc<Gateway>,
    caller: Arc<Caller>,
    request: Request<Streaming<AttachCommand>>,
) -> Result<AttachStream, Status> {
    let padding = Padding::new(request.metadata());
    let mut commands = request.into_inner();
    let first = commands.message().await?.and_then(|first| first.0.command);
    let Some(Command::Subscribe(subscribe)) = first else {
        let sentence = "the first message of an Attach stream must be \"subscribe\"";
        return Err(Error::new(Reason::RequestInvalid, sentence).into());
    };
    let acknowledged = match proto::DeliveryMode::try_from(subscribe.delivery_mode) {
        Ok(mode) => mode == proto::DeliveryMode::Acknowledged,
        Err(_) => return Err(Error::new(Reason::RequestInvalid, "delivery_mode: not a value of this enum").into()),
    };
    let request = subscribe.subscription.unwrap_or_default();
    let format = PayloadFormat::try_from(request.payload_format).unwrap_or_default();
    let subscription = gateway.subscribe(&caller, parse::subscribe_spec(request, acknowledged)?)?;
    let answers = Arc::new(Answers::default());
    let stop = CancellationToken::new();
    let orders = Orders { gateway: Arc::clone(&gateway), caller, answers: Arc::clone(&answers) };
    let subscriber = Arc::clone(subscription.subscriber());
    let reader = Reader { orders, subscriber, credits: SendCredits::default() };
    let caller_address = peer();
    gateway.registry.spawn_background({
        let stop = stop.clone();
        async move {
            stop.run_until_cancelled(carried(caller_address, reader.run(commands))).await;
        }
    });
    Ok(AttachStream {
        subscription,
        format,
        gateway,
        answers,
        padding,
        gathering: Gathering::default(),
        over: false,
        last_words: None,
        _stop: stop.drop_guard(),
    })
}

/// Whose commands they are, and where their answers go.
#[derive(Clone)]
struct Orders {
    gateway: Arc<Gateway>,
    caller: Arc<Caller>,
    answers: Arc<Answers>,
}

/// The task that reads commands.
struct Reader {
    orders: Orders,
    subscriber: Arc<Subscriber>,
    credits: SendCredits,
}

impl Reader {
    async fn run(mut self, mut commands: Streaming<AttachCommand>) {
        let answers = Arc::clone(&self.orders.answers);
        loop {
            let next = poll_fn(|cx| {
                let next = Pin::new(&mut commands).poll_next(cx);
                if next.is_pending() {
                    answers.flush();
                }
                next
            });
            let Some(Ok(AttachCommand(request))) = next.await else { break };
            if !answers.admit(self.orders.gateway.limits.now().attach_commands) {
                break;
            }
            if let Some(mut send) = self.obey(request) {
                self.send(&mut send).await;
            }
        }
        answers.flush();
    }

    /// Obeys a command, but for a send: that is only admitted.
    fn obey(&mut self, request: proto::AttachRequest) -> Option<Admitted> {
        let id = request.correlation_id;
        let Orders { gateway, caller, answers } = &self.orders;
        let mut session = String::new();
        let result = match request.command {
            Some(Command::TcpSend(send)) => return self.admit(id, send),
            Some(Command::Ack(ack)) => {
                self.subscriber.ack(&Ack {
                    all: ack.sequence,
                    lanes: ack.sessions.into_iter().map(|ack| (ack.session_id, ack.sequence)).collect(),
                });
                answers.close_unanswered();
                return None;
            }
            Some(Command::UdpOut(out)) => {
                self.orders.udp_out(id, out);
                return None;
            }
            Some(Command::TcpDisconnect(disconnect)) => {
                session.clone_from(&disconnect.session_id);
                let caller = caller.in_namespace(&disconnect.namespace);
                let spec = caller.and_then(|caller| Ok((caller, parse::disconnect_spec(disconnect)?)));
                spec.and_then(|(caller, spec)| gateway.disconnect(&caller, &spec)).map(|()| {
                    let event = proto::Event::Disconnecting.into();
                    answer::Result::TcpDisconnect(proto::TcpDisconnectResponse { event })
                })
            }
            Some(Command::Subscribe(_)) => {
                Err(Error::new(Reason::RequestInvalid, "subscribe may only be the first message"))
            }
            None => Err(Error::new(Reason::RequestInvalid, "the message has no command this gateway knows")),
        };
        answers.push(&session, id, result);
        None
    }

    /// A send that is valid and has its credit.
    fn admit(&mut self, correlation_id: u64, mut request: proto::TcpSendRequest) -> Option<Admitted> {
        let Orders { gateway, answers, .. } = &self.orders;
        let limits = gateway.limits.now();
        let spec = match parse::send_spec(&mut request, &limits) {
            Ok(spec) => spec,
            Err(error) => {
                answers.push(&request.session_id, correlation_id, Err(error));
                return None;
            }
        };
        let credit = self.credits.of(&spec.session_id, |id| self.orders.lives(id));
        let bytes: usize = spec.items.iter().map(bytes::Bytes::len).sum();
        if !credit.take(bytes, limits.attach_send_credit_bytes) {
            let sentence = "this session has as many unanswered bytes on this stream as it may: wait for its answers";
            let refused = Error::limit("attach_send_credit_bytes", limits.attach_send_credit_bytes, sentence)
                .with("sessionId", &spec.session_id);
            // At once: it was not started, and the client should know before it sends more.
            answers.push("", correlation_id, Err(refused));
            return None;
        }
        Some(Admitted { correlation_id, spec, bytes, credit: Arc::clone(credit) })
    }

    async fn send(&self, send: &mut Admitted) {
        let (orders, correlation_id, bytes, credit) = (&self.orders, send.correlation_id, send.bytes, &send.credit);
        match orders.gateway.start_send(&orders.caller, &mut send.spec).await {
            SentOutcome::Done(sent) => {
                orders.give_back(credit, bytes, &sent);
                orders.answers.push(&credit.session, correlation_id, sent_result(sent));
            }
            SentOutcome::Waiting(sent) => {
                let (this, credit) = (orders.clone(), Arc::clone(credit));
                let place = this.answers.keep_place(&credit.session);
                orders.gateway.registry.spawn_background(async move {
                    let sent = sent.await;
                    this.give_back(&credit, bytes, &sent);
                    this.answers.fill(&credit.session, place, correlation_id, sent_result(sent));
                });
            }
        }
    }
}

/// A send that is to be started.
struct Admitted {
    correlation_id: u64,
    spec: SendSpec,
    bytes: usize,
    credit: Arc<SendCredit>,
}

impl Orders {
    fn lives(&self, session: &str) -> bool {
        self.gateway.registry.session(&self.caller.namespace, session).is_ok()
    }

    /// A send is over.
    fn give_back(&self, credit: &Arc<SendCredit>, bytes: usize, sent: &Result<Sent, Error>) {
        if sent.is_err() && !self.lives(&credit.session) {
            credit.end();
        }
        if credit.give_back(bytes, self.gateway.limits.now().attach_send_credit_bytes) {
            self.answers.renew(credit);
        }
    }

    fn udp_out(&self, correlation_id: u64, request: proto::UdpOutRequest) {
        let spec = match parse_udp::datagram_spec(request) {
            Ok(spec) => spec,
            Err(error) => return self.answers.push("", correlation_id, Err(error)),
        };
        // Resolving a name may take long, and datagrams have no order to keep.
        let this = self.clone();
        self.gateway.registry.spawn_background(carried(peer(), async move {
            let sent = this.gateway.udp_out(&this.caller, &spec).await;
            this.answers.push("", correlation_id, sent.map(|sent| answer::Result::UdpOut(datagram_response(&sent))));
            this.answers.flush();
        }));
    }
}

fn sent_result(sent: Result<Sent, Error>) -> Result<answer::Result, Error> {
    sent.map(|sent| answer::Result::TcpSend(send_response(&sent)))
}

/// The down side of an Attach stream.
pub struct AttachStream {
    subscription: Subscription,
    format: PayloadFormat,
    gateway: Arc<Gateway>,
    answers: Arc<Answers>,
    /// Nothing but answers goes out any more, then why.
    over: bool,
    last_words: Option<Error>,
    padding: Padding,
    gathering: Gathering,
    _stop: DropGuard,
}

impl Stream for AttachStream {
    type Item = Result<AttachMessage, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        ready!(this.gathering.poll(cx));
        let mut response = AttachMessage::default();
        let mut ready = false;
        // The start goes first; afterwards answers and envelopes share messages.
        if !this.over {
            match this.subscription.poll_batch(cx) {
                Poll::Ready(Some(Ok(batch))) => {
                    this.render(batch, &mut response);
                    ready = true;
                }
                Poll::Ready(ended) => (this.over, this.last_words) = (true, ended.and_then(Result::err)),
                Poll::Pending => {}
            }
        }
        if response.rest.start.is_none() {
            let mut pending = this.answers.lock();
            if let Some(error) = pending.ended.take() {
                (this.over, this.last_words) = (true, Some(error));
            }
            let credit = this.gateway.limits.now().attach_send_credit_bytes;
            ready |= this.answers.take(&mut pending, credit, &mut response.rest);
            if !ready && this.over {
                return Poll::Ready(this.last_words.take().map(|error| Err(error.into())));
            }
            if !ready {
                pending.waker = Some(cx.waker().clone());
            }
        }
        if !ready {
            this.gathering.sleep();
            return Poll::Pending;
        }
        this.gathering.took(response.envelopes + response.rest.answers.len());
        response.rest.padding = this.padding.of(response.envelopes, || response.encoded_len());
        Poll::Ready(Some(Ok(response)))
    }
}

impl AttachStream {
    fn render(&self, batch: Batch, response: &mut AttachMessage) {
        let credit = self.gateway.limits.now().attach_send_credit_bytes as u64;
        response.rest.start = batch.start.map(|start| render::start(start, &self.gateway.instance_id, credit));
        response.rest.gap = batch.gap.map(render::gap);
        response.rest.heartbeat = batch.heartbeat.map(|last_sequence| proto::Heartbeat { last_sequence });
        response.extend(batch.envelopes, self.format);
    }
}
