//! How sessions end: by FIN, by RST, by the peer, by request; and what is still written and delivered then.

use socket_gateway::api::proto::{
    CloseReason, Event, PayloadItem, SessionState, TcpConnectRequest, TcpDisconnectRequest, TcpSendRequest,
    data::Payload,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Code;

use crate::support::{
    TestGateway, bytes,
    calls::{connected, ended, exchange, fails, session},
    connect_lines, connect_to, disconnect, eventually,
    peers::{Peer, drain, reset},
    seconds, send, within,
};

fn abort(session: &str) -> TcpDisconnectRequest {
    TcpDisconnectRequest { abort: true, ..disconnect(session) }
}

/// More than the buffers of a connection on this host take.
fn bulk(megabytes: usize) -> Vec<PayloadItem> {
    (0..megabytes * 16).map(|at| bytes(vec![at as u8; 64 * 1024])).collect()
}

#[tokio::test]
async fn the_peers_fin_ends_the_session() {
    let gateway = TestGateway::start().await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut envelopes = gateway.subscribe("").await;
    connected(&mut gateway.sockets().await, connect_to(peer.addr)).await;
    let mut stream = taken.recv().await.expect("a connection");
    stream.write_all(b"bye").await.expect("writes");
    stream.shutdown().await.expect("ends");
    assert_eq!(drain(&mut stream).await, b"", "the gateway ends its direction too");
    envelopes.expect(Event::Connecting).await;
    envelopes.expect(Event::Connected).await;
    assert_eq!(envelopes.data().await, Payload::Bytes("bye".into()));
    let end = ended(envelopes.expect(Event::Disconnected).await);
    assert_eq!((end.reason(), end.bytes_received), (CloseReason::PeerClosed, 3));
    gateway.released().await;
}

#[tokio::test]
async fn with_allow_half_open_the_session_still_sends_after_the_peers_fin() {
    let gateway = TestGateway::start().await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let request = TcpConnectRequest { allow_half_open: true, ..connect_lines(peer.addr) };
    let id = connected(&mut sockets, request).await;
    let mut stream = taken.recv().await.expect("a connection");
    stream.write_all(b"question without end").await.expect("writes");
    stream.shutdown().await.expect("ends");
    envelopes.expect(Event::Connecting).await;
    envelopes.expect(Event::Connected).await;
    assert_eq!(envelopes.flushed().await, (vec!["question without end".to_owned()], true));
    assert_eq!(envelopes.expect(Event::HalfClosed).await.session_id, id);
    assert_eq!(session(&mut gateway.sessions().await, &id).await.state(), SessionState::HalfClosed);
    sockets.tcp_send(send(&id, "answer")).await.expect("sends");
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    assert_eq!(within(drain(&mut stream)).await, b"answer");
    envelopes.expect(Event::Disconnecting).await;
    assert_eq!(ended(envelopes.expect(Event::Disconnected).await).reason(), CloseReason::ByRequest);
    gateway.released().await;
}

#[tokio::test]
async fn an_exchange_on_a_half_closed_session_learns_at_once_that_no_answer_comes() {
    let gateway = TestGateway::start().await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let request = TcpConnectRequest { allow_half_open: true, ..connect_lines(peer.addr) };
    let id = connected(&mut sockets, request).await;
    let mut stream = taken.recv().await.expect("a connection");
    stream.shutdown().await.expect("ends");
    envelopes.until(Event::HalfClosed).await;
    for what in ["anybody there?", ""] {
        let answer = within(sockets.tcp_exchange(exchange(&id, what, ""))).await.expect("answers").into_inner();
        assert_eq!(answer.end(), socket_gateway::api::proto::ExchangeEnd::PeerClosed);
    }
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    assert_eq!(within(drain(&mut stream)).await, b"anybody there?");
    gateway.released().await;
}

#[tokio::test]
async fn a_half_closed_session_notices_that_its_peer_resets() {
    let gateway = TestGateway::start().await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut envelopes = gateway.subscribe("").await;
    let request = TcpConnectRequest { allow_half_open: true, ..connect_to(peer.addr) };
    connected(&mut gateway.sockets().await, request).await;
    let mut stream = taken.recv().await.expect("a connection");
    stream.shutdown().await.expect("ends");
    envelopes.until(Event::HalfClosed).await;
    reset(stream);
    envelopes.error("TRANSPORT_ERROR").await;
    assert_eq!(ended(envelopes.expect(Event::Disconnected).await).reason(), CloseReason::PeerReset);
    gateway.released().await;
}

#[tokio::test]
async fn an_abort_resets_the_connection() {
    let gateway = TestGateway::start().await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let id = connected(&mut sockets, connect_to(peer.addr)).await;
    let mut stream = taken.recv().await.expect("a connection");
    sockets.tcp_disconnect(abort(&id)).await.expect("aborts");
    let error = within(stream.read_u8()).await.expect_err("no FIN");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(ended(envelopes.until(Event::Disconnected).await).reason(), CloseReason::Abort);
    gateway.released().await;
}

#[tokio::test]
async fn what_is_queued_is_written_to_a_slow_reader_before_the_fin() {
    let gateway = TestGateway::with(|limits| limits.payload_bytes = 16 << 20).await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let mut sessions = gateway.sessions().await;
    let id = connected(&mut sockets, connect_to(peer.addr)).await;
    let mut stream = taken.recv().await.expect("a connection");
    let mut calls = Vec::new();
    for _ in 0..16 {
        let send = TcpSendRequest { payload: bulk(1), ..send(&id, "") };
        let mut sockets = sockets.clone();
        calls.push(tokio::spawn(async move { sockets.tcp_send(send).await }));
    }
    let queued = eventually_queued(&mut sessions, &id).await;
    assert!(queued > 0);
    let refused = async {
        let mut refused = 0;
        for call in calls {
            match within(call).await.expect("ends") {
                Ok(sent) => assert_eq!(sent.into_inner().chunk_count, 16),
                Err(status) => {
                    fails::<()>(Err(status), Code::ResourceExhausted, "LIMIT_REACHED");
                    refused += 1;
                }
            }
        }
        refused
    };
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    let late = sockets.tcp_send(send(&id, "too late")).await;
    assert_eq!(fails(late, Code::FailedPrecondition, "SESSION_NOT_CONNECTED")["state"], "disconnecting");
    let (received, refused) = tokio::join!(within(drain(&mut stream)), refused);
    drop(stream);
    assert_eq!(received.len(), (16 - refused) << 20);
    assert!(received.chunks(64 * 1024).all(|item| item.iter().all(|byte| *byte == item[0])), "items are whole");
    let end = envelopes.end_of(&id).await;
    assert_eq!((end.reason(), end.bytes_sent), (CloseReason::ByRequest, received.len() as u64));
    gateway.released().await;
}

async fn eventually_queued(sessions: &mut crate::support::Sessions, id: &str) -> u64 {
    let sessions = &*sessions;
    eventually("a send waits", || {
        let mut sessions = sessions.clone();
        async move { session(&mut sessions, id).await.queued_send_bytes > 0 }
    })
    .await;
    session(&mut sessions.clone(), id).await.queued_send_bytes
}

#[tokio::test]
async fn a_peer_that_neither_reads_nor_ends_is_cut_after_the_close_timeout() {
    let gateway = TestGateway::with(|limits| limits.close_timeout = std::time::Duration::from_millis(200)).await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let id = connected(&mut sockets, connect_to(peer.addr)).await;
    let _stream = taken.recv().await.expect("a connection");
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    assert_eq!(envelopes.end_of(&id).await.reason(), CloseReason::ByRequest);
    gateway.released().await;
}

#[tokio::test]
async fn an_abort_cuts_a_disconnect_short_and_asking_twice_is_no_error() {
    let gateway = TestGateway::start().await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let id = connected(&mut sockets, connect_to(peer.addr)).await;
    let _stream = taken.recv().await.expect("a connection");
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    sockets.tcp_disconnect(disconnect(&id)).await.expect("asks again");
    sockets.tcp_disconnect(abort(&id)).await.expect("aborts");
    envelopes.until(Event::Disconnecting).await;
    assert_eq!(ended(envelopes.expect(Event::Disconnected).await).reason(), CloseReason::Abort);
    fails(sockets.tcp_disconnect(disconnect(&id)).await, Code::NotFound, "SESSION_NOT_FOUND");
    gateway.released().await;
}

#[tokio::test]
async fn a_peers_reset_is_told_as_a_transport_error() {
    let gateway = TestGateway::start().await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut envelopes = gateway.subscribe("").await;
    let id = connected(&mut gateway.sockets().await, connect_to(peer.addr)).await;
    reset(taken.recv().await.expect("a connection"));
    envelopes.expect(Event::Connecting).await;
    envelopes.expect(Event::Connected).await;
    let error = envelopes.error("TRANSPORT_ERROR").await;
    assert_eq!((error.error_metadata["errno"].as_str(), error.session_id.as_str()), ("ECONNRESET", id.as_str()));
    assert_eq!(ended(envelopes.expect(Event::Disconnected).await).reason(), CloseReason::PeerReset);
    gateway.released().await;
}

#[tokio::test]
async fn a_reset_under_a_waiting_send_says_how_many_items_went_out_whole() {
    let gateway = TestGateway::with(|limits| limits.payload_bytes = 16 << 20).await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut sockets = gateway.sockets().await;
    let id = connected(&mut sockets, connect_to(peer.addr)).await;
    let stream = taken.recv().await.expect("a connection");
    let sends: Vec<_> = (0..8).map(|_| TcpSendRequest { payload: bulk(1), ..send(&id, "") }).collect();
    let calls = sends.into_iter().map(|send| {
        let mut sockets = sockets.clone();
        tokio::spawn(async move { sockets.tcp_send(send).await })
    });
    let calls: Vec<_> = calls.collect();
    eventually_queued(&mut gateway.sessions().await, &id).await;
    reset(stream);
    let mut died = 0;
    for call in calls {
        let Err(status) = within(call).await.expect("ends") else { continue };
        let (reason, metadata) = crate::support::reason(&status);
        if reason == "SOCKET_NOT_CONNECTED" {
            assert_eq!(status.code(), Code::Aborted);
            assert!(metadata["itemsWritten"].parse::<u32>().expect("a number") < 16);
            assert_eq!(metadata["sessionId"], id);
            assert!(metadata.contains_key("errno"), "{metadata:?}");
            died += 1;
        }
    }
    assert!(died > 0);
    gateway.released().await;
}

#[tokio::test]
async fn a_disconnect_named_by_a_subscriber_tells_it_and_the_end_goes_to_the_opener() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let (mut opener, mut closer) = (gateway.subscribe("opener").await, gateway.subscribe("closer").await);
    let mut sockets = gateway.sockets().await;
    let request =
        TcpConnectRequest { subscriber: "opener".into(), connect_timeout: seconds(5.0), ..connect_to(echo.addr) };
    let id = connected(&mut sockets, request).await;
    let request = TcpDisconnectRequest { subscriber: "closer".into(), ..disconnect(&id) };
    sockets.tcp_disconnect(request).await.expect("disconnects");
    assert_eq!(closer.expect(Event::Disconnecting).await.session_id, id);
    opener.expect(Event::Connecting).await;
    opener.expect(Event::Connected).await;
    opener.expect(Event::Disconnected).await;
    gateway.released().await;
}

#[tokio::test]
async fn a_close_that_gives_the_peer_more_time_still_delivers_its_answer() {
    let gateway = TestGateway::with(|limits| limits.close_timeout = std::time::Duration::from_millis(50)).await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let patient = connected(&mut sockets, connect_to(peer.addr)).await;
    let mut stream = taken.recv().await.expect("a connection");
    let hasty = connected(&mut sockets, connect_to(peer.addr)).await;
    let _silent = taken.recv().await.expect("a connection");
    let request = TcpDisconnectRequest { close_timeout: seconds(60.0), ..disconnect(&patient) };
    sockets.tcp_disconnect(request).await.expect("disconnects");
    sockets.tcp_disconnect(disconnect(&hasty)).await.expect("disconnects");
    // The gateway's own time is over when the other session has ended by it.
    assert_eq!(envelopes.until(Event::Disconnected).await.session_id, hasty);
    assert_eq!(drain(&mut stream).await, b"", "FIN has come");
    stream.write_all(b"late").await.expect("writes");
    drop(stream);
    assert_eq!(envelopes.data().await, Payload::Bytes("late".into()));
    let end = envelopes.expect(Event::Disconnected).await;
    assert_eq!((end.session_id.as_str(), ended(end.clone()).reason()), (patient.as_str(), CloseReason::ByRequest));
    let request = TcpDisconnectRequest { close_timeout: seconds(3601.0), ..disconnect("anything") };
    fails(sockets.tcp_disconnect(request).await, Code::InvalidArgument, "REQUEST_INVALID");
    gateway.released().await;
}
