//! Absurd requests: refused with a reason, and nothing stays behind.

use std::time::Duration;

use socket_gateway::api::proto::{
    self, ListSubscribersRequest, MulticastGroup, PayloadItem, TcpConnectRequest, TcpSendRequest,
};
use tonic::{Code, Status};

use crate::support::{
    TestGateway, bytes,
    calls::{connected, exchange, listen_anywhere},
    connect_lines, connect_to, disconnect,
    peers::{Peer, drain, nobody},
    seconds, send, text, within,
};

fn spans() -> Vec<Option<prost_types::Duration>> {
    [(-1, 0), (0, -1), (i64::MAX, i32::MAX), (i64::MIN, i32::MIN), (i64::MAX, 0), (0, i32::MAX), (86_401, 0)]
        .map(|(seconds, nanos)| Some(prost_types::Duration { seconds, nanos }))
        .into()
}

/// Names no id, subscriber or request may have.
fn names() -> Vec<String> {
    vec!["x".repeat(129), "x".repeat(10_000), "line\nbreak".into(), "nul\0".into(), "\u{1b}[31m".into(), "é".repeat(65)]
}

fn hosts() -> Vec<String> {
    [
        "",
        " ",
        "256.1.1.1",
        "1.2.3",
        "0x7f.1",
        "[::1]",
        "::1%nowhere",
        "a b",
        "nul\0",
        "..",
        "-",
        "%",
        "http://x/",
        "no-such-host.invalid",
    ]
    .into_iter()
    .map(Into::into)
    .chain(["x".repeat(254), "x".repeat(100_000), "é".repeat(120)])
    .collect()
}

/// Must fail, with a reason, and not as a fault of the gateway.
#[track_caller]
fn refused<T>(result: Result<T, Status>, what: &str) {
    let Err(status) = result else { panic!("{what} was taken") };
    let reason = crate::support::reason(&status).0;
    assert!(!matches!(status.code(), Code::Internal | Code::Unknown | Code::Unavailable), "{what}: {status}");
    assert_ne!(reason, "INTERNAL", "{what}");
    assert!(status.message().len() < 4096, "{what}: {} bytes", status.message().len());
}

#[tokio::test]
async fn absurd_connects_are_refused() {
    let gateway = TestGateway::with(|limits| limits.connect_timeout = Duration::from_secs(2)).await;
    let mut sockets = gateway.sockets().await;
    let nobody = nobody().await;
    let good = || TcpConnectRequest { connect_timeout: seconds(2.0), ..connect_to(nobody) };
    for host in hosts() {
        let what = format!("host {host:.30}");
        refused(sockets.tcp_connect(TcpConnectRequest { host, ..good() }).await, &what);
    }
    for port in [0, 65_536, u32::MAX] {
        refused(sockets.tcp_connect(TcpConnectRequest { port, ..good() }).await, &format!("port {port}"));
    }
    for name in names() {
        let what = format!("name {name:.20}");
        refused(sockets.tcp_connect(TcpConnectRequest { session_id: name.clone(), ..good() }).await, &what);
        refused(sockets.tcp_connect(TcpConnectRequest { request_id: name.clone(), ..good() }).await, &what);
        refused(sockets.tcp_connect(TcpConnectRequest { subscriber: name, ..good() }).await, &what);
    }
    for span in spans() {
        let what = format!("{span:?}");
        refused(sockets.tcp_connect(TcpConnectRequest { timeout: span, ..good() }).await, &what);
        refused(sockets.tcp_connect(TcpConnectRequest { connect_timeout: span, ..good() }).await, &what);
        refused(sockets.tcp_connect(TcpConnectRequest { orphan_timeout: span, ..good() }).await, &what);
    }
    for value in [-1, 99, i32::MAX, i32::MIN] {
        refused(sockets.tcp_connect(TcpConnectRequest { mode: value, ..good() }).await, "a mode");
        refused(sockets.tcp_connect(TcpConnectRequest { on_timeout: value, ..good() }).await, "an action");
    }
    let pattern = TcpConnectRequest { wait_for: "(".repeat(100_000), mode: 2, ..good() };
    refused(sockets.tcp_connect(pattern).await, "a pattern");
    refused(sockets.tcp_connect(good()).await, "nobody there");
    gateway.left_nothing().await;
}

#[tokio::test]
async fn absurd_listens_and_binds_are_refused() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    let bind = |host: &str| proto::UdpInRequest { host: host.into(), ..Default::default() };
    for host in hosts().into_iter().filter(|host| !host.is_empty()) {
        let what = format!("host {host:.30}");
        let listen = proto::TcpListenRequest { host: host.clone(), ..Default::default() };
        refused(sockets.tcp_listen(listen).await, &what);
        refused(sockets.udp_in(bind(&host)).await, &what);
    }
    for port in [65_536, u32::MAX] {
        refused(sockets.tcp_listen(proto::TcpListenRequest { port, ..listen_anywhere() }).await, "a port");
        refused(sockets.udp_in(proto::UdpInRequest { port, ..Default::default() }).await, "a port");
    }
    for name in names() {
        let listen = || listen_anywhere();
        refused(sockets.tcp_listen(proto::TcpListenRequest { subscriber: name.clone(), ..listen() }).await, &name);
        refused(sockets.tcp_listen(proto::TcpListenRequest { request_id: name.clone(), ..listen() }).await, &name);
        refused(sockets.udp_in(proto::UdpInRequest { subscriber: name.clone(), ..bind("") }).await, &name);
        refused(sockets.udp_in(proto::UdpInRequest { session_id: name.clone(), ..bind("") }).await, &name);
        refused(sockets.udp_in(proto::UdpInRequest { request_id: name, ..bind("") }).await, "a request id");
    }
    for span in spans() {
        let what = format!("{span:?}");
        let listen = || listen_anywhere();
        refused(sockets.tcp_listen(proto::TcpListenRequest { timeout: span, ..listen() }).await, &what);
        refused(sockets.tcp_listen(proto::TcpListenRequest { orphan_timeout: span, ..listen() }).await, &what);
        refused(sockets.udp_in(proto::UdpInRequest { timeout: span, ..bind("") }).await, &what);
        refused(sockets.udp_in(proto::UdpInRequest { orphan_timeout: span, ..bind("") }).await, &what);
    }
    let group =
        |address: &str, interface: &str| MulticastGroup { address: address.into(), interface: interface.into() };
    for groups in [
        vec![group("", "")],
        vec![group("10.0.0.1", "")],
        vec![group("239.1.2.3", "no-such-interface")],
        vec![group("239.1.2.3", &"x".repeat(10_000))],
        vec![group("239.1.2.3", "nul\0")],
        vec![group("239.1.2.3", ""), group("ff02::1", "")],
        vec![group("239.1.2.3", ""); 65],
        vec![group("ff02::1", "4294967295")],
    ] {
        let request = proto::UdpInRequest { multicast_groups: groups, ..Default::default() };
        refused(sockets.udp_in(request).await, "multicast groups");
    }
    refused(sockets.udp_in(proto::UdpInRequest { mode: 77, ..bind("") }).await, "a mode");
    gateway.left_nothing().await;
}

#[tokio::test]
async fn absurd_sends_and_exchanges_are_refused_and_write_nothing() {
    let gateway = TestGateway::start().await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut sockets = gateway.sockets().await;
    let id = connected(&mut sockets, connect_lines(peer.addr)).await;
    let mut stream = taken.recv().await.expect("a connection");
    let good = || send(&id, "never");
    let ask = || exchange(&id, "never", "");
    for name in names() {
        refused(sockets.tcp_send(TcpSendRequest { session_id: name.clone(), ..good() }).await, "an id");
        refused(sockets.tcp_exchange(exchange(&name, "never", "")).await, "an id");
        refused(sockets.tcp_send(TcpSendRequest { subscriber: name.clone(), ..good() }).await, "a subscriber");
        refused(sockets.tcp_exchange(proto::TcpExchangeRequest { subscriber: name, ..ask() }).await, "a subscriber");
    }
    for payload in [
        vec![],
        vec![PayloadItem::default()],
        vec![text("")],
        vec![bytes("")],
        vec![text("fine"), bytes("")],
        vec![bytes(vec![0; (1 << 20) + 1])],
        vec![bytes(vec![0; 1 << 19]), bytes(vec![0; (1 << 19) + 1])],
        vec![text("x"); 1025],
        vec![text("x"); 100_000],
    ] {
        let items = payload.len();
        let ask = proto::TcpExchangeRequest { payload: payload.clone(), ..ask() };
        refused(sockets.tcp_send(TcpSendRequest { payload, ..good() }).await, &format!("{items} items"));
        if items > 0 {
            refused(sockets.tcp_exchange(ask).await, &format!("{items} items"));
        }
    }
    let huge = TcpSendRequest { payload: vec![bytes(vec![0; 3 << 20])], ..good() };
    let status = sockets.tcp_send(huge).await.expect_err("more than a gRPC message may have");
    assert!(matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted), "{status}");
    for span in spans() {
        refused(sockets.tcp_send(TcpSendRequest { timeout: span, ..good() }).await, "a timeout");
        refused(sockets.tcp_exchange(proto::TcpExchangeRequest { timeout: span, ..ask() }).await, "a timeout");
        let settle = proto::TcpExchangeRequest { settle_timeout: span, ..ask() };
        refused(sockets.tcp_exchange(settle).await, "a settle timeout");
    }
    for value in [-1, 99, i32::MAX] {
        refused(sockets.tcp_send(TcpSendRequest { line_terminator: value, ..good() }).await, "a terminator");
        refused(sockets.tcp_exchange(proto::TcpExchangeRequest { on_unanswered: value, ..ask() }).await, "an action");
        refused(sockets.tcp_exchange(proto::TcpExchangeRequest { payload_format: value, ..ask() }).await, "a format");
    }
    refused(sockets.tcp_exchange(exchange(&id, "never", &"(".repeat(100_000))).await, "a pattern");
    refused(sockets.tcp_send(TcpSendRequest { expected_write_offset: Some(u64::MAX), ..good() }).await, "an offset");
    let ask = proto::TcpExchangeRequest { expected_write_offset: Some(u64::MAX), ..ask() };
    refused(sockets.tcp_exchange(ask).await, "an offset");
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    assert_eq!(within(drain(&mut stream)).await, b"");
    drop(stream);
    gateway.left_nothing().await;
}

#[tokio::test]
async fn absurd_datagrams_are_refused() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    let good =
        || proto::UdpOutRequest { host: "127.0.0.1".into(), port: 9, payload: Some(text("x")), ..Default::default() };
    for host in hosts() {
        let what = format!("host {host:.30}");
        refused(sockets.udp_out(proto::UdpOutRequest { host, ..good() }).await, &what);
    }
    for port in [0, 65_536, u32::MAX] {
        refused(sockets.udp_out(proto::UdpOutRequest { port, ..good() }).await, "a port");
    }
    for name in names() {
        refused(sockets.udp_out(proto::UdpOutRequest { subscriber: name.clone(), ..good() }).await, "a subscriber");
        refused(sockets.udp_out(proto::UdpOutRequest { session_id: name, ..good() }).await, "an id");
    }
    refused(sockets.udp_out(proto::UdpOutRequest { payload: None, ..good() }).await, "no payload");
    let empty = Some(PayloadItem::default());
    refused(sockets.udp_out(proto::UdpOutRequest { payload: empty, ..good() }).await, "no payload");
    let large = Some(bytes(vec![0; 65_508]));
    refused(sockets.udp_out(proto::UdpOutRequest { payload: large, ..good() }).await, "a large payload");
    let ttl = Some(256);
    refused(sockets.udp_out(proto::UdpOutRequest { multicast_ttl: ttl, ..good() }).await, "a ttl");
    for interface in ["nowhere", "nul\0"] {
        let multicast_interface = interface.into();
        refused(sockets.udp_out(proto::UdpOutRequest { multicast_interface, ..good() }).await, "an interface");
    }
    gateway.left_nothing().await;
}

#[tokio::test]
async fn absurd_ends_and_questions_are_refused() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    let mut sessions = gateway.sessions().await;
    for name in names().into_iter().chain([String::new(), "nobody".into()]) {
        refused(sockets.tcp_disconnect(disconnect(&name)).await, "an id");
        let unlisten = proto::TcpUnlistenRequest { listener_id: name.clone(), ..Default::default() };
        refused(sockets.tcp_unlisten(unlisten).await, "an id");
        let get = proto::GetSessionRequest { session_id: name.clone(), ..Default::default() };
        refused(sessions.get_session(get).await, "an id");
        let claim = proto::ClaimDataRequest { session_id: name, subscriber: "x".into(), wait_for: None };
        refused(sessions.claim_data(claim).await, "an id");
    }
    for name in names() {
        let subscriber = name.clone();
        let request = proto::TcpDisconnectRequest { subscriber, ..disconnect("nobody") };
        refused(sockets.tcp_disconnect(request).await, "a subscriber");
        let request =
            proto::TcpUnlistenRequest { listener_id: "nobody".into(), subscriber: name.clone(), ..Default::default() };
        refused(sockets.tcp_unlisten(request).await, "a subscriber");
        let request = proto::ClaimDataRequest { session_id: "nobody".into(), subscriber: name.clone(), wait_for: None };
        refused(sessions.claim_data(request).await, "a subscriber");
        let request = proto::SubscribeRequest { subscriber: name, ..Default::default() };
        refused(sockets.subscribe(request).await, "a subscriber");
    }
    refused(sockets.subscribe(proto::SubscribeRequest { outputs: vec![9], ..Default::default() }).await, "an output");
    let request = proto::SubscribeRequest { payload_format: 9, ..Default::default() };
    refused(sockets.subscribe(request).await, "a format");
    let request = proto::SubscribeRequest { session_ids: vec!["x".into(); 1025], ..Default::default() };
    refused(sockets.subscribe(request).await, "many ids");
    for span in spans().into_iter().chain([seconds(0.5)]) {
        let request = proto::SubscribeRequest { heartbeat_interval: span, ..Default::default() };
        refused(sockets.subscribe(request).await, "a heartbeat");
        refused(
            sessions.watch(proto::WatchRequest { heartbeat_interval: span, ..Default::default() }).await,
            "a heartbeat",
        );
    }
    let page = proto::ListSessionsRequest { page_size: u32::MAX, kind: 99, state: -1, ..Default::default() };
    refused(sessions.list_sessions(page).await, "a page");
    let page = proto::ListListenersRequest { page_size: 1001, ..Default::default() };
    refused(sessions.list_listeners(page).await, "a page");
    refused(
        sessions.list_subscribers(ListSubscribersRequest { page_size: 1001, ..Default::default() }).await,
        "a page",
    );
    gateway.left_nothing().await;
}

#[tokio::test]
async fn an_attach_that_does_not_begin_with_subscribe_is_refused() {
    use proto::{AttachRequest, AttachSubscribe, attach_request::Command};
    let gateway = TestGateway::start().await;
    let subscribe = |subscription, delivery_mode| Command::Subscribe(AttachSubscribe { subscription, delivery_mode });
    let absurd = proto::SubscribeRequest { subscriber: "x".repeat(10_000), ..Default::default() };
    for command in [
        None,
        Some(Command::TcpSend(send("x", "y"))),
        Some(Command::Ack(proto::Ack::default())),
        Some(subscribe(Some(absurd), 0)),
        Some(subscribe(None, 99)),
    ] {
        let first = AttachRequest { correlation_id: 1, command };
        let attached = gateway.sockets().await.attach(tokio_stream::once(first)).await;
        refused(attached, "a first message");
    }
    let ended = gateway.sockets().await.attach(tokio_stream::empty()).await;
    refused(ended, "no first message");
    gateway.left_nothing().await;
}
