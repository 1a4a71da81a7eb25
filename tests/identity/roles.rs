use std::collections::HashSet;

use socket_gateway::api::proto::{self, ChangeKind, watch_response::Subject};
use tokio_stream::StreamExt;
use tonic::Code;

use crate::{
    support::{connect_to, disconnect, eventually, listen_for, peers::Peer, reason, send, within},
    world::{ALICE, AUDITOR, MALLORY, OBSERVER, OPERATOR, World},
};

/// A request for a UDP socket on a free port of this host.
pub fn udp_in(session_id: &str) -> proto::UdpInRequest {
    proto::UdpInRequest { host: "127.0.0.1".into(), session_id: session_id.into(), ..Default::default() }
}

#[tokio::test]
async fn an_observer_looks_and_neither_changes_nor_receives_anything() {
    let (world, echo) = (World::of_tokens(), Peer::echo().await);
    let mut alice = world.client(ALICE).await;
    let id = within(alice.sockets.tcp_connect(connect_to(echo.addr))).await.expect("connects").into_inner().session_id;
    for token in [OBSERVER, AUDITOR] {
        let mut observer = world.client(token).await;
        let mut sockets = observer.sockets.clone();
        let claim = proto::ClaimDataRequest { session_id: id.clone(), subscriber: "mine".into(), ..Default::default() };
        let unlisten = proto::TcpUnlistenRequest { listener_id: "lstn-1".into(), ..Default::default() };
        let exchange = proto::TcpExchangeRequest { session_id: id.clone(), ..Default::default() };
        let denied = [
            ("TcpConnect", sockets.tcp_connect(connect_to(echo.addr)).await.map(drop)),
            ("TcpListen", sockets.tcp_listen(listen_for("")).await.map(drop)),
            ("TcpSend", sockets.tcp_send(send(&id, "x")).await.map(drop)),
            ("TcpExchange", sockets.tcp_exchange(exchange).await.map(drop)),
            ("TcpDisconnect", sockets.tcp_disconnect(disconnect(&id)).await.map(drop)),
            ("TcpUnlisten", sockets.tcp_unlisten(unlisten).await.map(drop)),
            ("UdpIn", sockets.udp_in(udp_in("")).await.map(drop)),
            ("UdpOut", sockets.udp_out(proto::UdpOutRequest::default()).await.map(drop)),
            ("Subscribe", sockets.subscribe(proto::SubscribeRequest::default()).await.map(drop)),
            ("Attach", sockets.attach(tokio_stream::empty()).await.map(drop)),
            ("ClaimData", observer.sessions.claim_data(claim).await.map(drop)),
        ];
        for (method, answer) in denied {
            let status = answer.expect_err(method);
            assert_eq!(
                (status.code(), reason(&status).0.as_str()),
                (Code::PermissionDenied, "ROLE_DENIED"),
                "{method}"
            );
        }
        let seen = observer.looks().await.expect("looks");
        assert_eq!((seen.len(), seen[0].bytes_sent), (1, 0), "nothing was sent, opened or closed");
    }
    assert_eq!(world.gateway.subscribers.all().len(), 1, "no subscriber came into being");
}

#[tokio::test]
async fn an_observer_of_one_namespace_sees_no_other_and_one_of_all_sees_each() {
    let (world, echo) = (World::of_tokens(), Peer::echo().await);
    for token in [ALICE, MALLORY] {
        let request = proto::TcpConnectRequest { session_id: "same".into(), ..connect_to(echo.addr) };
        within(world.client(token).await.sockets.tcp_connect(request)).await.expect("connects");
    }
    let namespaces =
        |sessions: Vec<proto::Session>| -> Vec<String> { sessions.into_iter().map(|one| one.namespace).collect() };
    assert_eq!(namespaces(world.client(OBSERVER).await.looks().await.expect("looks")), ["alice"]);
    let mut auditor = world.client(AUDITOR).await;
    assert_eq!(namespaces(auditor.looks().await.expect("looks")), ["alice", "mallory"]);
    let get = |namespace: &str| proto::GetSessionRequest { session_id: "same".into(), namespace: namespace.into() };
    let got = auditor.sessions.get_session(get("mallory")).await.expect("there").into_inner().session.expect("shown");
    assert_eq!((got.namespace.as_str(), got.owner.as_str()), ("mallory", "mallory"));
    let other = world.client(OBSERVER).await.sessions.get_session(get("mallory")).await.expect_err("another's");
    assert_eq!(reason(&other).0, "ROLE_DENIED");
}

#[tokio::test]
async fn an_operator_sees_everything_with_its_namespace_and_ends_what_it_names() {
    let (world, echo) = (World::of_tokens(), Peer::echo().await);
    let mut ids = Vec::new();
    for token in [ALICE, MALLORY] {
        let mut client = world.client(token).await;
        let request = proto::TcpConnectRequest { session_id: "same".into(), ..connect_to(echo.addr) };
        within(client.sockets.tcp_connect(request)).await.expect("connects");
        ids.push(within(client.sockets.tcp_listen(listen_for("l"))).await.expect("listens").into_inner().listener_id);
    }
    let mut operator = world.client(OPERATOR).await;
    let mut watch =
        within(operator.sessions.watch(proto::WatchRequest::default())).await.expect("watches").into_inner();
    let mut seen = HashSet::new();
    loop {
        let change = within(watch.next()).await.expect("goes on").expect("a change");
        match (change.kind(), change.subject) {
            (ChangeKind::Added, Some(Subject::Session(one))) => seen.insert(("session", one.namespace)),
            (ChangeKind::Added, Some(Subject::Listener(one))) => seen.insert(("listener", one.namespace)),
            (ChangeKind::Added, Some(Subject::Subscriber(one))) => seen.insert(("subscriber", one.namespace)),
            (ChangeKind::SnapshotEnd, _) => break,
            _ => continue,
        };
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
    // A namespace that is not its own has to be named.
    let missed = operator.sockets.tcp_disconnect(disconnect("same")).await.expect_err("none of its own");
    assert_eq!(reason(&missed).0, "SESSION_NOT_FOUND");
    let request = proto::TcpDisconnectRequest { namespace: "mallory".into(), ..disconnect("same") };
    operator.sockets.tcp_disconnect(request).await.expect("ends it");
    let unlisten =
        proto::TcpUnlistenRequest { listener_id: ids[1].clone(), namespace: "mallory".into(), ..Default::default() };
    operator.sockets.tcp_unlisten(unlisten).await.expect("ends it");
    eventually("mallory's are gone, alice's live", || async {
        let sessions = world.gateway.registry.sessions();
        let listeners = world.gateway.registry.listeners();
        sessions.len() == 1
            && *sessions[0].core().owner.namespace == *"alice"
            && listeners.len() == 1
            && *listeners[0].owner.namespace == *"alice"
    })
    .await;
    let only = proto::ListSessionsRequest { namespace: "mallory".into(), ..Default::default() };
    assert_eq!(operator.sessions.list_sessions(only).await.expect("lists").into_inner().sessions, []);
}

#[tokio::test]
async fn pages_go_through_all_namespaces_and_miss_nothing() {
    let world = World::of_tokens();
    for token in [ALICE, MALLORY] {
        let mut client = world.client(token).await;
        for at in 0..5 {
            within(client.sockets.udp_in(udp_in(&format!("s{at}")))).await.expect("binds");
        }
    }
    let mut operator = world.client(OPERATOR).await;
    let (mut token, mut all) = (String::new(), Vec::new());
    loop {
        let request = proto::ListSessionsRequest { page_size: 3, page_token: token, ..Default::default() };
        let page = operator.sessions.list_sessions(request).await.expect("lists").into_inner();
        assert_eq!(page.total_size, 10);
        all.extend(page.sessions.into_iter().map(|one| (one.namespace, one.session_id)));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let distinct: HashSet<_> = all.iter().cloned().collect();
    assert_eq!((all.len(), distinct.len()), (10, 10));
    assert!(all.is_sorted());
}
