//! What operators see: lists, single sessions, and every change as it happens.

use std::{collections::BTreeSet, time::Duration};

use socket_gateway::api::proto::{
    self, ChangeKind, Session, SessionKind, SessionState, TcpMode, WatchResponse, watch_response::Subject,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tonic::Streaming;

use crate::support::{
    Sessions, TestGateway, bad_fields, connect_lines, connect_to, disconnect, eventually, listen_for, look,
    look_at_subscriber, peers::Peer, reason, seconds, send, within,
};

struct Watching(Streaming<WatchResponse>);

impl Watching {
    async fn start(gateway: &TestGateway) -> Self {
        let request = proto::WatchRequest::default();
        Self(gateway.sessions().await.watch(request).await.expect("watches").into_inner())
    }

    async fn next(&mut self) -> (ChangeKind, Option<Subject>) {
        let message = within(self.0.message()).await.expect("goes on").expect("a message");
        (message.kind(), message.subject)
    }

    /// A whole snapshot: the names of what lives.
    async fn snapshot(&mut self) -> BTreeSet<String> {
        assert_eq!(self.next().await, (ChangeKind::SnapshotBegin, None));
        self.rest_of_snapshot().await
    }

    async fn rest_of_snapshot(&mut self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        loop {
            match self.next().await {
                (ChangeKind::Added, Some(subject)) => assert!(all.insert(name(&subject)), "shown twice"),
                (ChangeKind::SnapshotEnd, None) => return all,
                other => panic!("no part of a snapshot: {other:?}"),
            }
        }
    }

    /// Skips to this change of this name.
    async fn until(&mut self, kind: ChangeKind, wanted: &str) -> Subject {
        loop {
            let (changed, subject) = self.next().await;
            if let Some(subject) = subject.filter(|subject| changed == kind && name(subject) == wanted) {
                return subject;
            }
        }
    }

    /// Skips to a session that looks like this.
    async fn until_session(&mut self, kind: ChangeKind, id: &str, looks: impl Fn(&Session) -> bool) {
        loop {
            let Subject::Session(session) = self.until(kind, id).await else { panic!("{id} is no session") };
            if looks(&session) {
                return;
            }
        }
    }
}

fn name(subject: &Subject) -> String {
    match subject {
        Subject::Session(session) => session.session_id.clone(),
        Subject::Listener(listener) => listener.listener_id.clone(),
        Subject::Subscriber(subscriber) => format!("subscriber {}", subscriber.name),
    }
}

fn named(id: &str, request: proto::TcpConnectRequest) -> proto::TcpConnectRequest {
    proto::TcpConnectRequest { session_id: id.into(), ..request }
}

async fn list(sessions: &mut Sessions, request: proto::ListSessionsRequest) -> proto::ListSessionsResponse {
    sessions.list_sessions(request).await.expect("lists").into_inner()
}

fn ids(response: &proto::ListSessionsResponse) -> Vec<&str> {
    response.sessions.iter().map(|session| session.session_id.as_str()).collect()
}

#[tokio::test]
async fn a_watch_shows_what_lives_and_then_every_change() {
    let gateway = TestGateway::with(|limits| limits.subscriber_idle_timeout = Duration::from_millis(100)).await;
    let echo = Peer::echo().await;
    let (mut sockets, mut sessions) = (gateway.sockets().await, gateway.sessions().await);
    let listener = sockets.tcp_listen(listen_for("ops")).await.expect("listens").into_inner().listener_id;
    sockets.tcp_connect(named("old", connect_to(echo.addr))).await.expect("connects");

    let mut watching = Watching::start(&gateway).await;
    let all: Vec<String> = watching.snapshot().await.into_iter().collect();
    assert_eq!(all, [&listener, "old", "subscriber default", "subscriber ops"]);

    sockets.tcp_connect(named("new", connect_to(echo.addr))).await.expect("connects");
    watching.until_session(ChangeKind::Added, "new", |session| session.data_subscriber == "default").await;
    watching.until_session(ChangeKind::Changed, "new", |session| session.state() == SessionState::Connected).await;
    let claim = |subscriber: &str| proto::ClaimDataRequest {
        session_id: "new".into(),
        subscriber: subscriber.into(),
        ..Default::default()
    };
    let moved = sessions.claim_data(claim("taker")).await.expect("moves").into_inner();
    assert_eq!((moved.claim_generation, moved.previous_subscriber.as_str()), (1, "default"));
    watching.until(ChangeKind::Added, "subscriber taker").await;
    watching.until_session(ChangeKind::Changed, "new", |session| session.data_subscriber == "taker").await;
    sockets.tcp_disconnect(disconnect("new")).await.expect("disconnects");
    watching.until(ChangeKind::Removed, "new").await;
    watching.until(ChangeKind::Removed, "subscriber taker").await;

    let unlisten = proto::TcpUnlistenRequest { listener_id: listener.clone(), ..Default::default() };
    sockets.tcp_unlisten(unlisten).await.expect("closes");
    watching.until(ChangeKind::Removed, &listener).await;
    watching.until(ChangeKind::Removed, "subscriber ops").await;
    sockets.tcp_disconnect(disconnect("old")).await.expect("disconnects");
    watching.until(ChangeKind::Removed, "old").await;
    drop(watching);
    gateway.released().await;
}

#[tokio::test]
async fn a_watcher_that_lags_too_far_behind_gets_a_fresh_snapshot() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    gateway.sockets().await.tcp_connect(named("s", connect_to(echo.addr))).await.expect("connects");
    let mut watching = Watching::start(&gateway).await;
    watching.snapshot().await;
    // It reads nothing meanwhile: HTTP/2's windows take some thousands, the queue behind them 4096.
    for n in 0..40_000 {
        let name = if n % 2 == 0 { "one" } else { "other" };
        gateway.gateway.claim_data(&socket_gateway::identity::Caller::local(), "s", name, &None).await.expect("moves");
        if n % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    while watching.next().await.0 != ChangeKind::SnapshotBegin {}
    let all: Vec<String> = watching.rest_of_snapshot().await.into_iter().collect();
    assert_eq!(all, ["s", "subscriber default", "subscriber one", "subscriber other"]);
    gateway.sockets().await.tcp_disconnect(disconnect("s")).await.expect("disconnects");
    watching.until(ChangeKind::Removed, "s").await;
    drop(watching);
    gateway.released().await;
}

#[tokio::test]
async fn a_watch_beats_when_nothing_changes() {
    let gateway = TestGateway::start().await;
    let mut sessions = gateway.sessions().await;
    let beating = |interval| proto::WatchRequest { heartbeat_interval: seconds(interval), ..Default::default() };
    let refused = sessions.watch(beating(0.2)).await.expect_err("too fast");
    assert_eq!(bad_fields(&refused), ["heartbeat_interval"]);
    let mut watching = Watching(sessions.watch(beating(1.0)).await.expect("watches").into_inner());
    assert!(watching.snapshot().await.is_empty());
    for _ in 0..2 {
        assert_eq!(watching.next().await, (ChangeKind::Unspecified, None));
    }
    drop(watching);
    gateway.released().await;
}

#[tokio::test]
async fn only_so_many_watch_and_one_that_leaves_makes_room() {
    let gateway = TestGateway::with(|limits| limits.watchers = 2).await;
    let (one, _other) = (Watching::start(&gateway).await, Watching::start(&gateway).await);
    let sessions = gateway.sessions().await;
    let refused = sessions.clone().watch(proto::WatchRequest::default()).await.expect_err("a third");
    assert_eq!((reason(&refused).0.as_str(), reason(&refused).1["limit"].as_str()), ("LIMIT_REACHED", "watchers"));
    drop(one);
    eventually("there is room", || {
        let mut sessions = sessions.clone();
        async move { sessions.watch(proto::WatchRequest::default()).await.is_ok() }
    })
    .await;
}

#[tokio::test]
async fn sessions_are_listed_by_id_page_by_page_and_filtered() {
    let gateway = TestGateway::start().await;
    let (echo, dead_end) = (Peer::echo().await, Peer::stuck().await);
    let (mut sockets, mut sessions) = (gateway.sockets().await, gateway.sessions().await);
    for n in 0..20 {
        let subscriber = if n % 2 == 0 { "even" } else { "odd" };
        let request = proto::TcpConnectRequest { subscriber: subscriber.into(), ..connect_to(echo.addr) };
        sockets.tcp_connect(named(&format!("out-{n:02}"), request)).await.expect("connects");
    }
    let listening = sockets.tcp_listen(listen_for("in")).await.expect("listens").into_inner();
    let port = listening.listening.expect("is told").local_port as u16;
    let mut peers = Vec::new();
    for _ in 0..3 {
        peers.push(TcpStream::connect(("127.0.0.1", port)).await.expect("connects"));
    }
    let udp = proto::UdpInRequest { host: "127.0.0.1".into(), session_id: "udp".into(), ..Default::default() };
    sockets.udp_in(udp).await.expect("binds");
    sockets.tcp_connect(named("leaving", connect_to(dead_end.addr))).await.expect("connects");
    sockets.tcp_disconnect(disconnect("leaving")).await.expect("disconnects");
    eventually("all are there", || async { gateway.gateway.registry.sessions().len() == 25 }).await;

    let mut all = Vec::new();
    let mut request = proto::ListSessionsRequest { page_size: 10, ..Default::default() };
    let mut sizes = Vec::new();
    loop {
        let page = list(&mut sessions, request.clone()).await;
        assert_eq!(page.total_size, 25);
        sizes.push(page.sessions.len());
        all.extend(ids(&page).into_iter().map(str::to_owned));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(sizes, [10, 10, 5]);
    assert!(all.is_sorted() && all.iter().collect::<BTreeSet<_>>().len() == 25);

    let any = proto::ListSessionsRequest::default;
    let udp = list(&mut sessions, proto::ListSessionsRequest { kind: SessionKind::Udp.into(), ..any() }).await;
    assert_eq!((ids(&udp), udp.total_size), (vec!["udp"], 1));
    let request = proto::ListSessionsRequest { state: SessionState::Disconnecting.into(), ..any() };
    assert_eq!(ids(&list(&mut sessions, request).await), ["leaving"]);
    let request = proto::ListSessionsRequest { listener_id: listening.listener_id.clone(), ..any() };
    let inbound = list(&mut sessions, request).await;
    assert!(inbound.sessions.iter().all(|session| session.kind() == SessionKind::TcpInbound));
    assert_eq!(inbound.total_size, 3);
    // The data holder counts as well as the opener.
    let claim =
        proto::ClaimDataRequest { session_id: "out-01".into(), subscriber: "even".into(), ..Default::default() };
    sessions.claim_data(claim).await.expect("moves");
    let of = |name: &str| proto::ListSessionsRequest { subscriber: name.into(), page_size: 5, ..any() };
    let even = list(&mut sessions, of("even")).await;
    assert_eq!((ids(&even), even.total_size), (vec!["out-00", "out-01", "out-02", "out-04", "out-06"], 11));
    assert_eq!(list(&mut sessions, of("odd")).await.total_size, 10);

    let wrong = proto::ListSessionsRequest { page_size: 1001, kind: 77, state: 77, ..any() };
    let refused = sessions.list_sessions(wrong).await.expect_err("three faults");
    assert_eq!(bad_fields(&refused), ["kind", "state", "page_size"]);

    let shown = sessions.list_listeners(proto::ListListenersRequest::default()).await.expect("lists").into_inner();
    let [listener] = &shown.listeners[..] else { panic!("{shown:?}") };
    assert_eq!((listener.accepted, listener.sessions, listener.subscriber.as_str()), (3, 3, "in"));
    assert_eq!((listener.local_port, listener.mode()), (u32::from(port), TcpMode::Binary));
    let (first, page_size) = (peers.pop(), 2);
    drop(first);
    eventually("one has gone", || {
        let mut sessions = sessions.clone();
        async move {
            let shown = sessions.list_listeners(proto::ListListenersRequest::default()).await.expect("lists");
            let listener = &shown.get_ref().listeners[0];
            (listener.accepted, listener.sessions) == (3, 2)
        }
    })
    .await;
    let request = proto::ListSubscribersRequest { page_size, ..Default::default() };
    let page = sessions.list_subscribers(request).await.expect("lists").into_inner();
    let names: Vec<&str> = page.subscribers.iter().map(|subscriber| subscriber.name.as_str()).collect();
    assert_eq!(names, ["default", "even"]);
    let request = proto::ListSubscribersRequest { page_token: page.next_page_token, ..Default::default() };
    let page = sessions.list_subscribers(request).await.expect("lists").into_inner();
    let names: Vec<&str> = page.subscribers.iter().map(|subscriber| subscriber.name.as_str()).collect();
    assert_eq!((names, page.next_page_token.as_str()), (vec!["in", "odd"], ""));

    for session in gateway.gateway.registry.sessions() {
        let abort = proto::TcpDisconnectRequest { abort: true, ..disconnect(session.core().id.as_str()) };
        sockets.tcp_disconnect(abort).await.expect("disconnects");
    }
    let unlisten = proto::TcpUnlistenRequest { listener_id: listening.listener_id, ..Default::default() };
    sockets.tcp_unlisten(unlisten).await.expect("closes");
    gateway.released().await;
}

#[tokio::test]
async fn a_session_is_shown_with_all_there_is_to_know_of_it() {
    let gateway = TestGateway::start().await;
    let (peer, mut taken) = Peer::handing_over().await;
    let (mut sockets, mut sessions) = (gateway.sockets().await, gateway.sessions().await);
    let request = proto::TcpConnectRequest {
        subscriber: "opener".into(),
        wait_for: "never$".into(),
        timeout: seconds(60.0),
        orphan_timeout: seconds(90.0),
        ..connect_lines(peer.addr)
    };
    sockets.tcp_connect(named("s", request)).await.expect("connects");
    let mut far = within(taken.recv()).await.expect("the connection");
    far.write_all(b"one\ntwo\n").await.expect("sends");
    let claiming = proto::TcpSendRequest { subscriber: "taker".into(), ..send("s", "hello") };
    sockets.tcp_send(claiming).await.expect("sends");
    eventually("it was read", || {
        let mut sessions = sessions.clone();
        async move { look(&mut sessions, "s").await.bytes_received == 8 }
    })
    .await;
    let shown = look(&mut sessions, "s").await;
    let ends = (far.local_addr().expect("an address"), far.peer_addr().expect("an address"));
    let expected = Session {
        session_id: "s".into(),
        kind: SessionKind::TcpOutbound.into(),
        state: SessionState::Connected.into(),
        mode: TcpMode::Line.into(),
        remote_host: ends.0.ip().to_string(),
        remote_port: ends.0.port().into(),
        local_host: ends.1.ip().to_string(),
        local_port: ends.1.port().into(),
        lifecycle_subscriber: "opener".into(),
        data_subscriber: "taker".into(),
        claim_generation: 1,
        wait_for: "never$".into(),
        timeout: seconds(60.0),
        orphan_timeout: seconds(90.0),
        bytes_received: 8,
        bytes_sent: 5,
        created_time: shown.created_time,
        last_activity_time: shown.last_activity_time,
        owner: "local".into(),
        ..Session::default()
    };
    assert_eq!(shown, expected);
    assert!(shown.created_time.is_some() && shown.last_activity_time.is_some());

    let gone = sessions
        .get_session(proto::GetSessionRequest { session_id: "x".into(), ..Default::default() })
        .await
        .expect_err("none");
    assert_eq!(reason(&gone).0, "SESSION_NOT_FOUND");
    let stream = gateway.subscribe("taker").await;
    let taker = look_at_subscriber(&mut sessions, "taker").await.expect("exists");
    assert_eq!((taker.streams, taker.epoch, taker.acknowledged), (1, stream.start.epoch.clone(), false));
    drop((far, stream));
    gateway.released().await;
}

#[tokio::test]
async fn a_call_for_a_subscriber_that_cannot_be_makes_none() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    let far_too_long = proto::TcpConnectRequest { subscriber: "x".repeat(1000), ..Default::default() };
    let refused = sockets.tcp_connect(far_too_long).await.expect_err("no such name");
    assert!(bad_fields(&refused).contains(&"subscriber".to_owned()));
    assert!(gateway.gateway.subscribers.is_empty());
    gateway.released().await;
}
