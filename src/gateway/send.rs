//! TcpSend, TcpExchange and TcpDisconnect.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use super::{DisconnectSpec, ExchangeCall, Gateway, SendSpec, emit_sent};
use crate::{
    audit::{Event, Who},
    envelope::{Body, CloseReason, Envelope, MessageId},
    error::{Error, Reason},
    identity::Caller,
    metrics::{ExchangeMetrics, ExchangeOutcome},
    registry::Session,
    session::{self, Answer, Close, ExchangeSpec, Send, Sending, TcpSession, Written},
    subscriber::{LaneKey, Subscriber},
};

/// Measures an exchange, also where its caller leaves.
struct Timing<'a> {
    metrics: &'a ExchangeMetrics,
    started: Instant,
    outcome: ExchangeOutcome,
}

impl<'a> Timing<'a> {
    fn start(metrics: &'a ExchangeMetrics) -> Self {
        Self { metrics, started: Instant::now(), outcome: ExchangeOutcome::Left }
    }
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        self.metrics.ended(self.outcome, self.started.elapsed());
    }
}

/// A send that is done.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its id.
    pub message_id: MessageId,
    /// What was written.
    pub written: Written,
}

/// A send that was started in order, as Attach needs it.
pub enum SentOutcome {
    /// It is over.
    Done(Result<Sent, Error>),
    /// It waits for the peer or for the turn.
    Waiting(std::pin::Pin<Box<dyn Future<Output = Result<Sent, Error>> + std::marker::Send>>),
}

impl Gateway {
    fn tcp(&self, caller: &Caller, id: &str) -> Result<Arc<TcpSession>, Error> {
        match self.registry.session(&caller.namespace, id)? {
            Session::Tcp(session) => Ok(session),
            Session::Udp(session) => {
                Err(Error::new(Reason::SessionNotConnected, "this is a UDP session: use UdpOut with its session_id")
                    .with("sessionId", &session.core.id)
                    .with("state", session.state().as_str()))
            }
        }
    }

    async fn prepare(
        &self,
        caller: &Arc<Caller>,
        session: &Arc<TcpSession>,
        spec: &mut SendSpec,
    ) -> Result<(Send, Option<Arc<Subscriber>>), Error> {
        let sent_to = self.sent_to(caller, spec.emit_sent, &spec.subscriber)?;
        let claim = if spec.subscriber.is_empty() {
            None
        } else {
            let session = Session::Tcp(Arc::clone(session));
            Some(self.claim_move(caller, &spec.subscriber, &spec.wait_for, &session).await?)
        };
        let items = std::mem::take(&mut spec.items);
        pace(session, &items).await;
        Ok((Send { items, claim, expected_offset: spec.expected_offset }, sent_to))
    }

    /// Sends and waits until the operating system has all of it. Takes the items out of `spec`.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND, SESSION_NOT_CONNECTED, SOCKET_NOT_CONNECTED, WAIT_FOR_INVALID, WRITE_OFFSET_MISMATCH, LIMIT_REACHED.
    pub async fn send(&self, caller: &Arc<Caller>, spec: &mut SendSpec) -> Result<Sent, Error> {
        let session = self.tcp(caller, &spec.session_id)?;
        let (send, sent_to) = self.prepare(caller, &session, spec).await?;
        let written = session::send(&session, send).await?;
        Ok(self.sent(&session, spec.timeout, sent_to, written))
    }

    /// Starts a send: those started one after the other on a session are written in that order. Takes what it needs of `spec`, which
    /// is not handed over because moving it from future to future costs as much as a look into the registry.
    pub async fn start_send(self: &Arc<Self>, caller: &Arc<Caller>, spec: &mut SendSpec) -> SentOutcome {
        let timeout = spec.timeout;
        let prepared = match self.tcp(caller, &spec.session_id) {
            Ok(session) => self.prepare(caller, &session, spec).await.map(|prepared| (session, prepared)),
            Err(error) => Err(error),
        };
        let (session, (send, sent_to)) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return SentOutcome::Done(Err(error)),
        };
        let gateway = Arc::clone(self);
        match session.start_send(send) {
            Ok(Sending::Done(written)) => SentOutcome::Done(Ok(self.sent(&session, timeout, sent_to, written))),
            Ok(Sending::Queued(_, written)) => SentOutcome::Waiting(Box::pin(async move {
                let call = session.core.attend();
                let written = written.await.unwrap_or_else(|_| Err(session.not_connected()))?;
                drop(call);
                Ok(gateway.sent(&session, timeout, sent_to, written))
            })),
            Ok(Sending::PutOff(put_off)) => SentOutcome::Waiting(Box::pin(async move {
                let written = session::send_later(&session, put_off).await?;
                Ok(gateway.sent(&session, timeout, sent_to, written))
            })),
            Err(error) => SentOutcome::Done(Err(error)),
        }
    }

    fn sent(
        &self,
        session: &TcpSession,
        timeout: Option<Duration>,
        sent_to: Option<Arc<Subscriber>>,
        written: Written,
    ) -> Sent {
        if let Some(timeout) = timeout {
            session.core.set_timeout(Some(timeout).filter(|timeout| !timeout.is_zero()));
        }
        let message_id = self.message_id();
        if let Some(subscriber) = sent_to {
            let body = Body::Sent { message_id, chunk_count: written.chunk_count };
            session.core.while_alive(|| emit_sent(&subscriber, Some(&session.core.id), body));
        }
        Sent { message_id, written }
    }

    /// Sends and waits for the answer.
    ///
    /// # Errors
    /// Those of a send, and TIMEOUT, SESSION_ENDED, FRAME_TOO_LONG.
    pub async fn exchange(&self, caller: &Arc<Caller>, call: ExchangeCall) -> Result<(Written, Answer), Error> {
        let session = self.tcp(caller, &call.session_id)?;
        session.core.touch();
        if session.ends().is_none() {
            return Err(session.not_connected());
        }
        let spec = ExchangeSpec {
            wait_for: self.pattern(&call.wait_for, session.mode).await?,
            deadline: Instant::now() + call.timeout.unwrap_or(self.limits.now().exchange_timeout),
            settle: call.settle.unwrap_or(self.limits.now().settle_timeout),
            abort_unanswered: call.abort_unanswered,
        };
        pace(&session, &call.items).await;
        let send = Send { items: call.items, claim: None, expected_offset: call.expected_offset };
        let mut timing = Timing::start(&self.metrics.exchanges);
        let answered = session::exchange(&session, send, &spec, &self.metrics.exchanges.turn_wait).await;
        timing.outcome = match &answered {
            Ok(_) => ExchangeOutcome::Answered,
            Err(error) if error.reason() == Reason::Timeout => ExchangeOutcome::TimedOut,
            Err(_) => ExchangeOutcome::Failed,
        };
        answered
    }

    /// Asks a session to close.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND.
    pub fn disconnect(&self, caller: &Arc<Caller>, spec: &DisconnectSpec) -> Result<(), Error> {
        let session = self.registry.session(&caller.namespace, &spec.session_id)?;
        let core = session.core();
        if core.close_request().is_none() {
            let envelope = Envelope::of_session(&core.id, Body::Disconnecting).with_listener(core.listener.as_ref());
            if spec.subscriber.is_empty() {
                core.while_alive(|| core.lifecycle().push_event(envelope));
            } else {
                let lane = self.subscriber(caller, &spec.subscriber)?.lane(LaneKey::Session(core.id.clone()));
                core.while_alive(|| lane.push_report(envelope));
            }
        }
        self.audit.record(|| {
            let event = Event::DisconnectRequested { session: core.id.as_str(), abort: spec.abort };
            (Some(Who::calls(caller)), event)
        });
        match spec.abort {
            true => core.request_close(Close::Abort(CloseReason::Abort)),
            false => core.request_close_within(Close::Graceful(CloseReason::ByRequest), spec.close_timeout),
        }
        Ok(())
    }
}

/// Waits until the session's owner may send as much.
async fn pace(session: &TcpSession, items: &[Bytes]) {
    if let Some(usage) = &session.core.usage {
        usage.sent.pace(items.iter().map(Bytes::len).sum()).await;
    }
}
