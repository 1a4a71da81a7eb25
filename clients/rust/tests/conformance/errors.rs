//! Every error that a client can provoke.

use std::time::Duration;

use serde_json::json;
use socket_gateway_client::{
    CloseReason, Error, Event, Exchange, Failure, Gateway, Options, Payload, Reason, SendOptions, TcpOptions,
    Terminator, UdpOptions, proto,
};
use tonic::Code;

use crate::{
    Scenario, World, eventually,
    farend::Relay,
    open,
    process::Server,
    scenarios,
    sessions::{dial, end, local_port, until},
    shown, subscriber, within,
};

pub(crate) const SCENARIOS: &[Scenario] = scenarios! {
    "E01-connect-invalid" => connect_invalid,
    "E02-session-id-conflict" => session_id_conflict,
    "E03-connect-failed" => connect_failed,
    "E04-listen-invalid" => listen_invalid,
    "E05-server-error" => server_error,
    "E06-session-not-found" => session_not_found,
    "E07-listener-not-found" => listener_not_found,
    "E08-session-not-connected" => session_not_connected,
    "E09-socket-not-connected" => socket_not_connected,
    "E10-payload-invalid" => payload_invalid,
    "E11-wait-for-invalid" => wait_for_invalid,
    "E12-send-invalid" => send_invalid,
    "E13-udp-send-failed" => udp_send_failed,
    "E14-udp-error" => udp_error,
    "E15-timeout" => timeout,
    "E16-transport-error" => transport_error,
    "E17-frame-too-long" => frame_too_long,
    "E18-limit-reached" => limit_reached,
    "E19-policy-denied" => policy_denied,
    "E20-write-offset-mismatch" => write_offset_mismatch,
    "E21-request-invalid" => request_invalid,
    "E22-instance-changed" => instance_changed,
    "E23-epoch-changed" => epoch_changed,
    "E24-stream-stalled" => stream_stalled,
    "E25-shutting-down" => shutting_down,
    "E26-session-ended" => session_ended,
    "E30-unreachable" => unreachable,
};

/// The gateway's refusal, which must be this one and say something.
fn refusal<T: std::fmt::Debug>(
    result: Result<T, impl Into<Error>>,
    reason: Reason,
    code: Code,
    keys: &[&str],
) -> Failure {
    let error = result.expect_err("must fail").into();
    let Error::Gateway(failure) = error else { panic!("not the gateway's: {error:?}") };
    assert_eq!((failure.reason, failure.code), (reason, code), "{failure:?}");
    assert!(!failure.message.is_empty());
    for key in keys {
        assert!(failure.metadata.contains_key(*key), "no {key} in {failure:?}");
    }
    *failure
}

fn fields(failure: &Failure) -> Vec<&str> {
    failure.violations.iter().map(|violation| violation.field.as_str()).collect()
}

async fn connect_invalid(world: World) {
    let gateway = world.gateway().await;
    // The layer's port is a u16: only the stub can ask for 70000.
    let request =
        proto::TcpConnectRequest { port: 70_000, subscriber: gateway.subscriber().into(), ..Default::default() };
    let failed = gateway.sockets().tcp_connect(request).await;
    let failure = refusal(failed, Reason::ConnectInvalid, Code::InvalidArgument, &[]);
    assert_eq!(fields(&failure), ["host", "port"]);
}

async fn session_id_conflict(world: World) {
    let gateway = world.gateway().await;
    let options = TcpOptions::binary().session_id(format!("{}-conflict", gateway.subscriber()));
    let session = dial(&gateway, world.port("silent"), options.clone()).await;
    let failed = within(world.gateway().await.connect("127.0.0.1", world.port("silent"), options)).await;
    refusal(failed, Reason::SessionIdConflict, Code::AlreadyExists, &["sessionId"]);
    end(&session).await;
}

async fn connect_failed(world: World) {
    let gateway = world.gateway().await;
    let failed = within(gateway.connect("127.0.0.1", world.port("refused"), TcpOptions::binary())).await;
    let keys = ["errno", "host", "port", "sessionId"];
    let failure = refusal(failed, Reason::ConnectFailed, Code::FailedPrecondition, &keys);
    assert_eq!(failure.metadata["errno"], "ECONNREFUSED");
    let failed = within(gateway.connect("nobody.invalid", 1, TcpOptions::binary())).await;
    refusal(failed, Reason::ConnectFailed, Code::FailedPrecondition, &[]);
}

async fn listen_invalid(world: World) {
    let gateway = world.gateway().await;
    let request =
        proto::TcpListenRequest { port: 70_000, subscriber: gateway.subscriber().into(), ..Default::default() };
    let failed = gateway.sockets().tcp_listen(request).await;
    let failure = refusal(failed, Reason::ListenInvalid, Code::InvalidArgument, &[]);
    assert_eq!(fields(&failure), ["port"]);
}

async fn server_error(world: World) {
    let gateway = world.gateway().await;
    let failed = within(gateway.listen("127.0.0.1", world.port("echo"), TcpOptions::binary())).await;
    let failure = refusal(failed, Reason::ServerError, Code::FailedPrecondition, &["errno"]);
    assert_eq!(failure.metadata["errno"], "EADDRINUSE");
}

async fn session_not_found(world: World) {
    let gateway = world.gateway().await;
    let failed = within(gateway.session("nobody")).await;
    refusal(failed, Reason::SessionNotFound, Code::NotFound, &["sessionId"]);
    let payload = vec![proto::PayloadItem { item: Some(proto::payload_item::Item::Text("x".into())) }];
    let request = proto::TcpSendRequest { session_id: "nobody".into(), payload, ..Default::default() };
    let failed = gateway.sockets().tcp_send(request).await;
    refusal(failed, Reason::SessionNotFound, Code::NotFound, &["sessionId"]);
}

async fn listener_not_found(world: World) {
    let gateway = world.gateway().await;
    let request = proto::TcpUnlistenRequest { listener_id: "nobody".into(), ..Default::default() };
    let failed = gateway.sockets().tcp_unlisten(request).await;
    refusal(failed, Reason::ListenerNotFound, Code::NotFound, &["listenerId"]);
}

async fn session_not_connected(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("blackhole"), TcpOptions::binary().no_wait()).await;
    let failed = within(session.send("x")).await;
    let error = failed.expect_err("is connecting");
    let Error::Gateway(failure) = error else { panic!("{error}") };
    assert_eq!((failure.reason, failure.code), (Reason::SessionNotConnected, Code::FailedPrecondition));
    assert!(failure.metadata.contains_key("sessionId") && failure.metadata.contains_key("state"), "{failure:?}");
    within(session.abort()).await.expect("aborts");
}

async fn socket_not_connected(world: World) {
    let gateway = world.gateway().await;
    let session = std::sync::Arc::new(dial(&gateway, world.port("stuck"), TcpOptions::binary()).await);
    let sending: Vec<_> = (0..12)
        .map(|_| {
            let session = std::sync::Arc::clone(&session);
            tokio::spawn(async move { session.send(vec![b'x'; 1_000_000]).await })
        })
        .collect();
    eventually("sends wait for the peer", || async {
        shown(&gateway, session.id()).await.is_some_and(|session| session.queued_send_bytes > 0)
    })
    .await;
    world.far.order(json!({"cmd": "reset", "port": local_port(&session)})).await;
    let mut found = false;
    for send in sending {
        if let Err(Error::Gateway(failure)) = within(send).await.expect("does not panic")
            && failure.reason == Reason::SocketNotConnected
        {
            assert_eq!(failure.code, Code::Aborted);
            assert!(failure.metadata.contains_key("sessionId") && failure.metadata.contains_key("itemsWritten"));
            found = true;
        }
    }
    assert!(found, "no send died with the socket");
}

async fn payload_invalid(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("sink"), TcpOptions::binary()).await;
    for payload in [Payload::none(), Payload::none().and_bytes("")] {
        let failed = within(session.send(payload)).await;
        refusal(failed, Reason::PayloadInvalid, Code::InvalidArgument, &[]);
    }
    end(&session).await;
}

async fn wait_for_invalid(world: World) {
    let gateway = world.gateway().await;
    let failed = within(gateway.connect("127.0.0.1", world.port("echo"), TcpOptions::wait_for("("))).await;
    refusal(failed, Reason::WaitForInvalid, Code::InvalidArgument, &[]);
}

async fn send_invalid(world: World) {
    let gateway = world.gateway().await;
    let failed = within(gateway.udp_out("", 9, "x")).await;
    let failure = refusal(failed, Reason::SendInvalid, Code::InvalidArgument, &[]);
    assert_eq!(fields(&failure), ["host"]);
}

async fn udp_send_failed(world: World) {
    let gateway = world.gateway().await;
    let failed = within(gateway.udp_out("127.255.255.255", 9, "x")).await;
    refusal(failed, Reason::UdpSendFailed, Code::FailedPrecondition, &["host", "port", "errno"]);
}

async fn udp_error(world: World) {
    let gateway = world.gateway().await;
    let failed = within(gateway.udp_in(0, UdpOptions::default().host("192.0.2.1"))).await;
    let failure = refusal(failed, Reason::UdpError, Code::FailedPrecondition, &["errno"]);
    assert_eq!(failure.metadata["errno"], "EADDRNOTAVAIL");
}

async fn timeout(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("silent"), TcpOptions::lines()).await;
    let how = Exchange::one_frame().timeout(Duration::from_millis(200));
    refusal(within(session.exchange("x", how)).await, Reason::Timeout, Code::DeadlineExceeded, &["sessionId"]);
    within(session.abort()).await.expect("aborts");
}

async fn transport_error(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("silent"), TcpOptions::binary()).await;
    world.far.order(json!({"cmd": "reset", "port": local_port(&session)})).await;
    let Event::Failed(failure) = until(&session, |event| matches!(event, Event::Failed(_))).await else {
        unreachable!()
    };
    assert_eq!((failure.reason, failure.metadata["errno"].as_str()), (Reason::TransportError, "ECONNRESET"));
}

async fn frame_too_long(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("long_line"), TcpOptions::lines()).await.with_terminator(Terminator::Lf);
    let failed = within(session.exchange("go", Exchange::one_frame())).await;
    refusal(failed, Reason::FrameTooLong, Code::ResourceExhausted, &[]);
    assert_eq!(within(session.closed()).await.expect("ends").reason, CloseReason::Error);
}

async fn limit_reached(_: World) {
    let server = Server::start(&["limits.listeners=1"]).await;
    let gateway = server.gateway().await;
    let listener = within(gateway.listen("127.0.0.1", 0, TcpOptions::binary())).await.expect("listens");
    let failed = within(gateway.listen("127.0.0.1", 0, TcpOptions::binary())).await;
    let failure = refusal(failed, Reason::LimitReached, Code::ResourceExhausted, &["limit", "value"]);
    assert!(failure.metadata["limit"].ends_with("listeners"));
    assert_eq!(failure.metadata["value"], "1");
    within(listener.close(false)).await.expect("closes");
}

async fn policy_denied(world: World) {
    let server = Server::start(&["policy.profile=internet"]).await;
    let gateway = server.gateway().await;
    let denied = within(gateway.connect("127.0.0.1", world.port("echo"), TcpOptions::binary())).await;
    let failure = refusal(denied, Reason::PolicyDenied, Code::PermissionDenied, &["rule"]);
    assert!(!failure.metadata["rule"].is_empty());
}

async fn write_offset_mismatch(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("sink"), TcpOptions::binary()).await;
    let failed = within(session.send_with("x", SendOptions::default().expected_write_offset(7))).await;
    let failure = refusal(failed, Reason::WriteOffsetMismatch, Code::FailedPrecondition, &["writeOffset"]);
    assert_eq!(failure.metadata["writeOffset"], "0");
    end(&session).await;
}

async fn request_invalid(world: World) {
    let gateway = world.gateway().await;
    let request = proto::ListSessionsRequest { page_size: 5000, ..Default::default() };
    let failed = gateway.sessions().list_sessions(request).await;
    let failure = refusal(failed, Reason::RequestInvalid, Code::InvalidArgument, &[]);
    assert_eq!(fields(&failure), ["page_size"]);
}

async fn subscribe(
    gateway: &Gateway,
    name: &str,
    resume: Option<proto::Resume>,
) -> Result<tonic::Streaming<proto::SubscribeResponse>, tonic::Status> {
    let request = proto::SubscribeRequest { subscriber: name.into(), resume, ..Default::default() };
    Ok(gateway.sockets().subscribe(request).await?.into_inner())
}

async fn instance_changed(world: World) {
    let gateway = world.gateway().await;
    let resume = proto::Resume { instance_id: "another".into(), epoch: "x".into(), after_sequence: 0 };
    let failed = subscribe(&gateway, "instance-changed", Some(resume)).await;
    refusal(failed, Reason::InstanceChanged, Code::FailedPrecondition, &["instanceId"]);
}

async fn epoch_changed(world: World) {
    let gateway = world.gateway().await;
    let name = format!("{}-epoch", gateway.subscriber());
    let mut stream = subscribe(&gateway, &name, None).await.expect("subscribes");
    let start = within(stream.message()).await.expect("goes on").and_then(|first| first.start).expect("a start");
    drop(stream);
    let resume = proto::Resume { instance_id: start.instance_id, epoch: "another".into(), after_sequence: 0 };
    let failed = subscribe(&gateway, &name, Some(resume)).await;
    refusal(failed, Reason::EpochChanged, Code::FailedPrecondition, &["epoch"]);
}

/// Reads a stream to its end, which must be an error.
async fn last_words(mut stream: tonic::Streaming<proto::SubscribeResponse>) -> Result<(), Error> {
    loop {
        match within(stream.message()).await {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(()),
            Err(status) => return Err(status.into()),
        }
    }
}

async fn stream_stalled(world: World) {
    let server = Server::start(&[
        "limits.stall_timeout=1s",
        "limits.session_backlog_bytes=65536",
        "limits.subscriber_backlog_bytes=65536",
    ])
    .await;
    let relay = Relay::to(&world.far, server.port()).await;
    let (far, direct) = (open(&relay.target, Options::default()).await, server.gateway().await);
    let name = format!("{}-stalled", direct.subscriber());
    let mut stream = subscribe(&far, &name, None).await.expect("subscribes");
    within(stream.message()).await.expect("goes on").expect("the start");
    relay.order("pause").await;
    let connect = proto::TcpConnectRequest {
        host: "127.0.0.1".into(),
        port: world.port("source").into(),
        subscriber: name.clone(),
        ..Default::default()
    };
    let session_id = direct.sockets().tcp_connect(connect).await.expect("connects").into_inner().session_id;
    let payload = vec![proto::PayloadItem { item: Some(proto::payload_item::Item::Text("67108864\n".into())) }];
    let send = proto::TcpSendRequest { session_id, payload, ..Default::default() };
    direct.sockets().tcp_send(send).await.expect("sends");
    eventually("the stream is ended", || async {
        subscriber(&direct, &name).await.is_some_and(|shown| shown.streams == 0)
    })
    .await;
    relay.order("resume").await;
    refusal(last_words(stream).await, Reason::StreamStalled, Code::ResourceExhausted, &[]);
}

async fn shutting_down(_: World) {
    let server = Server::start(&[]).await;
    let gateway = server.gateway().await;
    let mut stream = subscribe(&gateway, "shutting-down", None).await.expect("subscribes");
    within(stream.message()).await.expect("goes on").expect("the start");
    let reading = tokio::spawn(last_words(stream));
    within(server.terminate()).await;
    refusal(within(reading).await.expect("does not panic"), Reason::ShuttingDown, Code::Unavailable, &[]);
}

async fn session_ended(world: World) {
    let gateway = world.gateway().await;
    let session = std::sync::Arc::new(dial(&gateway, world.port("silent"), TcpOptions::lines()).await);
    let asking = tokio::spawn({
        let session = std::sync::Arc::clone(&session);
        async move { session.exchange("x", Exchange::one_frame()).await }
    });
    eventually("the exchange is under way", || async {
        shown(&gateway, session.id()).await.is_some_and(|session| session.exchange_active)
    })
    .await;
    within(session.abort()).await.expect("aborts");
    let failed = within(asking).await.expect("does not panic");
    refusal(failed, Reason::SessionEnded, Code::Aborted, &["sessionId", "closeReason"]);
}

async fn unreachable(world: World) {
    let target = format!("127.0.0.1:{}", world.port("refused"));
    let failed = within(Gateway::open(&target)).await.expect_err("nobody is there");
    assert!(matches!(&failed, Error::Unreachable(_)) && failed.is_transient(), "{failed:?}");
    assert!(failed.to_string().contains(&target), "{failed}");
}
