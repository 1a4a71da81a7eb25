//! The way down: what is queued is written, every session and stream is told, and nobody can hold it up for ever.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use socket_gateway::{
    api::proto::{
        self, AttachSubscribe, CloseReason, Event, SubscribeRequest, answer, attach_request::Command, envelope::Detail,
    },
    gateway::Gateway,
};
use tokio::{io::AsyncReadExt, net::TcpStream, task::JoinSet};
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::support::{
    Envelopes, TestGateway,
    attached::Attached,
    bytes, connect_to, eventually, listen_for, look, pattern,
    peers::{Peer, drain},
    reason, send_bytes, text, within,
};

/// Far above what a stop takes that waits for nobody, far below the default timeouts.
const AT_ONCE: Duration = Duration::from_secs(5);

fn is_shutting_down(status: &Status) {
    assert_eq!((status.code(), reason(status).0.as_str()), (Code::Unavailable, "SHUTTING_DOWN"), "{status:?}");
}

fn is_end_of_shutdown(ended: Option<Status>) {
    is_shutting_down(&ended.expect("a status"));
}

/// Skips to the end of the one session, which must be the shutdown's.
async fn ends_by_shutdown(stream: &mut Envelopes) {
    let Some(Detail::Disconnected(detail)) = stream.until(Event::Disconnected).await.detail else {
        panic!("no detail")
    };
    assert_eq!(detail.reason(), CloseReason::Shutdown);
}

/// Waits for the end of a stream that has nothing more to say.
async fn ends(mut stream: Envelopes) {
    loop {
        match stream.try_next().await {
            Ok(envelope) => assert_ne!(envelope.event(), Event::Data, "nothing is left"),
            Err(status) => return is_end_of_shutdown(status),
        }
    }
}

fn all_gone(gateway: &Gateway) {
    let registry = &gateway.registry;
    assert!(registry.sessions().is_empty() && registry.listeners().is_empty());
}

/// Sends to a peer that does not read, until something waits.
async fn clog(gateway: &TestGateway, session: &str) -> JoinSet<Result<u64, Status>> {
    const PIECE: usize = 256 * 1024;
    let (sockets, mut sessions) = (gateway.sockets().await, gateway.sessions().await);
    let mut sending = JoinSet::new();
    for n in 0.. {
        let (mut sockets, request) = (sockets.clone(), send_bytes(session, pattern(n * PIECE, PIECE)));
        sending.spawn(async move { Ok(sockets.tcp_send(request).await?.into_inner().write_offset) });
        eventually("the send is accepted", || {
            let (mut sessions, session) = (sessions.clone(), session.to_owned());
            async move {
                let shown = look(&mut sessions, &session).await;
                shown.bytes_sent + shown.queued_send_bytes == ((n + 1) * PIECE) as u64
            }
        })
        .await;
        if look(&mut sessions, session).await.queued_send_bytes > 0 {
            break;
        }
    }
    sending
}

#[tokio::test]
async fn a_stop_refuses_what_is_new_writes_what_is_queued_and_tells_everybody() {
    let gateway = TestGateway::start().await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut sockets = gateway.sockets().await;
    let mut health = HealthClient::new(gateway.channel().await);
    let (mut stream, idle) = (gateway.subscribe("").await, gateway.subscribe("idle").await);
    let mut sessions = gateway.sessions().await;
    let listening = sockets.tcp_listen(listen_for("")).await.expect("listens").into_inner();
    let listening_port = listening.listening.expect("is told").local_port as u16;
    let session = sockets.tcp_connect(connect_to(peer.addr)).await.expect("connects").into_inner().session_id;
    let mut far = within(taken.recv()).await.expect("the connection");
    let sending = clog(&gateway, &session).await;
    let queued = sending.len() * 256 * 1024;

    gateway.stop.cancel();
    stream.until(Event::Closed).await;
    for service in ["", "tcpip.v1.SocketGatewayService", "tcpip.v1.SessionService"] {
        let request = HealthCheckRequest { service: service.into() };
        let status = health.check(request).await.expect("health answers").into_inner().status();
        assert_eq!(status, ServingStatus::NotServing, "{service:?}");
    }
    assert!(TcpStream::connect(("127.0.0.1", listening_port)).await.is_err(), "the listener is closed");
    let mut new_client = HealthClient::new(gateway.channel().await);
    let status = new_client.check(HealthCheckRequest::default()).await.expect("health answers").into_inner().status();
    assert_eq!(status, ServingStatus::NotServing, "whoever asks while it goes down is told");
    is_shutting_down(&sockets.tcp_connect(connect_to(peer.addr)).await.expect_err("nothing new"));
    is_shutting_down(&sockets.tcp_listen(listen_for("")).await.expect_err("nothing new"));
    let udp_in = proto::UdpInRequest { host: "127.0.0.1".into(), ..Default::default() };
    is_shutting_down(&sockets.udp_in(udp_in).await.expect_err("nothing new"));
    let (host, port) = ("127.0.0.1".into(), 9);
    let udp_out = proto::UdpOutRequest { host, port, payload: Some(text("x")), ..Default::default() };
    is_shutting_down(&sockets.udp_out(udp_out).await.expect_err("nothing new"));
    is_shutting_down(&sockets.subscribe(SubscribeRequest::default()).await.expect_err("nothing new"));
    is_shutting_down(&sessions.watch(proto::WatchRequest::default()).await.expect_err("nothing new"));
    let late = sockets.tcp_send(send_bytes(&session, *b"late")).await.expect_err("it is closing");
    assert_eq!(reason(&late).0, "SESSION_NOT_CONNECTED");
    assert_eq!(look(&mut sessions, &session).await.state(), proto::SessionState::Disconnecting);

    let all = within(drain(&mut far)).await;
    assert!(all == pattern(0, queued), "{} of {queued} bytes", all.len());
    for sent in within(sending.join_all()).await {
        assert!(sent.is_ok(), "{sent:?}");
    }
    drop(far);
    ends_by_shutdown(&mut stream).await;
    ends(stream).await;
    ends(idle).await;
    let inside = Arc::clone(&gateway.gateway);
    let address = gateway.addr;
    gateway.shut_down().await;
    assert!(TcpStream::connect(address).await.is_err(), "the gRPC port is closed");
    all_gone(&inside);
    assert_eq!(inside.registry.tasks(), 0);
}

#[tokio::test]
async fn idle_streams_of_every_kind_end_at_once() {
    let gateway = TestGateway::start().await;
    let subscribed = gateway.subscribe("a").await;
    let mut attached = Attached::open(gateway.sockets().await, AttachSubscribe::default()).await.expect("attaches");
    let mut acknowledged = Attached::acknowledged(gateway.sockets().await, SubscribeRequest::default()).await;
    let mut watch = gateway.sessions().await.watch(proto::WatchRequest::default()).await.expect("watches").into_inner();
    let started = Instant::now();
    gateway.stop.cancel();
    ends(subscribed).await;
    is_end_of_shutdown(attached.read().await.expect_err("it ends"));
    is_end_of_shutdown(acknowledged.read().await.expect_err("it ends"));
    let end = loop {
        match within(watch.message()).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended without a word"),
            Err(status) => break status,
        }
    };
    is_shutting_down(&end);
    gateway.shut_down().await;
    assert!(started.elapsed() < AT_ONCE, "it took {:?}", started.elapsed());
}

#[tokio::test]
async fn sends_on_an_attach_stream_are_answered_before_it_ends() {
    let gateway = TestGateway::with(|limits| limits.attach_send_credit_bytes = 64 << 20).await;
    let (peer, mut taken) = Peer::handing_over().await;
    let session = gateway.sockets().await.tcp_connect(connect_to(peer.addr)).await.expect("connects").into_inner();
    let mut far = within(taken.recv()).await.expect("the connection");
    let _sending = clog(&gateway, &session.session_id).await;
    let mut attached = Attached::plain(gateway.sockets().await).await;
    let request = proto::TcpSendRequest {
        session_id: session.session_id.clone(),
        payload: vec![bytes(*b"the last words")],
        ..Default::default()
    };
    let id = attached.command(Command::TcpSend(request)).await;
    let mut sessions = gateway.sessions().await;
    let before = look(&mut sessions, &session.session_id).await.queued_send_bytes;
    eventually("it waits", || {
        let (mut sessions, session) = (sessions.clone(), session.session_id.clone());
        async move { look(&mut sessions, &session).await.queued_send_bytes >= before.max(14) }
    })
    .await;
    gateway.stop.cancel();
    let all = within(drain(&mut far)).await;
    drop(far);
    assert!(all.ends_with(b"the last words"));
    let (answered, result) = attached.answer().await;
    assert_eq!(answered, id);
    assert!(matches!(result, answer::Result::TcpSend(_)), "{result:?}");
    let end = loop {
        if let Err(end) = attached.read().await {
            break end;
        }
    };
    is_end_of_shutdown(end);
    assert!(attached.envelopes.iter().any(|envelope| envelope.event() == Event::Disconnected));
    gateway.shut_down().await;
}

#[tokio::test]
async fn a_peer_that_never_closes_is_cut_after_the_close_timeout() {
    let gateway = TestGateway::with(|limits| limits.close_timeout = Duration::from_millis(200)).await;
    let peer = Peer::stuck().await;
    let mut stream = gateway.subscribe("").await;
    gateway.sockets().await.tcp_connect(connect_to(peer.addr)).await.expect("connects");
    let started = Instant::now();
    gateway.stop.cancel();
    ends_by_shutdown(&mut stream).await;
    ends(stream).await;
    let inside = Arc::clone(&gateway.gateway);
    gateway.shut_down().await;
    all_gone(&inside);
    assert!(started.elapsed() < AT_ONCE, "it took {:?}", started.elapsed());
}

#[tokio::test]
async fn the_shutdown_timeout_ends_what_would_wait_longer() {
    let gateway = TestGateway::with(|limits| {
        limits.close_timeout = Duration::from_secs(600);
        limits.shutdown_timeout = Duration::from_secs(1);
    })
    .await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut stream = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let session = sockets.tcp_connect(connect_to(peer.addr)).await.expect("connects").into_inner().session_id;
    let mut far = within(taken.recv()).await.expect("the connection");
    let sending = clog(&gateway, &session).await;
    let started = Instant::now();
    gateway.stop.cancel();
    ends_by_shutdown(&mut stream).await;
    ends(stream).await;
    let failed = within(sending.join_all()).await.into_iter().filter_map(Result::err);
    assert!(failed.map(|status| reason(&status).0).all(|reason| reason == "SOCKET_NOT_CONNECTED"));
    let inside = Arc::clone(&gateway.gateway);
    gateway.shut_down().await;
    all_gone(&inside);
    assert!(started.elapsed() < AT_ONCE, "it took {:?}", started.elapsed());
    let mut all = Vec::new();
    let cut = within(far.read_to_end(&mut all)).await.expect_err("RST, for not everything was written");
    assert_eq!(cut.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn clients_that_never_read_hold_a_stop_no_longer_than_the_shutdown_timeout() {
    let gateway = TestGateway::with(|limits| {
        limits.close_timeout = Duration::from_millis(200);
        limits.shutdown_timeout = Duration::from_secs(1);
    })
    .await;
    let flood = Peer::floods(64 << 20).await;
    let (mut sockets, sessions) = (gateway.sockets().await, gateway.sessions().await);
    let unread = gateway.subscribe("").await;
    let also_unread = Attached::plain(gateway.sockets().await).await;
    let session = sockets.tcp_connect(connect_to(flood.addr)).await.expect("connects").into_inner().session_id;
    eventually("reading is paused", || {
        let (mut sessions, session) = (sessions.clone(), session.clone());
        async move { look(&mut sessions, &session).await.read_paused }
    })
    .await;
    let inside = Arc::clone(&gateway.gateway);
    let started = Instant::now();
    gateway.shut_down().await;
    assert!(started.elapsed() < AT_ONCE, "it took {:?}", started.elapsed());
    all_gone(&inside);
    drop((unread, also_unread));
}

#[tokio::test]
async fn a_kill_ends_at_once_with_or_without_a_stop_before_it() {
    for stop_first in [false, true] {
        let gateway = TestGateway::with(|limits| limits.close_timeout = Duration::from_secs(600)).await;
        let (peer, mut taken) = Peer::handing_over().await;
        let mut sockets = gateway.sockets().await;
        let session = sockets.tcp_connect(connect_to(peer.addr)).await.expect("connects").into_inner().session_id;
        let far = within(taken.recv()).await.expect("the connection");
        let _sending = clog(&gateway, &session).await;
        let _idle = gateway.subscribe("").await;
        let inside = Arc::clone(&gateway.gateway);
        if stop_first {
            gateway.stop.cancel();
            eventually("it goes down", || async { inside.registry.is_draining() }).await;
        }
        let started = Instant::now();
        gateway.cut_down().await;
        assert!(started.elapsed() < AT_ONCE, "it took {:?}", started.elapsed());
        eventually("the sessions are cut", || async { inside.registry.sessions().is_empty() }).await;
        drop(far);
    }
}
