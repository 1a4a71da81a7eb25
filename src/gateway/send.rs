//! TcpSend, TcpExchange and TcpDisconnect.

use std::sync::Arc;

use tokio::time::Instant;

use super::{DisconnectSpec, ExchangeCall, Gateway, SendSpec};
use crate::{
    envelope::{Body, CloseReason, Envelope},
    error::{Error, Reason},
    registry::Session,
    session::{self, Answer, Close, ExchangeSpec, Send, Sending, TcpSession, Written},
    subscriber::LaneKey,
};

/// A send that is done.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its id.
    pub message_id: Arc<str>,
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
    fn tcp(&self, id: &str) -> Result<Arc<TcpSession>, Error> {
        match self.registry.session(id)? {
            Session::Tcp(session) => {
                session.core.touch();
                Ok(session)
            }
            Session::Udp(session) => {
                Err(Error::new(Reason::SessionNotConnected, "this is a UDP session: use UdpOut with its session_id")
                    .with("sessionId", &session.core.id)
                    .with("state", session.state().as_str()))
            }
        }
    }

    async fn prepare(&self, session: &Arc<TcpSession>, spec: &SendSpec) -> Result<Send, Error> {
        let claim = if spec.subscriber.is_empty() {
            None
        } else {
            let session = Session::Tcp(Arc::clone(session));
            Some(self.claim_move(&spec.subscriber, &spec.wait_for, &session).await?)
        };
        Ok(Send { items: spec.items.clone(), claim, expected_offset: spec.expected_offset })
    }

    /// Sends and waits until the operating system has all of it.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND, SESSION_NOT_CONNECTED, SOCKET_NOT_CONNECTED, WAIT_FOR_INVALID, WRITE_OFFSET_MISMATCH, LIMIT_REACHED.
    pub async fn send(&self, spec: &SendSpec) -> Result<Sent, Error> {
        let session = self.tcp(&spec.session_id)?;
        let send = self.prepare(&session, spec).await?;
        let written = session::send(&session, send).await?;
        self.sent(&session, spec, written)
    }

    /// Starts a send: those started one after the other on a session are written in that order.
    pub async fn start_send(self: &Arc<Self>, spec: SendSpec) -> SentOutcome {
        let prepared = match self.tcp(&spec.session_id) {
            Ok(session) => self.prepare(&session, &spec).await.map(|send| (session, send)),
            Err(error) => Err(error),
        };
        let (session, send) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return SentOutcome::Done(Err(error)),
        };
        if session.turn_is_free() {
            match session.start_send(send) {
                Ok(Sending::Done(written)) => SentOutcome::Done(self.sent(&session, &spec, written)),
                Ok(Sending::Queued(_, written)) => {
                    let gateway = Arc::clone(self);
                    SentOutcome::Waiting(Box::pin(async move {
                        let written = written.await.unwrap_or_else(|_| Err(session.not_connected()))?;
                        gateway.sent(&session, &spec, written)
                    }))
                }
                Err(error) => SentOutcome::Done(Err(error)),
            }
        } else {
            let gateway = Arc::clone(self);
            let written = session::send_in_order(&session, send);
            SentOutcome::Waiting(Box::pin(async move {
                let written = written.await?;
                gateway.sent(&session, &spec, written)
            }))
        }
    }

    fn sent(&self, session: &TcpSession, spec: &SendSpec, written: Written) -> Result<Sent, Error> {
        if let Some(timeout) = spec.timeout {
            session.core.set_timeout(Some(timeout).filter(|timeout| !timeout.is_zero()));
        }
        let message_id = self.message_id();
        if spec.emit_sent {
            let subscriber = self.subscriber(&spec.subscriber)?;
            let body = Body::Sent { message_id: Arc::clone(&message_id), chunk_count: written.chunk_count };
            self.emit_sent(&subscriber, Some(&session.core.id), body);
        }
        Ok(Sent { message_id, written })
    }

    /// Sends and waits for the answer.
    ///
    /// # Errors
    /// Those of a send, and TIMEOUT, SESSION_ENDED, FRAME_TOO_LONG.
    pub async fn exchange(&self, call: ExchangeCall) -> Result<(Written, Answer), Error> {
        let session = self.tcp(&call.session_id)?;
        if session.ends().is_none() {
            return Err(session.not_connected());
        }
        let spec = ExchangeSpec {
            wait_for: self.pattern(&call.wait_for, session.mode).await?,
            deadline: Instant::now() + call.timeout.unwrap_or(self.limits.exchange_timeout),
            settle: call.settle.unwrap_or(self.limits.settle_timeout),
            abort_unanswered: call.abort_unanswered,
        };
        let send = Send { items: call.items, claim: None, expected_offset: call.expected_offset };
        session::exchange(&session, send, &spec).await
    }

    /// Asks a session to close.
    ///
    /// # Errors
    /// SESSION_NOT_FOUND.
    pub fn disconnect(&self, spec: &DisconnectSpec) -> Result<(), Error> {
        let session = self.registry.session(&spec.session_id)?;
        let core = session.core();
        if core.close_request().is_none() {
            let envelope = Envelope::of_session(&core.id, Body::Disconnecting).with_listener(core.listener.as_ref());
            if spec.subscriber.is_empty() {
                core.lifecycle().push_event(envelope);
            } else {
                self.subscriber(&spec.subscriber)?.lane(LaneKey::Session(core.id.clone())).push_report(envelope);
            }
        }
        core.request_close(match spec.abort {
            true => Close::Abort(CloseReason::Abort),
            false => Close::Graceful(CloseReason::ByRequest),
        });
        Ok(())
    }
}
