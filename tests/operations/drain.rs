//! SIGTERM in every state of the gateway: it ends with 0, well within its time, and nobody can hold it up.

use std::{
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use socket_gateway::api::proto::{
    AttachRequest, AttachSubscribe, ListSessionsRequest, ListSubscribersRequest, PayloadItem, TcpConnectRequest,
    TcpExchangeRequest, TcpListenRequest, TcpMode, TcpSendRequest, UdpInRequest, attach_request::Command,
    payload_item::Item,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_types::StatusExt;

use crate::{
    h2,
    process::{File, Running, channel, eventually, sessions, sockets, within},
};

/// Above everything that a stop waits for by itself, below the default shutdown timeout of 25 s.
const SOON: Duration = Duration::from_secs(20);

/// Asks for an end and waits for it.
async fn ends_soon(gateway: Running) {
    let started = Instant::now();
    gateway.signal("TERM");
    let (code, said) = ended(gateway).await;
    assert_eq!(code, Some(0), "{said:#?}");
    assert!(started.elapsed() < SOON, "it took {:?}: {said:#?}", started.elapsed());
}

async fn ended(mut gateway: Running) -> (Option<i32>, Vec<String>) {
    tokio::task::spawn_blocking(move || gateway.ended()).await.expect("no panic")
}

fn connect(address: SocketAddr) -> TcpConnectRequest {
    TcpConnectRequest { host: address.ip().to_string(), port: address.port().into(), ..Default::default() }
}

fn is_shutting_down(status: &tonic::Status) {
    let reason = status.get_error_details().error_info().map(|info| info.reason.clone());
    assert_eq!((status.code(), reason.as_deref()), (Code::Unavailable, Some("SHUTTING_DOWN")), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_gateway_with_an_idle_client_ends_at_once() {
    let (gateway, address) = Running::start(&[]);
    let _client = sockets(address).await;
    let started = Instant::now();
    ends_soon(gateway).await;
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_half_prefaces_and_peers_without_a_pong_do_not_hold_it_up() {
    let (gateway, address) = Running::start(&[]);
    let silent: Vec<_> = (0..20).map(|_| TcpStream::connect(address).expect("connects")).collect();
    let mut half = TcpStream::connect(address).expect("connects");
    half.write_all(&h2::PREFACE[..10]).expect("taken");
    // It answers neither PING nor GOAWAY, and has a stream open.
    let mut deaf = h2::connect(address);
    let headers = h2::call("/tcpip.v1.SocketGatewayService/Subscribe");
    deaf.write_all(&h2::frame(h2::HEADERS, h2::END_HEADERS, 1, &headers)).expect("taken");
    deaf.write_all(&h2::frame(h2::DATA, h2::END_STREAM, 1, &[0; 5])).expect("taken");
    let sessions = sessions(address).await;
    eventually("the deaf peer has its stream", || {
        let mut sessions = sessions.clone();
        async move {
            let request = ListSubscribersRequest::default();
            let listed = sessions.list_subscribers(request).await.expect("lists").into_inner().subscribers;
            listed.iter().any(|subscriber| subscriber.streams > 0)
        }
    })
    .await;
    ends_soon(gateway).await;
    drop((silent, half, deaf));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pending_dials_and_waiting_exchanges_are_told() {
    let (gateway, address) = Running::start(&[]);
    let client = sockets(address).await;
    // Its queue is full: a dial to it gets no answer.
    let full = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let raw = socket2::SockRef::from(&full);
    raw.listen(0).expect("listens");
    let full_at = full.local_addr().expect("bound");
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&full_at, Duration::from_millis(300)) {
        queued.push(stream);
    }
    let dial = tokio::spawn({
        let mut client = client.clone();
        async move { client.tcp_connect(connect(full_at)).await }
    });
    // Answers nothing.
    let mute = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mute_at = mute.local_addr().expect("bound");
    let request = TcpConnectRequest { mode: TcpMode::Line.into(), ..connect(mute_at) };
    let session = client.clone().tcp_connect(request).await.expect("connects").into_inner().session_id;
    let (peer, _) = mute.accept().expect("the gateway's connection");
    let exchange = |waits: &str| {
        let payload = vec![PayloadItem { item: Some(Item::Text("?".into())) }];
        let request =
            TcpExchangeRequest { session_id: session.clone(), payload, wait_for: waits.into(), ..Default::default() };
        let mut client = client.clone();
        tokio::spawn(async move { client.tcp_exchange(request).await })
    };
    // One has the turn, the others wait for it.
    let exchanges: Vec<_> = (0..3).map(|_| exchange("never")).collect();
    let sessions = sessions(address).await;
    eventually("all wait", || {
        let mut sessions = sessions.clone();
        async move {
            let request = ListSessionsRequest::default();
            let listed = sessions.list_sessions(request).await.expect("lists").into_inner().sessions;
            listed.len() == 2 && listed.iter().any(|session| session.exchange_active)
        }
    })
    .await;
    let started = Instant::now();
    gateway.signal("TERM");
    let dialled = within(dial).await.expect("no panic").expect_err("it is given up");
    assert_eq!(dialled.code(), Code::FailedPrecondition, "{dialled:?}");
    drop(peer);
    for exchange in exchanges {
        let status = within(exchange).await.expect("no panic").expect_err("no answer came");
        let reason = status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default();
        assert!(["SESSION_ENDED", "SESSION_NOT_CONNECTED"].contains(&reason.as_str()), "{status:?}");
    }
    assert_eq!(ended(gateway).await.0, Some(0));
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attach_stream_with_unread_answers_does_not_hold_it_up() {
    let (gateway, address) = Running::start(&["--set", "limits.shutdown_timeout=5s"]);
    let (commands, up) = tokio::sync::mpsc::channel(64);
    let subscribe = Command::Subscribe(AttachSubscribe::default());
    commands.send(AttachRequest { correlation_id: 1, command: Some(subscribe) }).await.expect("queued");
    let down = sockets(address).await.attach(ReceiverStream::new(up)).await.expect("attaches").into_inner();
    // Each is refused, and none of the answers is read.
    let refused = Command::TcpSend(TcpSendRequest {
        session_id: "x".repeat(100),
        payload: vec![PayloadItem { item: Some(Item::Text("?".into())) }],
        ..Default::default()
    });
    for id in 2..20_000 {
        let request = AttachRequest { correlation_id: id, command: Some(refused.clone()) };
        if tokio::time::timeout(Duration::from_secs(1), commands.send(request)).await.is_err() {
            break;
        }
    }
    ends_soon(gateway).await;
    drop(down);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_were_not_accepted_yet_are_let_go_and_the_port_is_free() {
    // As many sessions as may be: further peers wait in the listener's queue.
    let (gateway, address) = Running::start(&["--set", "limits.sessions=1"]);
    let request = TcpListenRequest { host: "127.0.0.1".into(), ..Default::default() };
    let listening = sockets(address).await.tcp_listen(request).await.expect("listens").into_inner().listening;
    let port = listening.expect("is told").local_port as u16;
    let peers: Vec<_> = (0..5).map(|_| TcpStream::connect(("127.0.0.1", port)).expect("is queued")).collect();
    ends_soon(gateway).await;
    for mut peer in peers {
        // An end or a reset: nobody waits for ever.
        peer.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let read = std::io::Read::read(&mut peer, &mut [0; 1]);
        assert!(!read.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "{read:?}");
    }
    TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn during_the_drain_delay_health_says_not_serving_and_everything_works() {
    let (gateway, address) = Running::start(&["--set", "limits.drain_delay=3s"]);
    let mut client = sockets(address).await;
    let mut health = HealthClient::new(channel(address).await);
    gateway.signal("TERM");
    eventually("health says so", || {
        let mut health = health.clone();
        async move {
            let answer = health.check(HealthCheckRequest::default()).await.expect("health answers");
            answer.into_inner().status() == ServingStatus::NotServing
        }
    })
    .await;
    let request = || UdpInRequest { host: "127.0.0.1".into(), ..Default::default() };
    client.udp_in(request()).await.expect("it goes on as before");
    let refused = loop {
        match client.udp_in(request()).await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(status) => break status,
        }
    };
    if refused.get_error_details().error_info().is_some() {
        is_shutting_down(&refused);
    }
    let _ = health.check(HealthCheckRequest::default()).await;
    assert_eq!(ended(gateway).await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_under_way_can_be_ended() {
    let declared: String = (0..200)
        .map(|n| format!("[[tcp_listen]]\nname = \"{n}\"\nsubscriber = \"a\"\nhost = \"127.0.0.1\"\nport = 0\n"))
        .collect();
    let file = File::new(&declared);
    let gateway = Running::spawn(crate::process::binary().args(["--listen", "127.0.0.1:0", "--config", file.path()]));
    gateway.line("opened at start");
    ends_soon(gateway).await;
}
