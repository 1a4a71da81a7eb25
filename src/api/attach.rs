//! Attach: commands up, envelopes and answers down, on one stream.
//!
//! The task that reads commands starts each send at once, in order, and never waits for a peer: a send that the socket does not
//! take goes on by itself, under a credit per session. So one peer that does not read holds up neither the stream nor other
//! sessions. What may pile up is bounded: bytes by the credit, answers by `limits.attach_commands`; a client that passes that
//! without reading its answers is cut off.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Status, Streaming};

use super::{
    gateway_service::send_response,
    parse, parse_udp,
    proto::{self, answer, attach_request::Command},
    render::{self, PayloadFormat},
};
use crate::{
    error::{Error, Reason},
    gateway::{DatagramSent, Gateway, Sent, SentOutcome},
    net::host_text,
    registry::Registry,
    subscriber::{Ack, Batch, Subscriber, Subscription},
};

/// Sessions whose credit is remembered before it is looked which of them have ended.
const CREDITS_BEFORE_PRUNING: usize = 64;

/// Answers in one message.
const ANSWERS_PER_MESSAGE: usize = 512;

pub(super) fn datagram_response(sent: &DatagramSent) -> proto::UdpOutResponse {
    proto::UdpOutResponse {
        message_id: sent.message_id.to_string(),
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
    mut commands: Streaming<proto::AttachRequest>,
) -> Result<AttachStream, Status> {
    let first = commands.message().await?.and_then(|request| request.command);
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
    let subscription = gateway.subscribe(parse::subscribe_spec(request, acknowledged)?)?;
    let answers = Arc::new(Answers::default());
    let stop = CancellationToken::new();
    let reader = Reader {
        subscriber: Arc::clone(subscription.subscriber()),
        gateway: Arc::clone(&gateway),
        answers: Arc::clone(&answers),
    };
    gateway.registry.spawn_background({
        let stop = stop.clone();
        async move {
            stop.run_until_cancelled(reader.run(commands)).await;
        }
    });
    Ok(AttachStream { subscription, format, gateway, answers, over: false, last_words: None, _stop: stop.drop_guard() })
}

/// Answers on their way down, and what the sends of this stream hold.
#[derive(Default)]
struct Answers(Mutex<Pending>);

#[derive(Default)]
struct Pending {
    ready: VecDeque<proto::Answer>,
    /// Commands whose answer is not on the stream yet.
    open: usize,
    credits: HashMap<String, Credit>,
    /// At so many, those of sessions that have ended are forgotten.
    prune_at: usize,
    renewed: Vec<String>,
    waker: Option<Waker>,
    ended: Option<Error>,
}

#[derive(Default)]
struct Credit {
    /// Bytes of unanswered sends.
    outstanding: usize,
    /// Bytes answered since the stream began.
    answered: u64,
    /// What was last told.
    told: u64,
}

impl Answers {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, correlation_id: u64, result: Result<answer::Result, Error>) {
        let result = result.unwrap_or_else(|error| answer::Result::Error(render::command_error(&error)));
        let mut pending = self.lock();
        pending.ready.push_back(proto::Answer { correlation_id, result: Some(result) });
        let waker = pending.waker.take();
        drop(pending);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes credit for a send; false where it has none left.
    fn take_credit(&self, session: &str, bytes: usize, most: usize, registry: &Registry) -> bool {
        let mut pending = self.lock();
        if pending.credits.len() >= pending.prune_at {
            pending.credits.retain(|id, credit| credit.outstanding > 0 || registry.session(id).is_ok());
            pending.prune_at = (2 * pending.credits.len()).max(CREDITS_BEFORE_PRUNING);
        }
        let credit = match pending.credits.get_mut(session) {
            Some(credit) => credit,
            None => pending.credits.entry(session.to_owned()).or_default(),
        };
        let granted = credit.outstanding + bytes <= most;
        credit.outstanding += if granted { bytes } else { 0 };
        granted
    }

    /// Returns a send's credit. It is told once half of it is used; with the last answer of a session that has ended it is
    /// forgotten, for the id may be used again.
    fn return_credit(&self, session: &str, bytes: usize, most: usize, ended: bool) {
        let mut pending = self.lock();
        let Some(credit) = pending.credits.get_mut(session) else { return };
        credit.outstanding -= bytes;
        credit.answered += bytes as u64;
        if ended && credit.outstanding == 0 {
            pending.credits.remove(session);
        } else if credit.answered - credit.told >= (most / 2) as u64 {
            credit.told = credit.answered;
            pending.renewed.push(session.to_owned());
        }
    }
}

struct Reader {
    gateway: Arc<Gateway>,
    subscriber: Arc<Subscriber>,
    answers: Arc<Answers>,
}

impl Reader {
    async fn run(self, mut commands: Streaming<proto::AttachRequest>) {
        while let Some(Ok(request)) = commands.next().await {
            if !self.admit() {
                return;
            }
            self.obey(request).await;
        }
    }

    /// Counts a command; false where too many answers are unread.
    fn admit(&self) -> bool {
        let most = self.gateway.limits.attach_commands;
        let mut pending = self.answers.lock();
        if pending.open < most {
            pending.open += 1;
            return true;
        }
        let sentence = "this stream has as many unread answers as it may: read them while sending";
        pending.ended = Some(Error::limit("attach_commands", most, sentence));
        if let Some(waker) = pending.waker.take() {
            waker.wake();
        }
        false
    }

    async fn obey(&self, request: proto::AttachRequest) {
        let id = request.correlation_id;
        let result = match request.command {
            Some(Command::Ack(ack)) => {
                self.subscriber.ack(&Ack {
                    all: ack.sequence,
                    lanes: ack.sessions.into_iter().map(|ack| (ack.session_id, ack.sequence)).collect(),
                });
                self.answers.lock().open -= 1;
                return;
            }
            Some(Command::TcpSend(send)) => return self.send(id, send).await,
            Some(Command::UdpOut(out)) => return self.udp_out(id, out),
            Some(Command::TcpDisconnect(disconnect)) => {
                parse::disconnect_spec(disconnect).and_then(|spec| self.gateway.disconnect(&spec)).map(|()| {
                    let event = proto::Event::Disconnecting.into();
                    answer::Result::TcpDisconnect(proto::TcpDisconnectResponse { event })
                })
            }
            Some(Command::Subscribe(_)) => {
                Err(Error::new(Reason::RequestInvalid, "subscribe may only be the first message"))
            }
            None => Err(Error::new(Reason::RequestInvalid, "the message has no command this gateway knows")),
        };
        self.answers.push(id, result);
    }

    async fn send(&self, correlation_id: u64, request: proto::TcpSendRequest) {
        let most = self.gateway.limits.attach_send_credit_bytes;
        let spec = match parse::send_spec(request, &self.gateway.limits) {
            Ok(spec) => spec,
            Err(error) => return self.answers.push(correlation_id, Err(error)),
        };
        let bytes: usize = spec.items.iter().map(bytes::Bytes::len).sum();
        let session = spec.session_id.clone();
        if !self.answers.take_credit(&session, bytes, most, &self.gateway.registry) {
            let sentence = "this session has as many unanswered bytes on this stream as it may: wait for its answers";
            let refused = Error::limit("attach_send_credit_bytes", most, sentence).with("sessionId", &session);
            return self.answers.push(correlation_id, Err(refused));
        }
        let answered = {
            let (gateway, answers) = (Arc::clone(&self.gateway), Arc::clone(&self.answers));
            move |sent: Result<Sent, Error>| {
                let ended = sent.is_err() && gateway.registry.session(&session).is_err();
                answers.return_credit(&session, bytes, most, ended);
                answers.push(correlation_id, sent.map(|sent| answer::Result::TcpSend(send_response(&sent))));
            }
        };
        match self.gateway.start_send(spec).await {
            SentOutcome::Done(sent) => answered(sent),
            SentOutcome::Waiting(sent) => self.gateway.registry.spawn_background(async move { answered(sent.await) }),
        }
    }

    fn udp_out(&self, correlation_id: u64, request: proto::UdpOutRequest) {
        let spec = match parse_udp::datagram_spec(request) {
            Ok(spec) => spec,
            Err(error) => return self.answers.push(correlation_id, Err(error)),
        };
        // Resolving a name may take long, and datagrams have no order to keep.
        let (gateway, answers) = (Arc::clone(&self.gateway), Arc::clone(&self.answers));
        self.gateway.registry.spawn_background(async move {
            let sent = gateway.udp_out(&spec).await;
            answers.push(correlation_id, sent.map(|sent| answer::Result::UdpOut(datagram_response(&sent))));
        });
    }
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
    _stop: DropGuard,
}

impl Stream for AttachStream {
    type Item = Result<proto::AttachResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut response = proto::AttachResponse::default();
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
        if response.start.is_none() {
            let mut pending = this.answers.lock();
            if let Some(error) = pending.ended.take() {
                (this.over, this.last_words) = (true, Some(error));
            }
            ready |= this.take_answers(&mut pending, &mut response);
            if !ready && this.over {
                return Poll::Ready(this.last_words.take().map(|error| Err(error.into())));
            }
            if !ready {
                pending.waker = Some(cx.waker().clone());
            }
        }
        if ready { Poll::Ready(Some(Ok(response))) } else { Poll::Pending }
    }
}

impl AttachStream {
    fn render(&self, batch: Batch, response: &mut proto::AttachResponse) {
        let credit = self.gateway.limits.attach_send_credit_bytes as u64;
        response.start = batch.start.map(|start| render::start(start, &self.gateway.instance_id, credit));
        response.gap = batch.gap.map(render::gap);
        response.heartbeat = batch.heartbeat.map(|last_sequence| proto::Heartbeat { last_sequence });
        let envelopes = batch.envelopes.into_iter();
        response.envelopes =
            envelopes.map(|(sequence, envelope)| render::envelope(sequence, envelope, self.format)).collect();
    }

    fn take_answers(&self, pending: &mut Pending, response: &mut proto::AttachResponse) -> bool {
        let count = pending.ready.len().min(ANSWERS_PER_MESSAGE);
        response.answers.extend(pending.ready.drain(..count));
        pending.open -= count;
        let credit = self.gateway.limits.attach_send_credit_bytes as u64;
        for session_id in std::mem::take(&mut pending.renewed) {
            if let Some(told) = pending.credits.get(&session_id).map(|credit| credit.told) {
                response.credits.push(proto::SendCredit { session_id, send_limit: told + credit });
            }
        }
        !response.answers.is_empty() || !response.credits.is_empty()
    }
}
