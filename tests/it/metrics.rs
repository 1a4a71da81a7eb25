use std::{collections::BTreeSet, io::Write, net::UdpSocket, process::Stdio, time::Duration};

use socket_gateway::api::proto::{self, Event};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    TestGateway,
    admin::{Admin, Samples, samples},
    bytes,
    calls::{connected, exchange, listening},
    connect_lines, connect_to, disconnect, eventually, listen_for,
    peers::{Peer, nobody},
    send, within,
};

fn of(samples: &Samples, series: &str) -> f64 {
    *samples.get(series).unwrap_or_else(|| panic!("no {series} on the page"))
}

/// The sum of all series whose name begins like this.
fn sum(samples: &Samples, prefix: &str) -> f64 {
    samples.iter().filter(|(series, _)| series.starts_with(prefix)).map(|(_, value)| value).sum()
}

#[tokio::test]
async fn sessions_and_their_bytes_are_counted_exactly_while_they_live_and_after_they_ended() {
    let gateway = TestGateway::start().await;
    let admin = gateway.admin().await;
    let mut sockets = gateway.sockets().await;
    let mut events = gateway.subscribe("me").await;
    let peer = Peer::echo().await;
    let request =
        |id: &str| proto::TcpConnectRequest { session_id: id.into(), subscriber: "me".into(), ..connect_to(peer.addr) };
    let mut sent = 0;
    for (id, size) in [("a", 10), ("b", 1000), ("c", 70_000)] {
        connected(&mut sockets, request(id)).await;
        let payload = vec![bytes(vec![b'x'; size])];
        let request = proto::TcpSendRequest { session_id: id.into(), payload, ..Default::default() };
        sockets.tcp_send(request).await.expect("sends");
        assert_eq!(events.bytes(size).await.len(), size);
        sent += size;
    }

    let live = admin.samples().await;
    assert_eq!(of(&live, r#"socket_gateway_sessions{kind="tcp_outbound",state="connected"}"#), 3.0);
    assert_eq!(sum(&live, "socket_gateway_sessions{"), 3.0);
    for direction in ["sent", "received"] {
        let series = format!(r#"socket_gateway_bytes_total{{direction="{direction}",kind="tcp_outbound"}}"#);
        assert_eq!(of(&live, &series), sent as f64, "{series}");
    }

    for id in ["a", "b"] {
        sockets.tcp_disconnect(disconnect(id)).await.expect("disconnects");
        events.end_of(id).await;
    }
    let abort = proto::TcpDisconnectRequest { abort: true, ..disconnect("c") };
    sockets.tcp_disconnect(abort).await.expect("aborts");
    events.end_of("c").await;

    let ended = admin.samples().await;
    assert_eq!(sum(&ended, "socket_gateway_sessions{"), 0.0);
    assert_eq!(of(&ended, r#"socket_gateway_sessions_opened_total{kind="tcp_outbound"}"#), 3.0);
    assert_eq!(of(&ended, r#"socket_gateway_sessions_closed_total{kind="tcp_outbound",reason="by_request"}"#), 2.0);
    assert_eq!(of(&ended, r#"socket_gateway_sessions_closed_total{kind="tcp_outbound",reason="abort"}"#), 1.0);
    assert_eq!(sum(&ended, "socket_gateway_sessions_closed_total"), 3.0);
    for direction in ["sent", "received"] {
        let series = format!(r#"socket_gateway_bytes_total{{direction="{direction}",kind="tcp_outbound"}}"#);
        assert_eq!(of(&ended, &series), sent as f64, "{series}");
    }
    assert_eq!(of(&ended, r#"socket_gateway_connect_duration_seconds_count{outcome="connected"}"#), 3.0);
}

#[tokio::test]
async fn accepted_sessions_and_listeners_are_counted() {
    let gateway = TestGateway::start().await;
    let admin = gateway.admin().await;
    let mut sockets = gateway.sockets().await;
    let mut events = gateway.subscribe("me").await;
    let (listener, addr) = listening(&mut sockets, listen_for("me")).await;
    let mut peers = Vec::new();
    for _ in 0..5 {
        let mut peer = TcpStream::connect(addr).await.expect("connects");
        peer.write_all(b"hello").await.expect("writes");
        events.until(Event::Data).await;
        peers.push(peer);
    }
    let live = admin.samples().await;
    assert_eq!(of(&live, r#"socket_gateway_sessions{kind="tcp_inbound",state="connected"}"#), 5.0);
    assert_eq!(of(&live, r#"socket_gateway_bytes_total{direction="received",kind="tcp_inbound"}"#), 25.0);
    assert_eq!(of(&live, "socket_gateway_listeners"), 1.0);

    drop(peers);
    for _ in 0..5 {
        events.until(Event::Disconnected).await;
    }
    let unlisten = proto::TcpUnlistenRequest { listener_id: listener, ..Default::default() };
    sockets.tcp_unlisten(unlisten).await.expect("unlistens");
    let ended = admin.samples().await;
    assert_eq!(of(&ended, r#"socket_gateway_sessions_closed_total{kind="tcp_inbound",reason="peer_closed"}"#), 5.0);
    assert_eq!(of(&ended, "socket_gateway_listeners"), 0.0);
    assert_eq!(of(&ended, "socket_gateway_listeners_opened_total"), 1.0);
}

#[tokio::test]
async fn datagrams_are_counted_with_those_that_were_dropped_and_those_sent_without_a_session() {
    // Room for two datagrams: each costs 256 bytes and its payload.
    let gateway = TestGateway::with(|limits| {
        limits.session_backlog_bytes = 600;
        limits.full_backlog_read_bytes = 100;
    })
    .await;
    let admin = gateway.admin().await;
    let mut sockets = gateway.sockets().await;
    let request = proto::UdpInRequest { host: "127.0.0.1".into(), subscriber: "me".into(), ..Default::default() };
    let bound = sockets.udp_in(request).await.expect("binds").into_inner();
    let port = bound.listening.expect("an address").local_port;
    for _ in 0..7 {
        let request = proto::UdpOutRequest {
            host: "127.0.0.1".into(),
            port,
            payload: Some(bytes(*b"datagram")),
            ..Default::default()
        };
        sockets.udp_out(request).await.expect("sends");
    }
    eventually("all have come", || async {
        admin.sample(r#"socket_gateway_datagrams_total{direction="received"}"#).await == 7.0
    })
    .await;
    let seen = admin.samples().await;
    assert_eq!(of(&seen, r#"socket_gateway_datagrams_total{direction="sent"}"#), 7.0);
    assert_eq!(of(&seen, r#"socket_gateway_bytes_total{direction="sent",kind="udp"}"#), 56.0);
    assert_eq!(of(&seen, r#"socket_gateway_bytes_total{direction="received",kind="udp"}"#), 56.0);
    assert_eq!(of(&seen, r#"socket_gateway_datagrams_dropped_total{by="backlog"}"#), 5.0);
    assert_eq!(of(&seen, r#"socket_gateway_sessions{kind="udp",state="listening"}"#), 1.0);
    sockets.tcp_disconnect(disconnect(&bound.session_id)).await.expect("closes");
    gateway.released().await;
    let ended = admin.samples().await;
    assert_eq!(of(&ended, r#"socket_gateway_datagrams_total{direction="received"}"#), 7.0);
    assert_eq!(of(&ended, r#"socket_gateway_bytes_total{direction="received",kind="udp"}"#), 56.0);
}

#[tokio::test]
async fn a_paused_session_shows_in_pauses_backlog_and_age_until_a_stream_takes_it() {
    let gateway = TestGateway::with(|limits| limits.session_backlog_bytes = 64 * 1024).await;
    let admin = gateway.admin().await;
    let mut sockets = gateway.sockets().await;
    let peer = Peer::floods(1024 * 1024).await;
    connected(&mut sockets, proto::TcpConnectRequest { subscriber: "slow".into(), ..connect_to(peer.addr) }).await;
    eventually("it is paused", || async { admin.sample("socket_gateway_sessions_paused").await == 1.0 }).await;
    let full = admin.samples().await;
    assert!(of(&full, "socket_gateway_read_pauses_total") >= 1.0);
    assert!(of(&full, "socket_gateway_backlog_bytes") >= 64.0 * 1024.0);
    assert_eq!(of(&full, "socket_gateway_backlog_bytes"), of(&full, "socket_gateway_backlog_largest_bytes"));
    let young = of(&full, "socket_gateway_backlog_oldest_seconds");
    assert!(young > 0.0);
    eventually("it ages", || async { admin.sample("socket_gateway_backlog_oldest_seconds").await > young + 0.05 })
        .await;

    let mut stream = gateway.subscribe("slow").await;
    assert_eq!(stream.bytes(1024 * 1024).await.len(), 1024 * 1024);
    let taken = admin.samples().await;
    assert_eq!(of(&taken, "socket_gateway_backlog_bytes"), 0.0);
    assert_eq!(of(&taken, "socket_gateway_backlog_oldest_seconds"), 0.0);
    assert_eq!(of(&taken, "socket_gateway_sessions_paused"), 0.0);
    assert_eq!(of(&taken, "socket_gateway_subscriber_streams"), 1.0);
}

#[tokio::test]
async fn dials_lookups_and_exchanges_are_timed_by_how_they_ended() {
    let gateway = TestGateway::start().await;
    let admin = gateway.admin().await;
    let mut sockets = gateway.sockets().await;
    let refused = nobody().await;
    sockets.tcp_connect(connect_to(refused)).await.expect_err("is refused");
    let named =
        |host: &str, port: u16| proto::TcpConnectRequest { host: host.into(), port: port.into(), ..Default::default() };
    sockets.tcp_connect(named("nobody.invalid", 1)).await.expect_err("has no address");
    let peer = Peer::echo().await;
    let request =
        proto::TcpConnectRequest { mode: proto::TcpMode::Line.into(), ..named("localhost", peer.addr.port()) };
    let session = connected(&mut sockets, request).await;
    for _ in 0..3 {
        sockets.tcp_exchange(exchange(&session, "ping\n", "ping")).await.expect("answers");
    }
    let late = proto::TcpExchangeRequest {
        timeout: Some(Duration::from_millis(50).try_into().expect("short")),
        settle_timeout: Some(Duration::ZERO.try_into().expect("short")),
        ..exchange(&session, "pong\n", "never")
    };
    sockets.tcp_exchange(late).await.expect_err("times out");

    let seen = admin.samples().await;
    let dials =
        |outcome: &str| of(&seen, &format!(r#"socket_gateway_connect_duration_seconds_count{{outcome="{outcome}"}}"#));
    assert_eq!((dials("failed"), dials("unresolved"), dials("connected")), (1.0, 1.0, 1.0));
    let lookups =
        |outcome: &str| of(&seen, &format!(r#"socket_gateway_dns_duration_seconds_count{{outcome="{outcome}"}}"#));
    assert_eq!((lookups("not_found"), lookups("found")), (1.0, 1.0));
    let ended =
        |outcome: &str| of(&seen, &format!(r#"socket_gateway_exchange_duration_seconds_count{{outcome="{outcome}"}}"#));
    assert_eq!((ended("answered"), ended("timeout"), ended("failed")), (3.0, 1.0, 0.0));
    assert_eq!(of(&seen, "socket_gateway_exchange_turn_wait_seconds_count"), 4.0);
    let late = of(&seen, r#"socket_gateway_exchange_duration_seconds_sum{outcome="timeout"}"#);
    assert!(late >= 0.05, "{late}");
}

#[tokio::test]
async fn calls_are_counted_by_method_and_code_and_open_streams_show() {
    let gateway = TestGateway::start().await;
    let admin = gateway.admin().await;
    let mut sockets = gateway.sockets().await;
    let peer = Peer::stuck().await;
    let session = connected(&mut sockets, connect_lines(peer.addr)).await;
    for _ in 0..4 {
        sockets.tcp_send(send(&session, "x\n")).await.expect("sends");
    }
    sockets.tcp_send(send("nobody", "x")).await.expect_err("is not there");
    let mut deadline = tonic::Request::new(exchange(&session, "x\n", ""));
    deadline.set_timeout(Duration::from_millis(50));
    sockets.tcp_exchange(deadline).await.expect_err("comes too late");
    let stream = gateway.subscribe("me").await;
    let rpcs = |method: &str, code: &str| format!(r#"socket_gateway_rpcs_total{{code="{code}",method="{method}"}}"#);
    let service = "tcpip.v1.SocketGatewayService";
    // The client may have its answer before the server is done with the call.
    eventually("all are counted", || async {
        let seen = admin.samples().await;
        let count = |method: &str, code: &str| {
            seen.get(&rpcs(&format!("{service}/{method}"), code)).copied().unwrap_or_default()
        };
        count("TcpConnect", "OK") == 1.0
            && count("TcpSend", "OK") == 4.0
            && count("TcpSend", "NOT_FOUND") == 1.0
            && count("TcpExchange", "DEADLINE_EXCEEDED") + count("TcpExchange", "CANCELLED") == 1.0
    })
    .await;
    let open = format!(r#"socket_gateway_rpcs_open{{method="{service}/Subscribe"}}"#);
    assert_eq!(admin.sample(&open).await, 1.0);
    assert_eq!(admin.sample("socket_gateway_grpc_connections").await, 2.0);
    drop(stream);
    eventually("the stream has ended", || async {
        let seen = admin.samples().await;
        seen.get(&rpcs(&format!("{service}/Subscribe"), "CANCELLED")) == Some(&1.0)
            && of(&seen, &open) == 0.0
            && of(&seen, "socket_gateway_grpc_connections") == 1.0
    })
    .await;
    assert_eq!(admin.sample("socket_gateway_grpc_connections_accepted_total").await, 2.0);
}

#[tokio::test]
async fn no_name_of_a_caller_becomes_a_series() {
    let gateway = TestGateway::start().await;
    let admin = gateway.admin().await;
    let mut sockets = gateway.sockets().await;
    let peer = Peer::echo().await;
    let series = |samples: Samples| samples.into_keys().collect::<BTreeSet<_>>();
    // Once each way, so that the methods and codes are there.
    let request = |name: &str| proto::TcpConnectRequest {
        session_id: format!("sess-{name}"),
        subscriber: format!("sub-{name}"),
        request_id: format!("req-{name}"),
        ..connect_to(peer.addr)
    };
    let mut unknown = tonic::client::Grpc::new(gateway.channel().await);
    let mut strange = async |name: String| {
        let path = http::uri::PathAndQuery::try_from(format!("/strange.{name}/Method{name}")).expect("a path");
        unknown.ready().await.expect("ready");
        let codec = tonic_prost::ProstCodec::<proto::GetSessionRequest, proto::GetSessionResponse>::default();
        unknown
            .unary(tonic::Request::new(proto::GetSessionRequest::default()), path, codec)
            .await
            .expect_err("unknown");
    };
    let mut round = async |sockets: &mut crate::support::Sockets, name: String| {
        let session = connected(sockets, request(&name)).await;
        sockets.tcp_send(send(&session, "x")).await.expect("sends");
        sockets.tcp_send(send(&format!("no-{name}"), "x")).await.expect_err("is not there");
        sockets.tcp_disconnect(disconnect(&session)).await.expect("disconnects");
        strange(name).await;
    };
    round(&mut sockets, "first".into()).await;
    gateway.released().await;
    eventually("the first round is counted", || async {
        sum(&admin.samples().await, r#"socket_gateway_rpcs_total{code="UNIMPLEMENTED",method="other"}"#) == 1.0
    })
    .await;
    let before = series(admin.samples().await);
    for number in 0..1000 {
        round(&mut sockets, format!("{number}-{}", uuid::Uuid::new_v4())).await;
    }
    gateway.released().await;
    let after = admin.samples().await;
    assert_eq!(of(&after, r#"socket_gateway_sessions_opened_total{kind="tcp_outbound"}"#), 1001.0);
    assert_eq!(series(after), before);
}

fn promtool(page: &str) -> (bool, String) {
    let mut child = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is there: scripts/install-test-tools");
    child.stdin.take().expect("piped").write_all(page.as_bytes()).expect("takes the page");
    let output = child.wait_with_output().expect("ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

/// Some of everything, so that no metric is without series.
async fn busy() -> (TestGateway, Admin, Peer) {
    let gateway = TestGateway::start().await;
    let admin = gateway.admin().await;
    let mut sockets = gateway.sockets().await;
    let peer = Peer::echo().await;
    let session = connected(&mut sockets, connect_lines(peer.addr)).await;
    sockets.tcp_exchange(exchange(&session, "ping\n", "ping")).await.expect("answers");
    sockets.tcp_send(send("nobody", "x")).await.expect_err("is not there");
    (gateway, admin, peer)
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_the_page() {
    let (_gateway, admin, _peer) = busy().await;
    let page = admin.get("/metrics").await;
    assert!(page.headers.contains("content-type: text/plain; version=0.0.4"), "{}", page.headers);
    let (good, said) = promtool(&page.body);
    assert!(good && said.is_empty(), "{said}");
    let (good, said) = promtool(&(page.body + "# TYPE socket_gateway_listeners gauge\n"));
    assert!(!good, "promtool would not see a fault: {said}");
}

#[tokio::test]
async fn a_scraper_that_asks_for_open_metrics_gets_it_with_the_same_samples() {
    let (_gateway, admin, _peer) = busy().await;
    let ask = "GET /metrics HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\
               Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3\r\n\r\n";
    let open = admin.ask(ask).await;
    assert!(open.headers.contains("content-type: application/openmetrics-text; version=1.0.0"), "{}", open.headers);
    assert!(open.body.ends_with("\n# EOF\n"));
    assert!(open.body.contains("# TYPE socket_gateway_sessions_opened counter\n"));
    let classic = admin.get("/metrics").await;
    assert!(classic.body.contains("# TYPE socket_gateway_sessions_opened_total counter\n"));
    let names = |page: &str| samples(page).into_keys().collect::<BTreeSet<_>>();
    assert_eq!(names(&open.body), names(&classic.body));
    let shown = samples(&classic.body);
    assert!(of(&shown, "process_resident_memory_bytes") > 1e6);
    assert!(of(&shown, "process_open_fds") > 3.0);
    assert!(of(&shown, "process_start_time_seconds") > 1.7e9);
    assert!(shown.contains_key("process_cpu_seconds_total"));
    assert!(of(&shown, "socket_gateway_runtime_workers") >= 1.0);
    assert!(open.body.contains(&format!("socket_gateway_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn readiness_goes_when_the_gateway_goes_down_and_health_stays() {
    let gateway = TestGateway::start().await;
    let admin = gateway.admin().await;
    assert_eq!((admin.get("/healthz").await.status, admin.get("/readyz").await.status), (200, 200));
    assert_eq!(admin.get("/nothing").await.status, 404);
    let post = admin.ask("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    assert_eq!(post.status, 405);
    // The first thing on the way down; a drain delay may follow, in which everything goes on.
    gateway.gateway.announce_stop();
    assert_eq!((admin.get("/healthz").await.status, admin.get("/readyz").await.status), (200, 503));
    assert_eq!(admin.sample("socket_gateway_draining").await, 1.0);
}

#[tokio::test]
async fn admin_connections_are_bounded_and_those_that_say_nothing_are_ended() {
    let gateway = TestGateway::with(|limits| {
        limits.admin_connections = 2;
        limits.admin_header_timeout = Duration::from_millis(200);
    })
    .await;
    let admin = gateway.admin().await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(admin.addr).await.expect("connects");
        stream.write_all(b"GET /metr").await.expect("begins");
        silent.push(stream);
    }
    // Behind them, once they are thrown out.
    assert_eq!(within(admin.get("/healthz")).await.status, 200);
    for mut stream in silent {
        let mut rest = Vec::new();
        // Ended or reset: the server does not wait for more.
        let _ = within(stream.read_to_end(&mut rest)).await;
    }
}

#[tokio::test]
async fn the_admin_server_ends_at_once_although_somebody_does_not_read_and_its_port_is_free_then() {
    let gateway = TestGateway::start().await;
    let mut admin = gateway.admin().await;
    let mut stuck = TcpStream::connect(admin.addr).await.expect("connects");
    for _ in 0..64 {
        stuck.write_all(b"GET /metrics HTTP/1.1\r\nHost: admin\r\n\r\n").await.expect("asks");
    }
    admin.stop.cancel();
    within(admin.serving.take().expect("once")).await.expect("ends without a panic");
    tokio::net::TcpListener::bind(admin.addr).await.expect("the port is free");
}

#[tokio::test]
async fn datagrams_that_the_kernel_drops_are_counted_apart() {
    let gateway = TestGateway::with(|limits| limits.udp_receive_buffer_bytes = 4096).await;
    let admin = gateway.admin().await;
    let mut sockets = gateway.sockets().await;
    let request = proto::UdpInRequest { host: "127.0.0.1".into(), ..Default::default() };
    let bound = sockets.udp_in(request).await.expect("binds").into_inner().listening.expect("an address");
    let sender = UdpSocket::bind("127.0.0.1:0").expect("binds");
    let to = ("127.0.0.1", u16::try_from(bound.local_port).expect("a port"));
    // This thread is the gateway's as well: nothing is received between these sends.
    for _ in 0..200 {
        sender.send_to(&[0; 1000], to).expect("sends");
    }
    eventually("drops are told with the next datagram", || async {
        sender.send_to(b"more", to).expect("sends");
        admin.sample(r#"socket_gateway_datagrams_dropped_total{by="kernel"}"#).await >= 100.0
    })
    .await;
}

#[tokio::test]
async fn denials_are_counted_by_what_they_denied() {
    let gateway = TestGateway::start().await;
    let admin = gateway.admin().await;
    let mut sockets = gateway.sockets().await;
    for _ in 0..3 {
        let metadata: std::net::SocketAddr = ([169, 254, 169, 254], 80).into();
        let denied = sockets.tcp_connect(connect_to(metadata)).await.expect_err("is denied");
        assert_eq!(denied.code(), tonic::Code::PermissionDenied);
    }
    let seen = admin.samples().await;
    assert_eq!(of(&seen, r#"socket_gateway_policy_denials_total{action="dial"}"#), 3.0);
    assert_eq!(of(&seen, r#"socket_gateway_policy_denials_total{action="bind"}"#), 0.0);
    assert_eq!(of(&seen, r#"socket_gateway_connect_duration_seconds_count{outcome="denied"}"#), 3.0);
}

#[tokio::test]
async fn nobody_reaches_the_admin_port_through_the_gateway() {
    let gateway = TestGateway::start().await;
    let admin = gateway.admin().await;
    let denied = gateway.sockets().await.tcp_connect(connect_to(admin.addr)).await.expect_err("is denied");
    assert_eq!(denied.code(), tonic::Code::PermissionDenied);
}
