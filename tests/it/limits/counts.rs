//! How many there may be of a thing: one more is refused by the name of its limit, and a place that is given back is taken again.

use socket_gateway::api::proto::{self, AttachSubscribe, TapFormat, WatchRequest};

use super::{Rig, reached, until_ok};
use crate::support::{
    attached::Attached,
    calls::{connected, listen_anywhere, listening},
    connect_to, disconnect, eventually,
    peers::Unanswering,
    within,
};

fn udp_in() -> proto::UdpInRequest {
    proto::UdpInRequest { host: "127.0.0.1".into(), ..Default::default() }
}

fn subscribe(subscriber: &str) -> proto::SubscribeRequest {
    proto::SubscribeRequest { subscriber: subscriber.into(), ..Default::default() }
}

pub async fn sessions(rig: &Rig) {
    rig.low(|limits| limits.sessions = 2);
    let mut sockets = rig.sockets().await;
    let first = connected(&mut sockets, connect_to(rig.echo.addr)).await;
    sockets.udp_in(udp_in()).await.expect("the second");
    reached(sockets.udp_in(udp_in()).await, "sessions", 2);
    reached(sockets.tcp_connect(connect_to(rig.echo.addr)).await, "sessions", 2);
    sockets.tcp_disconnect(disconnect(&first)).await.expect("closes");
    until_ok("its place is free", || {
        let mut sockets = sockets.clone();
        async move { sockets.udp_in(udp_in()).await }
    })
    .await;
}

pub async fn listeners(rig: &Rig) {
    rig.low(|limits| limits.listeners = 2);
    let mut sockets = rig.sockets().await;
    let (first, _) = listening(&mut sockets, listen_anywhere()).await;
    listening(&mut sockets, listen_anywhere()).await;
    reached(sockets.tcp_listen(listen_anywhere()).await, "listeners", 2);
    let request = proto::TcpUnlistenRequest { listener_id: first, ..Default::default() };
    sockets.tcp_unlisten(request).await.expect("closes");
    until_ok("its place is free", || {
        let mut sockets = sockets.clone();
        async move { sockets.tcp_listen(listen_anywhere()).await }
    })
    .await;
}

pub async fn pending_connects(rig: &Rig) {
    rig.low(|limits| limits.pending_connects = 2);
    let mut sockets = rig.sockets().await;
    let nobody = Unanswering::start().await;
    let dial = || proto::TcpConnectRequest { no_wait: true, ..connect_to(nobody.addr) };
    let first = connected(&mut sockets, dial()).await;
    connected(&mut sockets, dial()).await;
    reached(sockets.tcp_connect(dial()).await, "pending_connects", 2);
    reached(sockets.tcp_connect(connect_to(rig.echo.addr)).await, "pending_connects", 2);
    let request = proto::TcpDisconnectRequest { abort: true, ..disconnect(&first) };
    sockets.tcp_disconnect(request).await.expect("gives up");
    until_ok("its place is free", || {
        let (mut sockets, request) = (sockets.clone(), connect_to(rig.echo.addr));
        async move { sockets.tcp_connect(request).await }
    })
    .await;
}

pub async fn subscribers(rig: &Rig) {
    rig.low(|limits| limits.subscribers = 2);
    let mut sockets = rig.sockets().await;
    let first = rig.gateway.subscribe("first").await;
    let _second = rig.gateway.subscribe("second").await;
    reached(sockets.subscribe(subscribe("third")).await, "subscribers", 2);
    let dial = proto::TcpConnectRequest { subscriber: "third".into(), ..connect_to(rig.echo.addr) };
    reached(sockets.tcp_connect(dial).await, "subscribers", 2);
    drop(first);
    let _third = until_ok("the first is forgotten", || {
        let mut sockets = sockets.clone();
        async move { sockets.subscribe(subscribe("third")).await }
    })
    .await;
}

pub async fn streams_per_subscriber(rig: &Rig) {
    rig.low(|limits| limits.streams_per_subscriber = 2);
    let mut sockets = rig.sockets().await;
    let first = rig.gateway.subscribe("one").await;
    let subscription = Some(subscribe("one"));
    let _second = Attached::open(rig.sockets().await, AttachSubscribe { subscription, ..Default::default() }).await;
    reached(sockets.subscribe(subscribe("one")).await, "streams_per_subscriber", 2);
    let _another = rig.gateway.subscribe("another").await;
    drop(first);
    let _third = until_ok("its place is free", || {
        let mut sockets = sockets.clone();
        async move { sockets.subscribe(subscribe("one")).await }
    })
    .await;
}

pub async fn streams(rig: &Rig) {
    rig.low(|limits| limits.streams = 2);
    let mut sockets = rig.sockets().await;
    let first = rig.gateway.subscribe("one").await;
    let _second = Attached::plain(rig.sockets().await).await;
    reached(sockets.subscribe(subscribe("another")).await, "streams", 2);
    let refused =
        Attached::open(rig.sockets().await, AttachSubscribe::default()).await.map(|_| tonic::Response::new(()));
    reached(refused, "streams", 2);
    drop(first);
    let _third = until_ok("its place is free", || {
        let mut sockets = sockets.clone();
        async move { sockets.subscribe(subscribe("another")).await }
    })
    .await;
}

pub async fn watchers(rig: &Rig) {
    rig.low(|limits| limits.watchers = 1);
    let mut sessions = rig.sessions().await;
    let first = sessions.watch(WatchRequest::default()).await.expect("the first");
    reached(sessions.watch(WatchRequest::default()).await, "watchers", 1);
    drop(first);
    let _second = until_ok("its place is free", || {
        let mut sessions = sessions.clone();
        async move { sessions.watch(WatchRequest::default()).await }
    })
    .await;
}

pub async fn taps(rig: &Rig) {
    rig.low(|limits| limits.taps = 1);
    let (mut sockets, mut sessions) = (rig.sockets().await, rig.sessions().await);
    let session_id = connected(&mut sockets, connect_to(rig.echo.addr)).await;
    let tap = proto::TapRequest { session_id, format: TapFormat::Text.into(), ..Default::default() };
    let first = sessions.tap(tap.clone()).await.expect("the first");
    reached(sessions.tap(tap.clone()).await, "taps", 1);
    drop(first);
    let _second = until_ok("its place is free", || {
        let (mut sessions, tap) = (sessions.clone(), tap.clone());
        async move { sessions.tap(tap).await }
    })
    .await;
}

/// Peers beyond the queue of a listener that cannot accept get no answer, as from any server that is full.
pub async fn listen_backlog(rig: &Rig) {
    rig.low(|limits| (limits.listen_backlog, limits.sessions) = (1, 1));
    let mut sockets = rig.sockets().await;
    let (_, address) = listening(&mut sockets, listen_anywhere()).await;
    let mut peers = Vec::new();
    let patience = std::time::Duration::from_millis(500);
    while let Ok(peer) = tokio::time::timeout(patience, tokio::net::TcpStream::connect(address)).await {
        peers.push(peer.expect("joins the queue"));
        assert!(peers.len() < 20, "the queue has no end");
    }
    // One has the session, and the kernel queues one more than it is asked to (listen(2), net.ipv4.tcp_max_syn_backlog).
    assert!((2..=4).contains(&peers.len()), "{} were let in", peers.len());
    eventually("one of them has the session", || async { rig.in_use().sessions == 1 }).await;
    drop(peers);
    let late = within(tokio::net::TcpStream::connect(address)).await;
    drop(late.expect("there is room again"));
}
