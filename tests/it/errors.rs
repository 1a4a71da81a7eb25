//! Errors: every reason with its gRPC code and its details, to the caller and on the events output alike.

use std::collections::{BTreeSet, HashMap};

use socket_gateway::{
    api::proto::{self, ErrorReason},
    error::{DOMAIN, Reason},
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    Envelopes, TestGateway, bad_fields, bytes,
    calls::{connected, exchange, listen_anywhere, listening, send_as},
    connect_to, disconnect,
    peers::{Peer, Unanswering, nobody},
    seconds, text,
};

#[test]
fn the_reasons_of_the_code_are_those_of_the_proto() {
    let in_code: Vec<String> = Reason::ALL.iter().map(|reason| format!("ERROR_REASON_{reason}")).collect();
    let in_proto: Vec<String> = (1..)
        .map_while(|number| ErrorReason::try_from(number).ok())
        .map(|reason| reason.as_str_name().to_owned())
        .collect();
    assert_eq!(in_code, in_proto);
}

/// Checks a failed call: its code and details, and the same error as the next envelope.
async fn told(
    seen: &mut BTreeSet<&'static str>,
    envelopes: &mut Envelopes,
    result: Result<(), Status>,
    code: Code,
    reason: &'static str,
    metadata: &[&str],
) -> Status {
    let status = result.expect_err(reason);
    let details = status.get_error_details();
    let info = details.error_info().expect("ErrorInfo");
    assert_eq!((status.code(), info.reason.as_str(), info.domain.as_str()), (code, reason, DOMAIN));
    assert!(!status.message().is_empty());
    for key in metadata {
        assert!(info.metadata.get(*key).is_some_and(|value| !value.is_empty()), "{reason}: {key} in {info:?}");
    }
    let envelope = envelopes.until(proto::Event::Error).await;
    assert_eq!((envelope.status(), envelope.error_code.as_str()), (proto::Status::Error, reason));
    assert_eq!((envelope.error_text.as_str(), &envelope.error_metadata), (status.message(), &info.metadata));
    seen.insert(reason);
    status
}

#[tokio::test]
async fn every_reason_reaches_caller_and_events_output_with_code_and_metadata() {
    let gateway = TestGateway::with(|limits| limits.listeners = 1).await;
    let (echo, nobody, unanswering) = (Peer::echo().await, nobody().await, Unanswering::start().await);
    let mut sockets = gateway.sockets().await;
    let mut envelopes = gateway.subscribe("caller").await;
    let mut seen = BTreeSet::new();
    let (seen, events) = (&mut seen, &mut envelopes);
    let subscriber = || "caller".to_owned();
    let dial = |addr| proto::TcpConnectRequest { subscriber: subscriber(), ..connect_to(addr) };

    let request = proto::TcpConnectRequest { subscriber: subscriber(), ..Default::default() };
    let failed = sockets.tcp_connect(request).await.map(drop);
    told(seen, events, failed, Code::InvalidArgument, "CONNECT_INVALID", &[]).await;

    let forced = proto::TcpConnectRequest { session_id: "taken".into(), ..dial(echo.addr) };
    sockets.tcp_connect(forced.clone()).await.expect("connects");
    let failed = sockets.tcp_connect(forced).await.map(drop);
    told(seen, events, failed, Code::AlreadyExists, "SESSION_ID_CONFLICT", &["sessionId"]).await;

    let failed = sockets.tcp_connect(dial(nobody)).await.map(drop);
    let expected = ["sessionId", "host", "port", "errno"];
    told(seen, events, failed, Code::FailedPrecondition, "CONNECT_FAILED", &expected).await;
    let slow = proto::TcpConnectRequest { connect_timeout: seconds(0.1), ..dial(unanswering.addr) };
    let failed = sockets.tcp_connect(slow).await.map(drop);
    told(seen, events, failed, Code::DeadlineExceeded, "CONNECT_FAILED", &expected).await;

    let request = proto::TcpListenRequest { subscriber: subscriber(), host: "here".into(), ..Default::default() };
    let failed = sockets.tcp_listen(request).await.map(drop);
    told(seen, events, failed, Code::InvalidArgument, "LISTEN_INVALID", &[]).await;
    let (_, addr) = listening(&mut sockets, listen_anywhere()).await;
    let request = proto::TcpListenRequest { subscriber: subscriber(), port: addr.port().into(), ..listen_anywhere() };
    let failed = sockets.tcp_listen(request).await.map(drop);
    told(seen, events, failed, Code::FailedPrecondition, "SERVER_ERROR", &["host", "port", "errno"]).await;
    let request = proto::TcpListenRequest { subscriber: subscriber(), ..listen_anywhere() };
    let failed = sockets.tcp_listen(request).await.map(drop);
    told(seen, events, failed, Code::ResourceExhausted, "LIMIT_REACHED", &["limit", "value"]).await;

    let failed = sockets.tcp_send(send_as("caller", "nobody", "x")).await.map(drop);
    told(seen, events, failed, Code::NotFound, "SESSION_NOT_FOUND", &["sessionId"]).await;
    let request =
        proto::TcpUnlistenRequest { listener_id: "nobody".into(), subscriber: subscriber(), ..Default::default() };
    let failed = sockets.tcp_unlisten(request).await.map(drop);
    told(seen, events, failed, Code::NotFound, "LISTENER_NOT_FOUND", &["listenerId"]).await;
    let dialling = proto::TcpConnectRequest { session_id: "dialling".into(), no_wait: true, ..dial(unanswering.addr) };
    sockets.tcp_connect(dialling).await.expect("answers");
    let failed = sockets.tcp_send(send_as("caller", "dialling", "x")).await.map(drop);
    told(seen, events, failed, Code::FailedPrecondition, "SESSION_NOT_CONNECTED", &["sessionId", "state"]).await;
    sockets.tcp_disconnect(disconnect("dialling")).await.expect("gives up");

    let empty = proto::TcpSendRequest { payload: vec![], ..send_as("caller", "taken", "") };
    let failed = sockets.tcp_send(empty).await.map(drop);
    told(seen, events, failed, Code::InvalidArgument, "PAYLOAD_INVALID", &[]).await;
    let waiting = proto::TcpSendRequest { wait_for: Some("(".into()), ..send_as("caller", "taken", "x") };
    let failed = sockets.tcp_send(waiting).await.map(drop);
    told(seen, events, failed, Code::InvalidArgument, "WAIT_FOR_INVALID", &[]).await;
    let doubled = proto::TcpSendRequest { expected_write_offset: Some(7), ..send_as("caller", "taken", "x") };
    let failed = sockets.tcp_send(doubled).await.map(drop);
    told(seen, events, failed, Code::FailedPrecondition, "WRITE_OFFSET_MISMATCH", &["sessionId", "writeOffset"]).await;

    let datagram = |host: &str| proto::UdpOutRequest {
        host: host.into(),
        port: 9,
        payload: Some(text("x")),
        subscriber: subscriber(),
        ..Default::default()
    };
    let failed = sockets.udp_out(datagram("")).await.map(drop);
    told(seen, events, failed, Code::InvalidArgument, "SEND_INVALID", &[]).await;
    let failed = sockets.udp_out(datagram("127.255.255.255")).await.map(drop);
    told(seen, events, failed, Code::FailedPrecondition, "UDP_SEND_FAILED", &["host", "port", "errno"]).await;
    let request = proto::UdpInRequest { host: "192.0.2.1".into(), subscriber: subscriber(), ..Default::default() };
    let failed = sockets.udp_in(request).await.map(drop);
    told(seen, events, failed, Code::FailedPrecondition, "UDP_ERROR", &["errno"]).await;

    let silent = Peer::stuck().await;
    let id = connected(&mut sockets, dial(silent.addr)).await;
    let request =
        proto::TcpExchangeRequest { timeout: seconds(0.05), subscriber: subscriber(), ..exchange(&id, "x", "") };
    let failed = sockets.tcp_exchange(request).await.map(drop);
    told(seen, events, failed, Code::DeadlineExceeded, "TIMEOUT", &["sessionId", "phase"]).await;
    let id = connected(&mut sockets, dial(silent.addr)).await;
    let request = proto::TcpExchangeRequest { subscriber: subscriber(), ..exchange(&id, "", "") };
    let mut other = gateway.sockets().await;
    let cut = tokio::spawn(async move { other.tcp_exchange(request).await.map(drop) });
    let sessions = gateway.sessions().await;
    crate::support::eventually("it collects", || async {
        crate::support::calls::session(&mut sessions.clone(), &id).await.exchange_active
    })
    .await;
    sockets.tcp_disconnect(proto::TcpDisconnectRequest { abort: true, ..disconnect(&id) }).await.expect("aborts");
    let failed = cut.await.expect("ends");
    told(seen, events, failed, Code::Aborted, "SESSION_ENDED", &["sessionId", "closeReason"]).await;

    let request = proto::TcpDisconnectRequest { subscriber: subscriber(), ..Default::default() };
    let failed = sockets.tcp_disconnect(request).await.map(drop);
    told(seen, events, failed, Code::InvalidArgument, "REQUEST_INVALID", &[]).await;

    // Going down; the peer that neither reads nor ends keeps the gateway from ending before this is seen.
    gateway.gateway.registry.start_draining();
    let failed = sockets.tcp_connect(dial(echo.addr)).await.map(drop);
    told(seen, events, failed, Code::Unavailable, "SHUTTING_DOWN", &[]).await;

    // These are shown where they belong: with sends, claims, closing, streams, identity; the policy and a bug of ours are not reached here.
    let elsewhere = [
        "SOCKET_NOT_CONNECTED",
        "TRANSPORT_ERROR",
        "FRAME_TOO_LONG",
        "INSTANCE_CHANGED",
        "EPOCH_CHANGED",
        "STREAM_STALLED",
        "POLICY_DENIED",
        "INTERNAL",
        "UNAUTHENTICATED",
        "ROLE_DENIED",
    ];
    let all: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let covered: BTreeSet<&str> = seen.iter().copied().chain(elsewhere).collect();
    assert_eq!(covered, all);
}

#[tokio::test]
async fn a_resume_of_another_gateway_or_another_life_fails_loudly() {
    let gateway = TestGateway::start().await;
    let start = gateway.subscribe("caller").await.start;
    let resume = |instance_id: &str, epoch: &str| proto::SubscribeRequest {
        subscriber: "caller".into(),
        resume: Some(proto::Resume { instance_id: instance_id.into(), epoch: epoch.into(), after_sequence: 0 }),
        ..Default::default()
    };
    let mut sockets = gateway.sockets().await;
    let failed = sockets.subscribe(resume("another", &start.epoch)).await.map(drop).expect_err("fails");
    assert_eq!(
        (failed.code(), crate::support::reason(&failed).0.as_str()),
        (Code::FailedPrecondition, "INSTANCE_CHANGED")
    );
    assert_eq!(crate::support::reason(&failed).1["instanceId"], start.instance_id);
    let failed = sockets.subscribe(resume(&start.instance_id, "another")).await.map(drop).expect_err("fails");
    assert_eq!(
        (failed.code(), crate::support::reason(&failed).0.as_str()),
        (Code::FailedPrecondition, "EPOCH_CHANGED")
    );
    assert_eq!(crate::support::reason(&failed).1["epoch"], start.epoch);
}

#[tokio::test]
async fn all_bad_fields_are_listed_at_once() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    let long = "x".repeat(129);
    let negative = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    let mut listed: HashMap<&str, Vec<String>> = HashMap::new();
    let request = proto::TcpConnectRequest {
        port: 70_000,
        subscriber: long.clone(),
        session_id: "line\nbreak".into(),
        request_id: long.clone(),
        mode: 9,
        timeout: negative,
        on_timeout: 9,
        connect_timeout: seconds(61.0),
        orphan_timeout: negative,
        ..Default::default()
    };
    listed.insert("connect", bad_fields(&sockets.tcp_connect(request).await.expect_err("refused")));
    let request = proto::TcpSendRequest {
        payload: vec![proto::PayloadItem::default(), bytes(""), text("")],
        line_terminator: 9,
        subscriber: long.clone(),
        timeout: negative,
        ..Default::default()
    };
    listed.insert("send", bad_fields(&sockets.tcp_send(request).await.expect_err("refused")));
    let request = proto::TcpExchangeRequest {
        timeout: negative,
        settle_timeout: seconds(601.0),
        payload_format: 9,
        on_unanswered: 9,
        ..Default::default()
    };
    listed.insert("exchange", bad_fields(&sockets.tcp_exchange(request).await.expect_err("refused")));
    let request = proto::UdpInRequest {
        host: "nowhere".into(),
        port: 65_536,
        mode: 9,
        multicast_groups: vec![proto::MulticastGroup { address: "10.0.0.1".into(), interface: String::new() }],
        ..Default::default()
    };
    listed.insert("udp_in", bad_fields(&sockets.udp_in(request).await.expect_err("refused")));
    let request = proto::UdpOutRequest { multicast_ttl: Some(256), ..Default::default() };
    listed.insert("udp_out", bad_fields(&sockets.udp_out(request).await.expect_err("refused")));
    let request = proto::ClaimDataRequest::default();
    listed.insert("claim", bad_fields(&gateway.sessions().await.claim_data(request).await.expect_err("refused")));
    let request = proto::TcpUnlistenRequest { subscriber: long, ..Default::default() };
    listed.insert("unlisten", bad_fields(&sockets.tcp_unlisten(request).await.expect_err("refused")));
    for (call, expected) in [
        (
            "connect",
            "host port subscriber session_id request_id mode timeout on_timeout orphan_timeout connect_timeout",
        ),
        ("send", "session_id subscriber line_terminator payload[0] payload[1] payload[2] timeout"),
        ("exchange", "session_id timeout settle_timeout on_unanswered payload_format"),
        ("udp_in", "port multicast_groups[0] host mode"),
        ("udp_out", "host port multicast_ttl payload"),
        ("claim", "session_id subscriber"),
        ("unlisten", "listener_id subscriber"),
    ] {
        let (mut listed, mut expected) = (listed[call].clone(), Vec::from_iter(expected.split(' ')));
        listed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(listed, expected, "{call}");
    }
    gateway.released().await;
}
