//! A session from connecting to disconnected, and how it is spoken to.

use std::collections::HashMap;

use socket_gateway::api::proto::{
    CloseReason, Event, SessionState, TcpConnectRequest, data::Payload, envelope::Detail,
};
use tonic::Code;

use crate::support::{
    TestGateway,
    calls::{connected, ended, fails, send_as, session},
    connect_to, disconnect,
    peers::{Peer, Unanswering, nobody},
    send,
};

#[tokio::test]
async fn an_echo_comes_back_and_the_envelopes_come_in_order() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut sockets = gateway.sockets().await;
    let mut envelopes = gateway.subscribe("").await;
    let session = sockets.tcp_connect(connect_to(echo.addr)).await.expect("connects").into_inner().session_id;
    sockets.tcp_send(send(&session, "hello")).await.expect("sends");
    envelopes.expect(Event::Connecting).await;
    envelopes.expect(Event::Connected).await;
    assert_eq!(envelopes.data().await, Payload::Bytes("hello".into()));
    sockets.tcp_disconnect(disconnect(&session)).await.expect("disconnects");
    envelopes.expect(Event::Disconnecting).await;
    let last = envelopes.expect(Event::Disconnected).await;
    let Some(Detail::Disconnected(detail)) = last.detail else { panic!("no detail") };
    assert_eq!(detail.reason(), CloseReason::ByRequest);
    assert_eq!((detail.bytes_received, detail.bytes_sent), (5, 5));
    gateway.released().await;
}

#[tokio::test]
async fn the_answer_and_the_events_name_both_ends() {
    let gateway = TestGateway::start().await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut sockets = gateway.sockets().await;
    let mut envelopes = gateway.subscribe("").await;
    let answer = sockets.tcp_connect(connect_to(peer.addr)).await.expect("connects").into_inner();
    assert!(answer.session_id.starts_with("sess-"), "{}", answer.session_id);
    let stream = taken.recv().await.expect("a connection");
    let ends = answer.connected.expect("ends");
    assert_eq!((ends.remote_host.as_str(), ends.remote_port), ("127.0.0.1", u32::from(peer.addr.port())));
    assert_eq!(ends.local_port, u32::from(stream.peer_addr().expect("an address").port()));
    let Some(Detail::Connecting(connecting)) = envelopes.expect(Event::Connecting).await.detail else { panic!() };
    assert_eq!((connecting.remote_host.as_str(), connecting.remote_port), ("127.0.0.1", peer.addr.port().into()));
    assert_eq!(envelopes.expect(Event::Connected).await.detail, Some(Detail::Connected(ends)));
}

#[tokio::test]
async fn a_forced_id_is_the_sessions_own_while_it_lives() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut sockets = gateway.sockets().await;
    let forced = TcpConnectRequest { session_id: "mine".into(), ..connect_to(echo.addr) };
    assert_eq!(connected(&mut sockets, forced.clone()).await, "mine");
    let metadata = fails(sockets.tcp_connect(forced).await, Code::AlreadyExists, "SESSION_ID_CONFLICT");
    assert_eq!(metadata["sessionId"], "mine");
    sockets.tcp_send(send("mine", "still there")).await.expect("the first one is unharmed");
    sockets.tcp_disconnect(disconnect("mine")).await.expect("disconnects");
    gateway.released().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_forced_id_is_free_as_soon_as_disconnected_is_seen() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut sockets = gateway.sockets().await;
    let mut envelopes = gateway.subscribe("").await;
    for round in 0..50 {
        let forced = TcpConnectRequest { session_id: "mine".into(), ..connect_to(echo.addr) };
        sockets.tcp_connect(forced).await.unwrap_or_else(|status| panic!("round {round}: {status}"));
        sockets.tcp_disconnect(disconnect("mine")).await.expect("disconnects");
        envelopes.until(Event::Disconnected).await;
    }
    gateway.released().await;
}

#[tokio::test]
async fn a_failed_dial_frees_its_forced_id_before_it_is_answered() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    let nobody = nobody().await;
    for _ in 0..20 {
        let forced = TcpConnectRequest { session_id: "mine".into(), ..connect_to(nobody) };
        let metadata = fails(sockets.tcp_connect(forced).await, Code::FailedPrecondition, "CONNECT_FAILED");
        assert_eq!((metadata["errno"].as_str(), metadata["sessionId"].as_str()), ("ECONNREFUSED", "mine"));
        assert_eq!(metadata["port"], nobody.port().to_string());
    }
    gateway.released().await;
}

#[tokio::test]
async fn a_failed_dial_is_told_between_connecting_and_disconnected_and_only_once() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    let mut envelopes = gateway.subscribe("caller").await;
    let forced =
        TcpConnectRequest { session_id: "mine".into(), subscriber: "caller".into(), ..connect_to(nobody().await) };
    fails(sockets.tcp_connect(forced).await, Code::FailedPrecondition, "CONNECT_FAILED");
    envelopes.expect(Event::Connecting).await;
    let error = envelopes.error("CONNECT_FAILED").await;
    assert_eq!((error.session_id.as_str(), error.error_metadata["errno"].as_str()), ("mine", "ECONNREFUSED"));
    assert_eq!(ended(envelopes.expect(Event::Disconnected).await).reason(), CloseReason::Error);
    // Something that comes later shows that nothing came in between.
    fails(sockets.tcp_send(send_as("caller", "other", "x")).await, Code::NotFound, "SESSION_NOT_FOUND");
    assert_eq!(envelopes.error("SESSION_NOT_FOUND").await.session_id, "other");
    gateway.released().await;
}

#[tokio::test]
async fn no_wait_answers_connecting_at_once_and_the_events_tell_the_rest() {
    let gateway = TestGateway::start().await;
    let unanswering = Unanswering::start().await;
    let mut sockets = gateway.sockets().await;
    let mut sessions = gateway.sessions().await;
    let mut envelopes = gateway.subscribe("").await;
    let request = TcpConnectRequest { no_wait: true, ..connect_to(unanswering.addr) };
    let answer = sockets.tcp_connect(request).await.expect("answers").into_inner();
    assert_eq!((answer.event(), answer.connected), (Event::Connecting, None));
    envelopes.expect(Event::Connecting).await;
    assert_eq!(session(&mut sessions, &answer.session_id).await.state(), SessionState::Connecting);
    let early = sockets.tcp_send(send(&answer.session_id, "too early")).await;
    assert_eq!(fails(early, Code::FailedPrecondition, "SESSION_NOT_CONNECTED")["state"], "connecting");
    envelopes.error("SESSION_NOT_CONNECTED").await;
    sockets.tcp_disconnect(disconnect(&answer.session_id)).await.expect("disconnects");
    envelopes.expect(Event::Disconnecting).await;
    assert_eq!(ended(envelopes.expect(Event::Disconnected).await).reason(), CloseReason::ByRequest);

    let echo = Peer::echo().await;
    let request = TcpConnectRequest { no_wait: true, ..connect_to(echo.addr) };
    let answer = sockets.tcp_connect(request).await.expect("answers").into_inner();
    assert_eq!(answer.event(), Event::Connecting);
    envelopes.expect(Event::Connecting).await;
    assert_eq!(envelopes.expect(Event::Connected).await.session_id, answer.session_id);
    sockets.tcp_disconnect(disconnect(&answer.session_id)).await.expect("disconnects");
    gateway.released().await;
}

#[tokio::test]
async fn a_dial_that_is_disconnected_says_nothing_after_disconnected() {
    let gateway = TestGateway::start().await;
    let unanswering = Unanswering::start().await;
    let mut sockets = gateway.sockets().await;
    let mut envelopes = gateway.subscribe("").await;
    let request = TcpConnectRequest { session_id: "mine".into(), ..connect_to(unanswering.addr) };
    let mut dialling = gateway.sockets().await;
    let dial = tokio::spawn(async move { dialling.tcp_connect(request).await });
    envelopes.expect(Event::Connecting).await;
    sockets.tcp_disconnect(disconnect("mine")).await.expect("disconnects");
    fails(dial.await.expect("ends"), Code::FailedPrecondition, "CONNECT_FAILED");
    envelopes.expect(Event::Disconnecting).await;
    envelopes.expect(Event::Disconnected).await;
    fails(sockets.tcp_send(send("other", "x")).await, Code::NotFound, "SESSION_NOT_FOUND");
    envelopes.error("SESSION_NOT_FOUND").await;
    gateway.released().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_session_begins_with_connecting_and_ends_with_disconnected() {
    const SESSIONS: usize = 40;
    let gateway = TestGateway::start().await;
    let (echo, ending) = (Peer::echo().await, Peer::says_and_ends(b"last words").await);
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    for at in 0..SESSIONS {
        let addr = if at % 2 == 0 { echo.addr } else { ending.addr };
        let session = connected(&mut sockets, connect_to(addr)).await;
        // Those whose peer ends at once may be gone by now.
        let _ = sockets.tcp_send(send(&session, "words")).await;
        let _ = sockets.tcp_disconnect(disconnect(&session)).await;
    }
    gateway.released().await;
    let mut seen: HashMap<String, Vec<Event>> = HashMap::new();
    while seen.values().filter(|events| events.last() == Some(&Event::Disconnected)).count() < SESSIONS {
        let envelope = envelopes.next().await;
        if envelope.event() != Event::Error {
            seen.entry(envelope.session_id.clone()).or_default().push(envelope.event());
        }
    }
    for events in seen.values() {
        assert_eq!(events[..2], [Event::Connecting, Event::Connected], "{events:?}");
        assert_eq!(events.iter().filter(|event| **event == Event::Disconnected).count(), 1, "{events:?}");
    }
}
