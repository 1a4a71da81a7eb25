//! The task that reads the commands of an Attach stream.
//!
//! It starts each send at once, in order, and never waits for a peer: a send that the socket does not take goes on by itself, under
//! a credit per session. So one peer that does not read holds up neither the stream nor other sessions. What may pile up is
//! bounded: bytes by the credit, answers by `limits.attach_commands`; a client that passes that without reading its answers is cut
//! off.

use std::{future::poll_fn, pin::Pin, sync::Arc};

use tokio_stream::Stream;
use tonic::Streaming;

use super::{
    answers::Answers,
    gateway_service::{datagram_response, send_response},
    parse, parse_udp,
    proto::{self, answer, attach_request::Command},
    send_credit::{SendCredit, SendCredits},
    up::AttachCommand,
};
use crate::{
    audit::{carried, peer},
    error::{Error, Reason},
    gateway::{Gateway, SendSpec, Sent, SentOutcome},
    identity::Caller,
    limits::Limits,
    subscriber::{Ack, Subscriber},
};

/// Whose commands they are, and where their answers go.
#[derive(Clone)]
pub(super) struct Orders {
    pub(super) gateway: Arc<Gateway>,
    pub(super) caller: Arc<Caller>,
    pub(super) answers: Arc<Answers>,
}

/// The task that reads commands.
pub(super) struct Reader {
    orders: Orders,
    subscriber: Arc<Subscriber>,
    credits: SendCredits,
}

/// A send that is to be started.
struct Admitted {
    correlation_id: u64,
    spec: SendSpec,
    lent: Lent,
}

/// What a send has of its session's credit.
#[derive(Clone)]
struct Lent {
    credit: Arc<SendCredit>,
    bytes: usize,
    /// All that the session may have.
    most: usize,
}

impl Reader {
    pub(super) fn new(orders: Orders, subscriber: Arc<Subscriber>) -> Self {
        Self { orders, subscriber, credits: SendCredits::default() }
    }

    /// Obeys until the stream ends, or the client has left too many answers unread.
    pub(super) async fn run(mut self, mut commands: Streaming<AttachCommand>) {
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
            let send = {
                let limits = self.orders.gateway.limits.now();
                if !answers.admit(limits.attach_commands) {
                    break;
                }
                self.obey(request, &limits)
            };
            if let Some(mut send) = send {
                self.send(&mut send).await;
            }
        }
        answers.flush();
    }

    /// Obeys a command, but for a send: that is only admitted.
    fn obey(&mut self, request: proto::AttachRequest, limits: &Limits) -> Option<Admitted> {
        let id = request.correlation_id;
        let Orders { gateway, caller, answers } = &self.orders;
        let mut session = String::new();
        let result = match request.command {
            Some(Command::TcpSend(send)) => return self.admit(id, send, limits),
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
    fn admit(&mut self, correlation_id: u64, mut request: proto::TcpSendRequest, limits: &Limits) -> Option<Admitted> {
        let (answers, most) = (&self.orders.answers, limits.attach_send_credit_bytes);
        let spec = match parse::send_spec(&mut request, limits) {
            Ok(spec) => spec,
            Err(error) => {
                answers.push(&request.session_id, correlation_id, Err(error));
                return None;
            }
        };
        let credit = self.credits.of(&spec.session_id, |id| self.orders.lives(id));
        let bytes: usize = spec.items.iter().map(bytes::Bytes::len).sum();
        if !credit.take(bytes, most) {
            let sentence = "this session has as many unanswered bytes on this stream as it may: wait for its answers";
            let refused = Error::limit("attach_send_credit_bytes", most, sentence).with("sessionId", &spec.session_id);
            // At once: it was not started, and the client should know before it sends more.
            answers.push("", correlation_id, Err(refused));
            return None;
        }
        Some(Admitted { correlation_id, spec, lent: Lent { credit: Arc::clone(credit), bytes, most } })
    }

    async fn send(&self, send: &mut Admitted) {
        let Admitted { correlation_id, spec, lent } = send;
        let (orders, correlation_id) = (&self.orders, *correlation_id);
        match orders.gateway.start_send(&orders.caller, spec).await {
            SentOutcome::Done(sent) => {
                orders.give_back(lent, &sent);
                orders.answers.push(&lent.credit.session, correlation_id, sent_result(sent));
            }
            SentOutcome::Waiting(sent) => {
                let (this, lent) = (orders.clone(), lent.clone());
                let place = this.answers.keep_place(&lent.credit.session);
                orders.gateway.registry.spawn_background(async move {
                    let sent = sent.await;
                    this.give_back(&lent, &sent);
                    this.answers.fill(&lent.credit.session, place, correlation_id, sent_result(sent));
                });
            }
        }
    }
}

impl Orders {
    fn lives(&self, session: &str) -> bool {
        self.gateway.registry.session(&self.caller.namespace, session).is_ok()
    }

    /// A send is over.
    fn give_back(&self, Lent { credit, bytes, most }: &Lent, sent: &Result<Sent, Error>) {
        if sent.is_err() && !self.lives(&credit.session) {
            credit.end();
        }
        if credit.give_back(*bytes, *most) {
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
