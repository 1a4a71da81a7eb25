//! Inactivity and orphan timeouts: when they fire, who is told, and what keeps them from firing.

use std::time::Duration;

use socket_gateway::api::proto::{
    ClaimDataRequest, CloseReason, Event, Status, TcpConnectRequest, TcpExchangeRequest, TcpListenRequest,
    TcpSendRequest, TimeoutAction, UdpInRequest,
};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};

use crate::support::{
    TestGateway,
    calls::{connected, ended, exchange, listen_anywhere, listening, send_as, session},
    connect_to, disconnect, eventually,
    peers::{Peer, Unanswering, drain},
    seconds, send, within,
};

#[tokio::test]
async fn an_inactive_dialled_session_says_so_once_and_stays() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let id = connected(&mut sockets, TcpConnectRequest { timeout: seconds(0.1), ..connect_to(echo.addr) }).await;
    envelopes.until(Event::Connected).await;
    let event = envelopes.expect(Event::Timeout).await;
    assert_eq!((event.status(), event.error_code.as_str()), (Status::Error, "TIMEOUT"));
    assert_eq!((event.session_id.as_str(), event.error_metadata["sessionId"].as_str()), (id.as_str(), id.as_str()));
    // The timer starts again with the next traffic, and not before.
    sockets.tcp_send(send(&id, "x")).await.expect("it is open");
    envelopes.expect(Event::Data).await;
    envelopes.expect(Event::Timeout).await;
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    envelopes.expect(Event::Disconnecting).await;
    envelopes.expect(Event::Disconnected).await;
    gateway.released().await;
}

#[tokio::test]
async fn an_inactive_accepted_session_says_so_and_closes() {
    let gateway = TestGateway::start().await;
    let mut envelopes = gateway.subscribe("").await;
    let request = TcpListenRequest { timeout: seconds(0.1), ..listen_anywhere() };
    let (_, addr) = listening(&mut gateway.sockets().await, request).await;
    let mut peer = TcpStream::connect(addr).await.expect("connects");
    envelopes.until(Event::Connected).await;
    assert_eq!(within(drain(&mut peer)).await, b"");
    drop(peer);
    envelopes.expect(Event::Timeout).await;
    assert_eq!(ended(envelopes.expect(Event::Disconnected).await).reason(), CloseReason::Timeout);
}

#[tokio::test]
async fn on_timeout_chooses_either() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let (timeout, on_timeout) = (seconds(0.1), TimeoutAction::Close.into());
    connected(&mut sockets, TcpConnectRequest { timeout, on_timeout, ..connect_to(echo.addr) }).await;
    envelopes.until(Event::Connected).await;
    envelopes.expect(Event::Timeout).await;
    assert_eq!(ended(envelopes.expect(Event::Disconnected).await).reason(), CloseReason::Timeout);
    let on_timeout = TimeoutAction::Keep.into();
    let (_, addr) = listening(&mut sockets, TcpListenRequest { timeout, on_timeout, ..listen_anywhere() }).await;
    let mut peer = TcpStream::connect(addr).await.expect("connects");
    envelopes.until(Event::Connected).await;
    envelopes.expect(Event::Timeout).await;
    peer.write_all(b"still here").await.expect("writes");
    assert_eq!(envelopes.bytes(10).await, b"still here");
    envelopes.expect(Event::Timeout).await;
    let request = UdpInRequest { timeout, on_timeout: TimeoutAction::Close.into(), ..Default::default() };
    sockets.udp_in(request).await.expect("binds");
    envelopes.expect(Event::Listening).await;
    envelopes.expect(Event::Timeout).await;
    assert_eq!(ended(envelopes.expect(Event::Disconnected).await).reason(), CloseReason::Timeout);
}

#[tokio::test]
async fn inactivity_is_told_to_the_holder_and_to_the_opener() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let (mut opener, mut holder) = (gateway.subscribe("opener").await, gateway.subscribe("holder").await);
    let mut sockets = gateway.sockets().await;
    let (subscriber, timeout) = ("opener".into(), seconds(0.2));
    let id = connected(&mut sockets, TcpConnectRequest { subscriber, timeout, ..connect_to(echo.addr) }).await;
    sockets.tcp_send(send_as("holder", &id, "x")).await.expect("sends");
    holder.expect(Event::Data).await;
    assert_eq!(holder.expect(Event::Timeout).await.session_id, id);
    opener.until(Event::Connected).await;
    assert_eq!(opener.expect(Event::Timeout).await.session_id, id);
}

#[tokio::test]
async fn inbound_data_and_sends_put_the_timeout_off() {
    const TIMEOUT: f64 = 0.6;
    let gateway = TestGateway::start().await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let request = TcpConnectRequest { timeout: seconds(TIMEOUT), ..connect_to(peer.addr) };
    let id = connected(&mut sockets, request).await;
    let mut stream = taken.recv().await.expect("a connection");
    let mut last = Instant::now();
    for round in 0..6 {
        tokio::time::sleep(Duration::from_secs_f64(TIMEOUT / 4.0)).await;
        last = Instant::now();
        if round % 2 == 0 {
            stream.write_all(b"x").await.expect("writes");
        } else {
            sockets.tcp_send(send(&id, "x")).await.expect("sends");
        }
    }
    envelopes.until(Event::Timeout).await;
    let after = last.elapsed();
    assert!(after >= Duration::from_secs_f64(TIMEOUT * 0.95), "{after:?} after the last traffic");
}

#[tokio::test]
async fn a_send_changes_the_timeout_and_can_switch_it_off() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let id = connected(&mut sockets, TcpConnectRequest { timeout: seconds(60.0), ..connect_to(echo.addr) }).await;
    sockets.tcp_send(TcpSendRequest { timeout: seconds(0.1), ..send(&id, "x") }).await.expect("sends");
    envelopes.until(Event::Timeout).await;
    sockets.tcp_send(TcpSendRequest { timeout: seconds(0.0), ..send(&id, "y") }).await.expect("sends");
    assert_eq!(session(&mut gateway.sessions().await, &id).await.timeout, None);
}

/// An orphan timeout that tests can wait out, and stay clear of.
const ORPHAN: f64 = 0.4;

fn orphan(addr: std::net::SocketAddr) -> TcpConnectRequest {
    TcpConnectRequest { orphan_timeout: seconds(ORPHAN), ..connect_to(addr) }
}

#[tokio::test]
async fn a_session_that_nobody_attends_or_touches_closes() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut sockets = gateway.sockets().await;
    connected(&mut sockets, orphan(echo.addr)).await;
    let request = UdpInRequest { orphan_timeout: seconds(ORPHAN), ..Default::default() };
    sockets.udp_in(request).await.expect("binds");
    gateway.released().await;
    let mut envelopes = gateway.subscribe("").await;
    for _ in 0..2 {
        assert_eq!(ended(envelopes.until(Event::Disconnected).await).reason(), CloseReason::Orphaned);
    }
}

#[tokio::test]
async fn accepted_sessions_become_orphans_too_and_their_listener_stays() {
    let gateway = TestGateway::start().await;
    let request = TcpListenRequest { orphan_timeout: seconds(ORPHAN), ..listen_anywhere() };
    let (_, addr) = listening(&mut gateway.sockets().await, request).await;
    for _ in 0..2 {
        let mut peer = TcpStream::connect(addr).await.expect("connects");
        assert_eq!(within(drain(&mut peer)).await, b"");
    }
}

#[tokio::test]
async fn an_attached_stream_keeps_sessions_from_becoming_orphans_until_it_goes() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let id = connected(&mut sockets, orphan(echo.addr)).await;
    tokio::time::sleep(Duration::from_secs_f64(ORPHAN * 2.0)).await;
    assert_eq!(session(&mut gateway.sessions().await, &id).await.session_id, id);
    let left = Instant::now();
    drop(envelopes);
    gateway.released().await;
    assert!(left.elapsed() >= Duration::from_secs_f64(ORPHAN * 0.95), "{:?}", left.elapsed());
}

#[tokio::test]
async fn calls_keep_a_session_from_becoming_an_orphan_and_looking_does_not() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut sockets = gateway.sockets().await;
    let mut sessions = gateway.sessions().await;
    let id = connected(&mut sockets, orphan(echo.addr)).await;
    for round in 0..8 {
        tokio::time::sleep(Duration::from_secs_f64(ORPHAN / 4.0)).await;
        if round % 2 == 0 {
            sockets.tcp_send(send(&id, "x")).await.expect("it lives");
        } else {
            let (session_id, subscriber) = (id.clone(), "other".into());
            sessions.claim_data(ClaimDataRequest { session_id, subscriber, wait_for: None }).await.expect("it lives");
        }
    }
    let sessions = gateway.sessions().await;
    eventually("it goes though it is looked at", || {
        let (mut sessions, session_id) = (sessions.clone(), id.clone());
        async move {
            sessions
                .get_session(socket_gateway::api::proto::GetSessionRequest { session_id, ..Default::default() })
                .await
                .is_err()
        }
    })
    .await;
    gateway.released().await;
}

#[tokio::test]
async fn a_call_that_waits_on_a_session_keeps_it_from_becoming_an_orphan() {
    let gateway = TestGateway::start().await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut sockets = gateway.sockets().await;
    let id = connected(&mut sockets, orphan(peer.addr)).await;
    let mut stream = taken.recv().await.expect("a connection");
    let waiting = tokio::spawn({
        let request = TcpExchangeRequest { timeout: seconds(20.0), ..exchange(&id, "slow?", "") };
        async move { sockets.tcp_exchange(request).await }
    });
    tokio::time::sleep(Duration::from_secs_f64(ORPHAN * 2.5)).await;
    stream.write_all(b"yes").await.expect("writes");
    within(waiting).await.expect("ends").expect("the session has waited for its answer");
    gateway.sockets().await.tcp_send(send(&id, "!")).await.expect("and is not even closing");
    assert_eq!(within(drain(&mut stream)).await, b"slow?!", "then it goes");
    drop(stream);
    gateway.released().await;
}

#[tokio::test]
async fn an_orphan_timeout_of_0_is_never() {
    let gateway = TestGateway::with(|limits| limits.orphan_timeout = Duration::from_millis(100)).await;
    let echo = Peer::echo().await;
    let mut sockets = gateway.sockets().await;
    let never = connected(&mut sockets, TcpConnectRequest { orphan_timeout: seconds(0.0), ..connect_to(echo.addr) });
    let never = never.await;
    let default = connected(&mut sockets, connect_to(echo.addr)).await;
    eventually("the other one goes", || async { gateway.gateway.registry.session("", &default).is_err() }).await;
    assert_eq!(session(&mut gateway.sessions().await, &never).await.orphan_timeout, None);
}

#[tokio::test]
async fn connecting_ends_after_its_timeout() {
    let gateway = TestGateway::start().await;
    let unanswering = Unanswering::start().await;
    let mut sockets = gateway.sockets().await;
    let request = TcpConnectRequest { connect_timeout: seconds(0.2), ..connect_to(unanswering.addr) };
    let status = within(sockets.tcp_connect(request)).await;
    let metadata = crate::support::calls::fails(status, tonic::Code::DeadlineExceeded, "CONNECT_FAILED");
    assert_eq!((metadata["errno"].as_str(), metadata["phase"].as_str()), ("ETIMEDOUT", "connect"));
    gateway.released().await;
}
