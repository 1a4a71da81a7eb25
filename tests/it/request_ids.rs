//! Request ids: a retry answers with what the first call opened, and a cancelled call goes on.

use std::collections::HashSet;

use socket_gateway::api::proto::{
    CloseReason, Event, ListListenersRequest, ListSessionsRequest, TcpConnectRequest, TcpListenRequest,
    TcpUnlistenRequest, UdpInRequest,
};
use tonic::Code;

use crate::support::{
    TestGateway,
    calls::{address, ended, fails, listen_anywhere},
    connect_to, disconnect, eventually,
    peers::{Peer, Unanswering, nobody},
    seconds,
};

fn identified(addr: std::net::SocketAddr) -> TcpConnectRequest {
    TcpConnectRequest { request_id: "once".into(), ..connect_to(addr) }
}

#[tokio::test]
async fn a_retry_answers_with_the_same_session_listener_and_udp_socket() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut sockets = gateway.sockets().await;
    let first = sockets.tcp_connect(identified(echo.addr)).await.expect("connects").into_inner();
    let again = sockets.tcp_connect(identified(echo.addr)).await.expect("answers").into_inner();
    assert_eq!(first, again);
    let listen = TcpListenRequest { request_id: "once".into(), ..listen_anywhere() };
    let first = sockets.tcp_listen(listen.clone()).await.expect("listens").into_inner();
    assert_eq!(first, sockets.tcp_listen(listen).await.expect("answers").into_inner());
    let bind = UdpInRequest { request_id: "once".into(), ..Default::default() };
    let first = sockets.udp_in(bind.clone()).await.expect("binds").into_inner();
    assert_eq!(first, sockets.udp_in(bind).await.expect("answers").into_inner());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn retries_at_the_same_time_open_one() {
    const CALLERS: usize = 8;
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut channels = Vec::new();
    for _ in 0..CALLERS {
        channels.push(gateway.sockets().await);
    }
    for round in 0..100 {
        let request_id = format!("round {round}");
        let calls: Vec<_> = channels
            .iter()
            .map(|sockets| {
                let connect = TcpConnectRequest { request_id: request_id.clone(), ..connect_to(echo.addr) };
                let listen = TcpListenRequest { request_id: request_id.clone(), ..listen_anywhere() };
                let bind = UdpInRequest { request_id: request_id.clone(), ..Default::default() };
                let mut sockets = sockets.clone();
                tokio::spawn(async move {
                    match round % 3 {
                        0 => sockets.tcp_connect(connect).await.expect("connects").into_inner().session_id,
                        1 => sockets.tcp_listen(listen).await.expect("listens").into_inner().listener_id,
                        _ => sockets.udp_in(bind).await.expect("binds").into_inner().session_id,
                    }
                })
            })
            .collect();
        let mut ids = HashSet::new();
        for call in calls {
            ids.insert(call.await.expect("ends"));
        }
        assert_eq!(ids.len(), 1, "round {round}: {ids:?}");
    }
    let mut sessions = gateway.sessions().await;
    let listed = sessions.list_sessions(ListSessionsRequest::default()).await.expect("lists").into_inner();
    assert_eq!(listed.total_size, 67);
    let listed = sessions.list_listeners(ListListenersRequest::default()).await.expect("lists").into_inner();
    assert_eq!(listed.listeners.len(), 33);
}

#[tokio::test]
async fn another_request_with_the_same_id_is_refused() {
    let gateway = TestGateway::start().await;
    let (echo, other) = (Peer::echo().await, Peer::echo().await);
    let mut sockets = gateway.sockets().await;
    sockets.tcp_connect(identified(echo.addr)).await.expect("connects");
    fails(sockets.tcp_connect(identified(other.addr)).await, Code::InvalidArgument, "REQUEST_INVALID");
    // Another subscriber's, or another kind of call's, is another id.
    let theirs = TcpConnectRequest { subscriber: "other".into(), ..identified(other.addr) };
    sockets.tcp_connect(theirs).await.expect("connects");
    let listen = TcpListenRequest { request_id: "once".into(), ..listen_anywhere() };
    sockets.tcp_listen(listen).await.expect("listens");
}

#[tokio::test]
async fn after_the_end_the_id_opens_a_new_one() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut sockets = gateway.sockets().await;
    let mut envelopes = gateway.subscribe("").await;
    let first = sockets.tcp_connect(identified(echo.addr)).await.expect("connects").into_inner();
    sockets.tcp_disconnect(disconnect(&first.session_id)).await.expect("disconnects");
    envelopes.until(Event::Disconnected).await;
    let second = sockets.tcp_connect(identified(echo.addr)).await.expect("connects").into_inner();
    assert_ne!(first.session_id, second.session_id);
    sockets.tcp_disconnect(disconnect(&second.session_id)).await.expect("disconnects");
    let listen = TcpListenRequest { request_id: "once".into(), ..listen_anywhere() };
    let first = sockets.tcp_listen(listen.clone()).await.expect("listens").into_inner();
    let listener_id = first.listener_id.clone();
    let unlisten = TcpUnlistenRequest { listener_id, ..Default::default() };
    sockets.tcp_unlisten(unlisten).await.expect("closes");
    let second = sockets.tcp_listen(listen).await.expect("listens").into_inner();
    assert_ne!(first.listener_id, second.listener_id);
    let port = address(second.listening.as_ref().expect("an address")).port();
    assert_ne!(port, 0);
    let unlisten = TcpUnlistenRequest { listener_id: second.listener_id, ..Default::default() };
    sockets.tcp_unlisten(unlisten).await.expect("closes");
    gateway.released().await;
}

#[tokio::test]
async fn a_failed_dial_frees_its_request_id() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    let refused = TcpConnectRequest { request_id: "once".into(), ..connect_to(nobody().await) };
    for _ in 0..2 {
        fails(sockets.tcp_connect(refused.clone()).await, Code::FailedPrecondition, "CONNECT_FAILED");
    }
    let echo = Peer::echo().await;
    sockets.tcp_connect(identified(echo.addr)).await.expect("the id is free");
}

#[tokio::test]
async fn a_cancelled_dial_is_given_up_without_a_request_id_and_goes_on_with_one() {
    let gateway = TestGateway::start().await;
    let unanswering = Unanswering::start().await;
    let mut envelopes = gateway.subscribe("").await;
    let sockets = gateway.sockets().await;
    let patient = TcpConnectRequest { connect_timeout: seconds(60.0), ..connect_to(unanswering.addr) };
    let call = tokio::spawn({
        let (mut sockets, request) = (sockets.clone(), patient.clone());
        async move { sockets.tcp_connect(request).await }
    });
    envelopes.expect(Event::Connecting).await;
    call.abort();
    assert_eq!(ended(envelopes.expect(Event::Disconnected).await).reason(), CloseReason::Abort);
    gateway.released().await;

    let identified = TcpConnectRequest { request_id: "once".into(), ..patient };
    let call = tokio::spawn({
        let (mut sockets, request) = (sockets.clone(), identified.clone());
        async move { sockets.tcp_connect(request).await }
    });
    let id = envelopes.expect(Event::Connecting).await.session_id;
    call.abort();
    // A call on the same connection that comes after the cancellation has been seen.
    let retry = TcpConnectRequest { no_wait: false, ..identified };
    let retried = tokio::spawn({
        let mut sockets = sockets.clone();
        async move { sockets.tcp_connect(retry).await }
    });
    eventually("the dial goes on", || async { gateway.gateway.registry.session("", &id).is_ok() }).await;
    let mut sockets = sockets.clone();
    sockets.tcp_disconnect(disconnect(&id)).await.expect("it still dials");
    envelopes.expect(Event::Disconnecting).await;
    let end = envelopes.expect(Event::Disconnected).await;
    assert_eq!((end.session_id.as_str(), ended(end.clone()).reason()), (id.as_str(), CloseReason::ByRequest));
    fails(retried.await.expect("ends"), Code::FailedPrecondition, "CONNECT_FAILED");
    gateway.released().await;
}
