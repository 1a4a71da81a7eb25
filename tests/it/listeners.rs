//! Listeners: what they accept, how they end, and that their port is free then.

use socket_gateway::api::proto::{
    CloseReason, Event, ListListenersRequest, TcpListenRequest, TcpMode, TcpUnlistenRequest, envelope::Detail,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tonic::Code;

use crate::support::{
    TestGateway,
    calls::{address, ended, fails, listen_anywhere, listening, session},
    disconnect,
    peers::{drain, nobody},
    within,
};

fn unlisten(listener_id: &str, close_sessions: bool) -> TcpUnlistenRequest {
    TcpUnlistenRequest { listener_id: listener_id.into(), close_sessions, ..Default::default() }
}

#[tokio::test]
async fn port_0_picks_a_port_that_answer_event_and_list_tell() {
    let gateway = TestGateway::start().await;
    let mut envelopes = gateway.subscribe("").await;
    let answer = gateway.sockets().await.tcp_listen(listen_anywhere()).await.expect("listens").into_inner();
    assert!(answer.listener_id.starts_with("lstn-"), "{}", answer.listener_id);
    assert_eq!(answer.event(), Event::Listening);
    let told = answer.listening.expect("an address");
    assert_ne!(told.local_port, 0);
    let event = envelopes.expect(Event::Listening).await;
    assert_eq!((event.listener_id, event.session_id), (answer.listener_id.clone(), String::new()));
    assert_eq!(event.detail, Some(Detail::Listening(told.clone())));
    let listed = gateway.sessions().await.list_listeners(ListListenersRequest::default()).await;
    let listed = listed.expect("lists").into_inner().listeners;
    assert_eq!((listed[0].listener_id.as_str(), listed[0].local_port), (answer.listener_id.as_str(), told.local_port));
    TcpStream::connect(address(&told)).await.expect("it is really there");
}

#[tokio::test]
async fn the_first_envelope_of_an_accepted_session_is_connected_with_its_listener() {
    let gateway = TestGateway::start().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let request = TcpListenRequest { mode: TcpMode::Line.into(), ..listen_anywhere() };
    let (listener, addr) = listening(&mut sockets, request).await;
    let mut peer = TcpStream::connect(addr).await.expect("connects");
    peer.write_all(b"hello\n").await.expect("writes");
    envelopes.expect(Event::Listening).await;
    let first = envelopes.expect(Event::Connected).await;
    assert_eq!(first.listener_id, listener);
    let Some(Detail::Connected(ends)) = first.detail else { panic!() };
    assert_eq!(ends.remote_port, u32::from(peer.local_addr().expect("an address").port()));
    assert_eq!(envelopes.line().await, "hello");
    let shown = session(&mut gateway.sessions().await, &first.session_id).await;
    assert_eq!((shown.listener_id.as_str(), shown.mode()), (listener.as_str(), TcpMode::Line));
    drop(peer);
    let end = ended(envelopes.expect(Event::Disconnected).await);
    assert_eq!((end.reason(), end.bytes_received), (CloseReason::PeerClosed, 6));
    sockets.tcp_unlisten(unlisten(&listener, false)).await.expect("closes");
    gateway.released().await;
}

#[tokio::test]
async fn unlisten_leaves_the_sessions_where_it_is_not_told_to_close_them() {
    let gateway = TestGateway::start().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let (listener, addr) = listening(&mut sockets, listen_anywhere()).await;
    let mut peer = TcpStream::connect(addr).await.expect("connects");
    let id = envelopes.until(Event::Connected).await.session_id;
    let answer = sockets.tcp_unlisten(unlisten(&listener, false)).await.expect("closes").into_inner();
    assert_eq!((answer.event(), answer.sessions_closing), (Event::Closed, 0));
    assert_eq!(envelopes.expect(Event::Closed).await.listener_id, listener);
    peer.write_all(b"still here").await.expect("writes");
    assert_eq!(envelopes.bytes(10).await, b"still here");
    fails(sockets.tcp_unlisten(unlisten(&listener, false)).await, Code::NotFound, "LISTENER_NOT_FOUND");
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    drop(peer);
    gateway.released().await;
}

#[tokio::test]
async fn unlisten_closes_its_sessions_where_it_is_told_to() {
    let gateway = TestGateway::start().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let (listener, addr) = listening(&mut sockets, listen_anywhere()).await;
    let (other, other_addr) = listening(&mut sockets, listen_anywhere()).await;
    let mut peers = Vec::new();
    for _ in 0..3 {
        peers.push(TcpStream::connect(addr).await.expect("connects"));
        envelopes.until(Event::Connected).await;
    }
    let mut unconcerned = TcpStream::connect(other_addr).await.expect("connects");
    let id = envelopes.until(Event::Connected).await.session_id;
    let answer = sockets.tcp_unlisten(unlisten(&listener, true)).await.expect("closes").into_inner();
    assert_eq!(answer.sessions_closing, 3);
    for mut peer in peers {
        assert_eq!(within(drain(&mut peer)).await, b"");
        drop(peer);
        assert_eq!(ended(envelopes.until(Event::Disconnected).await).reason(), CloseReason::ByRequest);
    }
    unconcerned.write_all(b"me not").await.expect("writes");
    assert_eq!(envelopes.bytes(6).await, b"me not");
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    sockets.tcp_unlisten(unlisten(&other, true)).await.expect("closes");
    drop(unconcerned);
    gateway.released().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_port_can_be_bound_again_as_soon_as_unlisten_has_answered() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    let (mut listener, addr) = listening(&mut sockets, listen_anywhere()).await;
    let mut peers = Vec::new();
    for round in 0..100 {
        peers.push(TcpStream::connect(addr).await.expect("connects"));
        sockets.tcp_unlisten(unlisten(&listener, round % 2 == 0)).await.expect("closes");
        let request = TcpListenRequest { port: addr.port().into(), ..listen_anywhere() };
        let again = sockets.tcp_listen(request).await.unwrap_or_else(|status| panic!("round {round}: {status}"));
        listener = again.into_inner().listener_id;
    }
    sockets.tcp_unlisten(unlisten(&listener, false)).await.expect("closes");
    drop(peers);
    gateway.released().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn unlisten_with_its_sessions_forgets_none_that_was_just_accepted() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    for _ in 0..30 {
        let (listener, addr) = listening(&mut sockets, listen_anywhere()).await;
        let storm: Vec<_> = (0..16)
            .map(|_| {
                tokio::spawn(async move {
                    // Those that come too late are refused or reset.
                    if let Ok(mut peer) = TcpStream::connect(addr).await {
                        within(drain(&mut peer)).await;
                    }
                })
            })
            .collect();
        tokio::task::yield_now().await;
        sockets.tcp_unlisten(unlisten(&listener, true)).await.expect("closes");
        for peer in storm {
            peer.await.expect("its session was closed");
        }
    }
    gateway.released().await;
}

#[tokio::test]
async fn a_port_in_use_is_a_server_error_with_its_errno() {
    let gateway = TestGateway::start().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let (_, addr) = listening(&mut sockets, listen_anywhere()).await;
    envelopes.expect(Event::Listening).await;
    let request = TcpListenRequest { port: addr.port().into(), ..listen_anywhere() };
    let metadata = fails(sockets.tcp_listen(request).await, Code::FailedPrecondition, "SERVER_ERROR");
    assert_eq!((metadata["errno"].as_str(), metadata["host"].as_str()), ("EADDRINUSE", "127.0.0.1"));
    assert_eq!(metadata["port"], addr.port().to_string());
    assert_eq!(envelopes.error("SERVER_ERROR").await.error_metadata, metadata);
    let request = TcpListenRequest { host: "192.0.2.1".into(), ..Default::default() };
    let metadata = fails(sockets.tcp_listen(request).await, Code::FailedPrecondition, "SERVER_ERROR");
    assert_eq!(metadata["errno"], "EADDRNOTAVAIL");
}

#[tokio::test]
async fn a_closed_listener_refuses_its_peers() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    let (listener, addr) = listening(&mut sockets, listen_anywhere()).await;
    sockets.tcp_unlisten(unlisten(&listener, false)).await.expect("closes");
    let error = TcpStream::connect(addr).await.expect_err("nobody listens");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_ne!(nobody().await, addr);
    gateway.released().await;
}

#[tokio::test]
async fn a_listener_at_the_session_limit_leaves_peers_in_the_kernels_queue() {
    let gateway = TestGateway::with(|limits| limits.sessions = 1).await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let (listener, addr) = listening(&mut sockets, listen_anywhere()).await;
    let first = TcpStream::connect(addr).await.expect("connects");
    envelopes.until(Event::Connected).await;
    let mut second = TcpStream::connect(addr).await.expect("queues");
    second.write_all(b"patient").await.expect("writes");
    drop(first);
    envelopes.expect(Event::Disconnected).await;
    envelopes.expect(Event::Connected).await;
    assert_eq!(envelopes.bytes(7).await, b"patient");
    sockets.tcp_unlisten(unlisten(&listener, true)).await.expect("closes");
    drop(second);
    gateway.released().await;
}
