//! Calls with the fields most tests need, and how they fail.

use std::{collections::HashMap, fmt::Debug, net::SocketAddr};

use socket_gateway::api::proto::{self, Envelope, Event, envelope::Detail};
use tonic::{Code, Response, Status};

use super::{Envelopes, Sessions, Sockets, TestGateway, reason, text};

/// Connects; gives the session.
pub async fn connected(sockets: &mut Sockets, request: proto::TcpConnectRequest) -> String {
    sockets.tcp_connect(request).await.expect("connects").into_inner().session_id
}

/// A listen request for a free port of 127.0.0.1.
pub fn listen_anywhere() -> proto::TcpListenRequest {
    proto::TcpListenRequest { host: "127.0.0.1".into(), ..Default::default() }
}

/// Listens; gives the listener and its address.
pub async fn listening(sockets: &mut Sockets, request: proto::TcpListenRequest) -> (String, SocketAddr) {
    let answer = sockets.tcp_listen(request).await.expect("listens").into_inner();
    (answer.listener_id, address(&answer.listening.expect("an address")))
}

/// The address of a `listening`.
pub fn address(listening: &proto::Listening) -> SocketAddr {
    let port = u16::try_from(listening.local_port).expect("a port");
    SocketAddr::new(listening.local_host.parse().expect("an address"), port)
}

/// An exchange of one text; with an empty pattern it ends with the first frame.
pub fn exchange(session_id: &str, what: &str, wait_for: &str) -> proto::TcpExchangeRequest {
    let payload = if what.is_empty() { Vec::new() } else { vec![text(what)] };
    let (session_id, wait_for) = (session_id.into(), wait_for.into());
    proto::TcpExchangeRequest { session_id, payload, wait_for, ..Default::default() }
}

/// A send that moves the data claim to a subscriber.
pub fn send_as(subscriber: &str, session_id: &str, what: &str) -> proto::TcpSendRequest {
    proto::TcpSendRequest { subscriber: subscriber.into(), ..super::send(session_id, what) }
}

/// The metadata of a call that must fail like this.
#[track_caller]
pub fn fails<T: Debug>(result: Result<Response<T>, Status>, code: Code, why: &str) -> HashMap<String, String> {
    let status = result.expect_err("must fail");
    let (reason, metadata) = reason(&status);
    assert_eq!((status.code(), reason.as_str()), (code, why), "{}", status.message());
    metadata
}

/// A live session.
pub async fn session(sessions: &mut Sessions, id: &str) -> proto::Session {
    let request = proto::GetSessionRequest { session_id: id.into(), ..Default::default() };
    sessions.get_session(request).await.expect("lives").into_inner().session.expect("a session")
}

/// How a session ended.
pub fn ended(envelope: Envelope) -> proto::Disconnected {
    match envelope.detail {
        Some(Detail::Disconnected(detail)) => detail,
        other => panic!("not the end: {other:?}"),
    }
}

impl Envelopes {
    /// Skips to the end of this session; everything else is lost.
    pub async fn end_of(&mut self, session_id: &str) -> proto::Disconnected {
        loop {
            let envelope = self.next().await;
            if envelope.event() == Event::Disconnected && envelope.session_id == session_id {
                return ended(envelope);
            }
        }
    }

    /// The next envelope, which must be this error.
    pub async fn error(&mut self, code: &str) -> Envelope {
        let envelope = self.expect(Event::Error).await;
        assert_eq!(envelope.error_code, code, "{envelope:?}");
        envelope
    }

    /// The texts of lines that were flushed, and whether the last is unfinished; the next envelope must be that.
    pub async fn flushed(&mut self) -> (Vec<String>, bool) {
        match self.data().await {
            proto::data::Payload::Flushed(flushed) => (texts(flushed.lines), flushed.last_unfinished),
            other => panic!("not flushed lines: {other:?}"),
        }
    }

    /// The lines before a match and the match, which the next envelope must be.
    pub async fn matched(&mut self) -> (Vec<String>, String) {
        match self.data().await {
            proto::data::Payload::Match(found) => (texts(found.lines), line_text(found.r#match.expect("a match"))),
            other => panic!("not a match: {other:?}"),
        }
    }
}

pub fn texts(lines: Vec<proto::Line>) -> Vec<String> {
    lines.into_iter().map(line_text).collect()
}

/// A line as text, whatever form it came in.
pub fn line_text(line: proto::Line) -> String {
    match line.content.expect("content") {
        proto::line::Content::Text(text) => text,
        proto::line::Content::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

impl TestGateway {
    /// As `released`; and only subscribers with proper names have come into being.
    pub async fn left_nothing(&self) {
        self.released().await;
        let listed = self.sessions().await.list_subscribers(proto::ListSubscribersRequest::default()).await;
        for subscriber in listed.expect("lists").into_inner().subscribers {
            let proper = subscriber.name.len() <= 128 && !subscriber.name.chars().any(char::is_control);
            assert!(proper, "{:.20}", subscriber.name);
        }
    }
}
