//! What one identity may use: reached resource by resource, told whose bound it was, given back, and never felt by another.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use socket_gateway::{
    api::{connect_spec, listen_spec, proto, udp_in_spec},
    envelope::{Body, Envelope},
    error::{Error, Reason},
    framing::Content,
    gateway::{ConnectSpec, Gateway, Pattern, SendSpec, SubscribeSpec},
    identity::{Caller, Role},
    limits::Limits,
    quota::Quota,
    subscriber::Subscription,
};
use tokio::net::{TcpStream, UdpSocket};
use tokio_stream::StreamExt;

use crate::support::{
    TestGateway, connect_to, eventually, listen_for, pattern,
    peers::{Peer, Unanswering},
    within,
};

const KIB: usize = 1024;

fn caller(identity: &str) -> Arc<Caller> {
    Arc::new(Caller { identity: identity.into(), namespace: identity.into(), role: Role::User })
}

async fn with(quota: Quota) -> TestGateway {
    let gateway = TestGateway::start().await;
    gateway.gateway.usages.replace(quota);
    gateway
}

/// Whose bound it was, its name and its value.
fn reached(error: &Error) -> (String, String, String) {
    assert_eq!(error.reason(), Reason::LimitReached, "{error}");
    let of = |key| error.metadata().iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone());
    let of = |key| of(key).unwrap_or_else(|| panic!("no {key} in {error:?}"));
    (of("scope"), of("limit"), of("value"))
}

fn own(limit: &str, value: usize) -> (String, String, String) {
    ("identity".to_owned(), format!("quota.{limit}"), value.to_string())
}

fn udp_in(gateway: &Arc<Gateway>, caller: &Arc<Caller>) -> Result<String, Error> {
    let request = proto::UdpInRequest { host: "127.0.0.1".into(), ..Default::default() };
    let bound = gateway.udp_in(caller, udp_in_spec(request).expect("a good request"))?;
    Ok(bound.session_id.as_str().to_owned())
}

fn dial(to: SocketAddr) -> ConnectSpec {
    connect_spec(connect_to(to)).expect("a good request")
}

async fn connect(gateway: &Arc<Gateway>, caller: &Arc<Caller>, to: SocketAddr) -> Result<String, Error> {
    Ok(gateway.connect(caller, dial(to)).await?.session_id.as_str().to_owned())
}

fn subscribe(gateway: &Gateway, caller: &Arc<Caller>, subscriber: &str) -> Result<Subscription, Error> {
    let spec = SubscribeSpec {
        subscriber: subscriber.to_owned(),
        events: true,
        data: true,
        session_ids: None,
        resume: None,
        heartbeat: None,
        acknowledged: false,
    };
    gateway.subscribe(caller, spec)
}

/// The bytes of an envelope; none of an event.
fn bytes(envelope: &Envelope) -> &[u8] {
    match &envelope.body {
        Body::Data(frame) => match &frame.content {
            Content::Chunk(bytes) => bytes,
            other => panic!("not a chunk: {other:?}"),
        },
        Body::Datagram { payload, .. } => payload,
        _ => &[],
    }
}

/// Reads so many bytes.
async fn read(stream: &mut Subscription, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        let batch = within(stream.next()).await.expect("it goes on").expect("it goes on");
        batch.envelopes.iter().for_each(|(_, envelope)| all.extend_from_slice(bytes(envelope)));
    }
    all
}

#[tokio::test]
async fn every_count_is_reached_by_its_own_identity_alone_and_given_back() {
    let gateway = with(Quota { sessions: 2, listeners: 1, subscribers: 2, streams: 1, ..Quota::default() }).await;
    let (inside, a, b) = (&gateway.gateway, caller("a"), caller("b"));
    let first = udp_in(inside, &a).expect("the first");
    udp_in(inside, &a).expect("the second");
    assert_eq!(reached(&udp_in(inside, &a).expect_err("a third")), own("sessions", 2));
    udp_in(inside, &b).expect("another's");
    udp_in(inside, &Caller::local()).expect("without identity there is no quota");

    let listen = || listen_spec(listen_for("")).expect("a good request");
    let listener = inside.listen(&a, listen()).await.expect("the first");
    assert_eq!(reached(&inside.listen(&a, listen()).await.map(drop).expect_err("a second")), own("listeners", 1));
    inside.listen(&b, listen()).await.expect("another's");

    let stream = subscribe(inside, &a, "x").expect("the first");
    assert_eq!(reached(&subscribe(inside, &a, "x").map(drop).expect_err("a second")), own("streams", 1));
    drop(stream);
    assert_eq!(reached(&subscribe(inside, &a, "y").map(drop).expect_err("a third")), own("subscribers", 2));
    subscribe(inside, &a, "x").expect("the place is free again");

    // A session's place is free when it is told to be gone.
    let spec = proto::TcpDisconnectRequest { session_id: first, ..Default::default() };
    let mut stream = subscribe(inside, &a, "").expect("the default");
    let close = socket_gateway::gateway::DisconnectSpec {
        session_id: spec.session_id,
        abort: false,
        subscriber: String::new(),
        close_timeout: None,
    };
    inside.disconnect(&a, &close).expect("closes");
    'gone: loop {
        let batch = within(stream.next()).await.expect("goes on").expect("goes on");
        for (_, envelope) in &batch.envelopes {
            if matches!(envelope.body, Body::Disconnected { .. }) {
                break 'gone;
            }
        }
    }
    udp_in(inside, &a).expect("its place is free");
    listener.stop();
    within(listener.closed()).await;
    inside.listen(&a, listen()).await.expect("its place is free");
}

#[tokio::test]
async fn a_listener_whose_owner_has_all_its_sessions_leaves_its_peers_in_the_queue() {
    let gateway = with(Quota { sessions: 1, ..Quota::default() }).await;
    let (inside, a) = (&gateway.gateway, caller("a"));
    let listener = inside.listen(&a, listen_spec(listen_for("")).expect("a good request")).await.expect("listens");
    let first = TcpStream::connect(listener.local).await.expect("connects");
    let second = TcpStream::connect(listener.local).await.expect("is queued");
    eventually("the first has its session", || async { inside.registry.sessions().len() == 1 }).await;
    assert_eq!(listener.accepted(), 1);
    drop(first);
    eventually("the second has its session", || async { listener.accepted() == 2 }).await;
    assert_eq!(inside.registry.sessions().len(), 1);
    drop(second);
}

#[tokio::test]
async fn dials_are_bounded_in_number_and_in_rate() {
    let gateway = with(Quota { pending_connects: 1, dials_per_second: 2, ..Quota::default() }).await;
    let (inside, a, b) = (&gateway.gateway, caller("a"), caller("b"));
    let nobody = Unanswering::start().await;
    let pending = inside.connect(&a, ConnectSpec { no_wait: true, ..dial(nobody.addr) }).await.expect("begins");
    assert_eq!(
        reached(&connect(inside, &a, nobody.addr).await.expect_err("one is pending")),
        own("pending_connects", 1)
    );
    let close = socket_gateway::gateway::DisconnectSpec {
        session_id: pending.session_id.as_str().to_owned(),
        abort: true,
        subscriber: String::new(),
        close_timeout: None,
    };
    inside.disconnect(&a, &close).expect("gives up");
    eventually("it is given up", || async { inside.registry.sessions().is_empty() }).await;

    let peer = Peer::echo().await;
    let refused = loop {
        if let Err(error) = connect(inside, &a, peer.addr).await {
            break error;
        }
    };
    assert_eq!(reached(&refused), own("dials_per_second", 2));
    assert!(refused.metadata().iter().any(|(key, _)| *key == "retryAfter"), "{refused:?}");
    connect(inside, &b, peer.addr).await.expect("another's rate");
    eventually("it may dial again", || async { connect(inside, &a, peer.addr).await.is_ok() }).await;
}

#[tokio::test]
async fn a_flood_is_read_at_the_rate_and_whole() {
    let gateway = with(Quota { received_bytes_per_second: 100 * KIB, ..Quota::default() }).await;
    let (inside, a, b) = (&gateway.gateway, caller("a"), caller("b"));
    let flood = Peer::floods(300 * KIB).await;
    let mut slow = subscribe(inside, &a, "").expect("subscribes");
    let started = Instant::now();
    connect(inside, &a, flood.addr).await.expect("connects");
    let all = read(&mut slow, 300 * KIB).await;
    // A second's worth comes at once; the last reads may be a debt.
    assert!(started.elapsed() >= Duration::from_millis(1200), "{:?}", started.elapsed());
    assert!(all == pattern(0, 300 * KIB), "every byte, in order");
    // Without a bound it is a matter of milliseconds; what a owes is not b's.
    let mut fast = subscribe(inside, &b, "").expect("subscribes");
    inside.usages.replace(Quota::default());
    connect(inside, &b, flood.addr).await.expect("connects");
    assert!(read(&mut fast, 300 * KIB).await == pattern(0, 300 * KIB));
}

#[tokio::test]
async fn sends_wait_for_the_rate_and_datagrams_are_refused() {
    let gateway = with(Quota { sent_bytes_per_second: 100 * KIB, ..Quota::default() }).await;
    let (inside, a) = (&gateway.gateway, caller("a"));
    let (peer, mut taken) = Peer::handing_over().await;
    let session = connect(inside, &a, peer.addr).await.expect("connects");
    let mut far = within(taken.recv()).await.expect("the connection");
    let reading = tokio::spawn(async move {
        let mut all = vec![0; 300 * KIB];
        tokio::io::AsyncReadExt::read_exact(&mut far, &mut all).await.expect("all of it");
        all
    });
    let started = Instant::now();
    for n in 0..6 {
        let mut spec = SendSpec {
            session_id: session.clone(),
            items: vec![pattern(n * 50 * KIB, 50 * KIB).into()],
            subscriber: String::new(),
            wait_for: None::<Pattern>,
            timeout: None,
            expected_offset: None,
            emit_sent: false,
        };
        within(inside.send(&a, &mut spec)).await.expect("is sent");
    }
    assert!(started.elapsed() >= Duration::from_millis(1200), "{:?}", started.elapsed());
    assert!(within(reading).await.expect("no panic") == pattern(0, 300 * KIB));

    let sink = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let to = sink.local_addr().expect("bound");
    let refused = loop {
        let datagram = socket_gateway::gateway::DatagramSpec {
            host: "127.0.0.1".into(),
            port: to.port(),
            payload: vec![7; 20 * KIB].into(),
            options: Default::default(),
            session_id: None,
            subscriber: String::new(),
            emit_sent: false,
        };
        if let Err(error) = inside.udp_out(&a, &datagram).await {
            break error;
        }
    };
    assert_eq!(reached(&refused), own("sent_bytes_per_second", 100 * KIB));
}

#[tokio::test]
async fn datagrams_beyond_the_rate_are_dropped_and_every_one_is_counted() {
    const SENT: u64 = 200;
    let gateway = with(Quota { received_bytes_per_second: 20 * KIB, ..Quota::default() }).await;
    let (inside, a) = (&gateway.gateway, caller("a"));
    let request = proto::UdpInRequest { host: "127.0.0.1".into(), ..Default::default() };
    let bound = inside.udp_in(&a, udp_in_spec(request).expect("a good request")).expect("binds");
    let source = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    for _ in 0..SENT {
        source.send_to(&[1; KIB], bound.local).await.expect("is sent");
    }
    let session = inside.registry.session("a", bound.session_id.as_str()).expect("lives");
    let counts = || match &session {
        socket_gateway::registry::Session::Udp(udp) => udp.datagrams(),
        socket_gateway::registry::Session::Tcp(_) => panic!("it is UDP"),
    };
    eventually("all are received or dropped", || async { counts().0 + counts().2 == SENT }).await;
    let (received, _, dropped) = counts();
    assert!(received >= 20 && dropped >= 100, "{received} received, {dropped} dropped");
}

#[tokio::test]
async fn backlogs_together_pause_their_own_identity_until_half_is_delivered() {
    let quota = Quota { backlog_bytes: 400 * KIB, ..Quota::default() };
    let gateway = with(quota).await;
    let (inside, a, b) = (&gateway.gateway, caller("a"), caller("b"));
    let flood = Peer::floods(8 << 20).await;
    for name in ["1", "2", "3", "4"] {
        let request = proto::TcpConnectRequest { subscriber: name.into(), ..connect_to(flood.addr) };
        inside.connect(&a, connect_spec(request).expect("a good request")).await.expect("connects");
    }
    let held = |owner: &str| -> usize {
        let all = inside.subscribers.all();
        all.iter()
            .filter(|subscriber| *subscriber.owner().identity == *owner)
            .map(|subscriber| subscriber.held().0)
            .sum()
    };
    eventually("the quota is reached", || async { held("a") >= 400 * KIB }).await;
    // Each may have come to its own bound by then, and no further.
    let most = 4 * (256 + 64) * KIB;
    let paused = || async { inside.subscribers.all().iter().map(|one| one.view().paused_sessions).sum::<usize>() };
    eventually("all of them are paused", || async { paused().await == 4 }).await;
    let waiting = held("a");
    assert!(waiting <= most, "{waiting}");
    let mut stream = subscribe(inside, &b, "").expect("subscribes");
    connect(inside, &b, flood.addr).await.expect("connects");
    read(&mut stream, 8 << 20).await;
    // All of it comes once somebody reads.
    let mut streams: Vec<_> = ["1", "2", "3", "4"].map(|name| subscribe(inside, &a, name).expect("subscribes")).into();
    for stream in &mut streams {
        assert!(read(stream, 8 << 20).await == pattern(0, 8 << 20));
    }
}

#[tokio::test]
async fn all_backlogs_together_are_bounded_for_everybody() {
    let gateway = TestGateway::with(|limits| limits.backlog_bytes = 300 * KIB).await;
    let inside = &gateway.gateway;
    let flood = Peer::floods(4 << 20).await;
    for identity in ["a", "b", "c"] {
        connect(inside, &caller(identity), flood.addr).await.expect("connects");
    }
    let late = caller("late");
    eventually("it is reached", || async { inside.pressure.pauses() }).await;
    connect(inside, &late, flood.addr).await.expect("what is new is still opened");
    let mut streams: Vec<_> =
        ["a", "b", "c", "late"].map(|identity| subscribe(inside, &caller(identity), "").expect("subscribes")).into();
    for stream in &mut streams {
        assert!(read(stream, 4 << 20).await == pattern(0, 4 << 20));
    }
    eventually("it is over", || async { !inside.pressure.pauses() }).await;
}

#[tokio::test]
async fn without_memory_nothing_is_opened_or_read_and_what_lives_goes_on_after() {
    let gateway = TestGateway::start().await;
    let inside = &gateway.gateway;
    let a = caller("a");
    let flood = Peer::floods(1 << 20).await;
    let echo = Peer::echo().await;
    let before = connect(inside, &a, echo.addr).await.expect("connects");
    inside.limit(Limits { memory_bytes: 1, ..Limits::default() }, Quota::default());
    eventually("it is noticed", || async { inside.pressure.refuses() && inside.pressure.pauses() }).await;
    let refused = [
        connect(inside, &a, flood.addr).await.map(drop),
        udp_in(inside, &a).map(drop),
        subscribe(inside, &a, "new").map(drop),
        inside.listen(&a, listen_spec(listen_for("")).expect("a good request")).await.map(drop),
    ];
    for error in refused.map(|result| result.expect_err("no memory")) {
        assert_eq!(reached(&error), ("global".into(), "memory_refuse_percent".into(), "85".into()));
    }
    assert!(inside.registry.session("a", &before).is_ok(), "what lives is kept");
    // Who comes for what waits makes room.
    drop(subscribe(inside, &a, "").expect("its subscriber is there"));
    inside.limit(Limits::default(), Quota::default());
    eventually("there is memory again", || async { !inside.pressure.refuses() && !inside.pressure.pauses() }).await;
    let mut stream = subscribe(inside, &a, "").expect("subscribes");
    connect(inside, &a, flood.addr).await.expect("connects");
    assert!(read(&mut stream, 1 << 20).await == pattern(0, 1 << 20));
}

#[tokio::test]
async fn a_listener_accepts_at_its_rate() {
    let gateway = TestGateway::with(|limits| limits.accepts_per_second = 5).await;
    let inside = &gateway.gateway;
    let listener =
        inside.listen(&caller("a"), listen_spec(listen_for("")).expect("a good request")).await.expect("listens");
    let started = Instant::now();
    let mut peers = Vec::new();
    for _ in 0..15 {
        peers.push(TcpStream::connect(listener.local).await.expect("is queued"));
    }
    eventually("all are accepted", || async { listener.accepted() == 15 }).await;
    assert!(started.elapsed() >= Duration::from_millis(1500), "{:?}", started.elapsed());
}
