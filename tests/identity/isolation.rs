//! The matrix: every method of the API, from the service descriptor, called by somebody with a good token on what another has. Each
//! answer must be the one that something gets that does not exist, and nothing of the other's may have changed.

use std::{collections::BTreeSet, time::Duration};

use prost::Message;
use prost_types::FileDescriptorSet;
use socket_gateway::api::proto::{
    self, Answer, AttachRequest, ChangeKind, DESCRIPTORS, answer, attach_request::Command, watch_response::Subject,
};
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::Status;
use tonic_types::StatusExt;

use crate::{
    roles::udp_in,
    support::{connect_to, disconnect, listen_for, peers::Peer, reason, send, text, within},
    world::{ALICE, Client, Envelopes, MALLORY, OPERATOR, World},
};

/// What Alice has.
struct Alices {
    world: World,
    client: Client,
    tcp: String,
    udp: String,
    listener: String,
    subscriber: &'static str,
    /// The far end of her connection.
    far: TcpStream,
    stream: Envelopes,
    start: proto::StreamStart,
}

/// An id that nobody has.
const NOBODYS: &str = "nobodys";

impl Alices {
    async fn set_up() -> Self {
        let world = World::of_tokens();
        let mut client = world.client(ALICE).await;
        let subscriber = "shared-name";
        let (peer, mut far) = Peer::handing_over().await;
        let request = proto::TcpConnectRequest {
            subscriber: subscriber.into(),
            session_id: "shared-id".into(),
            request_id: "shared-request".into(),
            mode: proto::TcpMode::Line.into(),
            ..connect_to(peer.addr)
        };
        let tcp = within(client.sockets.tcp_connect(request)).await.expect("connects").into_inner().session_id;
        let far = within(far.recv()).await.expect("accepted");
        let request = proto::UdpInRequest { subscriber: subscriber.into(), ..udp_in("shared-udp") };
        let udp = within(client.sockets.udp_in(request)).await.expect("binds").into_inner().session_id;
        let request = proto::TcpListenRequest { request_id: "shared-request".into(), ..listen_for(subscriber) };
        let listener = within(client.sockets.tcp_listen(request)).await.expect("listens").into_inner().listener_id;
        let subscribe = proto::SubscribeRequest { subscriber: subscriber.into(), ..Default::default() };
        let mut stream = within(client.sockets.subscribe(subscribe)).await.expect("subscribes").into_inner();
        let start = within(stream.next()).await.expect("a start").expect("good").start.expect("a start");
        let mut stream = Envelopes(stream);
        let mut taken = 0;
        while taken < 4 {
            taken += stream.next().await.expect("connecting, connected, listening, listening").len();
        }
        drop(peer);
        Self { world, client, tcp, udp, listener, subscriber, far, stream, start }
    }

    /// Everything of Alice's that could change.
    async fn picture(&mut self) -> String {
        let sessions = self.client.looks().await.expect("lists");
        let request = proto::ListListenersRequest::default();
        let listeners = within(self.client.sessions.list_listeners(request)).await.expect("lists").into_inner();
        let request = proto::ListSubscribersRequest::default();
        let subscribers = within(self.client.sessions.list_subscribers(request)).await.expect("lists").into_inner();
        format!("{sessions:#?}{listeners:#?}{subscribers:#?}")
    }
}

/// What was tried, and what came of it, with the words that name the id taken out.
fn words(status: &Status, id: &str) -> String {
    let details = status.get_error_details();
    let info = details.error_info().map(|info| {
        let mut metadata: Vec<_> = info.metadata.iter().map(|(key, value)| format!("{key}={value}")).collect();
        metadata.sort();
        format!("{} {} {metadata:?}", info.reason, info.domain)
    });
    format!("{:?} {} {info:?} {:?}", status.code(), status.message(), details.bad_request()).replace(id, "<id>")
}

/// Of the answer to a call on what is another's, and to the same call on what does not exist.
#[track_caller]
fn assert_same(method: &str, anothers: Result<(), Status>, nobodys: Result<(), Status>, id: &str) -> Status {
    let anothers = anothers.expect_err(method);
    let nobodys = nobodys.expect_err(method);
    assert_eq!(words(&anothers, id), words(&nobodys, NOBODYS), "{method}");
    let code = reason(&anothers).0;
    assert!(code.ends_with("_NOT_FOUND"), "{method}: {code}");
    anothers
}

/// Calls twice: on what is Alice's, and on what does not exist.
macro_rules! twice {
    ($method:expr, $id:expr, |$target:ident| $call:expr) => {{
        let $target: String = $id.clone();
        let anothers = within($call).await.map(drop);
        let $target: String = NOBODYS.to_owned();
        let nobodys = within($call).await.map(drop);
        assert_same($method, anothers, nobodys, &$id);
    }};
}

async fn try_method(alices: &mut Alices, mallory: &mut Client, method: &str) {
    let (tcp, udp, listener) = (alices.tcp.clone(), alices.udp.clone(), alices.listener.clone());
    let subscriber = alices.subscriber;
    let mut sockets = mallory.sockets.clone();
    let mut sessions = mallory.sessions.clone();
    match method {
        "TcpSend" => {
            for id in [&tcp, &udp] {
                twice!(method, id, |target| sockets.tcp_send(send(&target, "stolen")));
                twice!(method, id, |target| sockets.tcp_send(proto::TcpSendRequest {
                    subscriber: subscriber.into(),
                    wait_for: Some(".*".into()),
                    emit_sent: true,
                    expected_write_offset: Some(0),
                    ..send(&target, "stolen")
                }));
            }
        }
        "TcpExchange" => {
            for id in [&tcp, &udp] {
                twice!(method, id, |target| sockets.tcp_exchange(proto::TcpExchangeRequest {
                    session_id: target,
                    payload: vec![text("stolen")],
                    on_unanswered: proto::UnansweredAction::Abort.into(),
                    subscriber: subscriber.into(),
                    ..Default::default()
                }));
            }
        }
        "TcpDisconnect" => {
            for (id, abort) in [(&tcp, false), (&tcp, true), (&udp, false)] {
                twice!(method, id, |target| sockets
                    .tcp_disconnect(proto::TcpDisconnectRequest { abort, ..disconnect(&target) }));
                denied(
                    sockets
                        .tcp_disconnect(proto::TcpDisconnectRequest {
                            abort,
                            namespace: "alice".into(),
                            ..disconnect(id)
                        })
                        .await,
                );
            }
        }
        "TcpUnlisten" => {
            twice!(method, &listener, |target| sockets.tcp_unlisten(proto::TcpUnlistenRequest {
                listener_id: target,
                close_sessions: true,
                ..Default::default()
            }));
            let named =
                proto::TcpUnlistenRequest { listener_id: listener, namespace: "alice".into(), ..Default::default() };
            denied(sockets.tcp_unlisten(named).await);
        }
        "UdpOut" => {
            for id in [&udp, &tcp] {
                twice!(method, id, |target| sockets.udp_out(proto::UdpOutRequest {
                    host: "127.0.0.1".into(),
                    port: 9,
                    payload: Some(text("stolen")),
                    session_id: target,
                    subscriber: subscriber.into(),
                    ..Default::default()
                }));
            }
        }
        "GetSession" => {
            for id in [&tcp, &udp] {
                twice!(method, id, |target| sessions
                    .get_session(proto::GetSessionRequest { session_id: target, ..Default::default() }));
                let named = proto::GetSessionRequest { session_id: id.clone(), namespace: "alice".into() };
                denied(sessions.get_session(named).await);
            }
        }
        "ClaimData" => {
            for id in [&tcp, &udp] {
                twice!(method, id, |target| sessions.claim_data(proto::ClaimDataRequest {
                    session_id: target,
                    subscriber: subscriber.into(),
                    wait_for: Some(String::new()),
                }));
            }
        }
        // What opens takes the same names and makes things of its own.
        "TcpConnect" => {
            let echo = Peer::echo().await;
            let request = proto::TcpConnectRequest {
                subscriber: subscriber.into(),
                session_id: tcp.clone(),
                request_id: "shared-request".into(),
                ..connect_to(echo.addr)
            };
            let mine = within(sockets.tcp_connect(request)).await.expect("its own").into_inner();
            assert_eq!(mine.session_id, tcp);
            let port = u32::from(echo.addr.port());
            assert_eq!(mine.connected.expect("connected").remote_port, port, "it is another connection");
            within(sockets.tcp_disconnect(disconnect(&tcp))).await.expect("its own");
        }
        "TcpListen" => {
            let request = proto::TcpListenRequest { request_id: "shared-request".into(), ..listen_for(subscriber) };
            let mine = within(sockets.tcp_listen(request)).await.expect("its own").into_inner().listener_id;
            assert_ne!(mine, listener);
            let unlisten = proto::TcpUnlistenRequest { listener_id: mine, ..Default::default() };
            within(sockets.tcp_unlisten(unlisten)).await.expect("its own");
        }
        "UdpIn" => {
            let request = proto::UdpInRequest { subscriber: subscriber.into(), ..udp_in(&udp) };
            let mine = within(sockets.udp_in(request)).await.expect("its own").into_inner();
            assert_eq!(mine.session_id, udp);
            within(sockets.tcp_disconnect(disconnect(&udp))).await.expect("its own");
        }
        "Subscribe" => try_subscribe(alices, &mut sockets).await,
        "Attach" => try_attach(alices, &mut sockets).await,
        "ListSessions" => {
            for request in [
                proto::ListSessionsRequest::default(),
                proto::ListSessionsRequest { subscriber: subscriber.into(), ..Default::default() },
                proto::ListSessionsRequest { listener_id: listener, ..Default::default() },
                proto::ListSessionsRequest { page_token: "alice".into(), ..Default::default() },
            ] {
                let seen = within(sessions.list_sessions(request)).await.expect("lists").into_inner();
                // What Mallory made a moment ago may still be on its way out.
                assert!(seen.sessions.iter().all(|one| one.namespace == "mallory"), "{seen:?}");
                assert_eq!(seen.sessions.len(), seen.total_size as usize);
            }
            denied(
                sessions
                    .list_sessions(proto::ListSessionsRequest { namespace: "alice".into(), ..Default::default() })
                    .await,
            );
        }
        "ListListeners" => {
            let seen = within(sessions.list_listeners(proto::ListListenersRequest::default())).await.expect("lists");
            assert!(seen.into_inner().listeners.iter().all(|one| one.namespace == "mallory"));
            let named = proto::ListListenersRequest { namespace: "alice".into(), ..Default::default() };
            denied(sessions.list_listeners(named).await);
        }
        "ListSubscribers" => {
            let seen =
                within(sessions.list_subscribers(proto::ListSubscribersRequest::default())).await.expect("lists");
            assert!(seen.into_inner().subscribers.iter().all(|one| one.namespace == "mallory"));
            let named = proto::ListSubscribersRequest { namespace: "alice".into(), ..Default::default() };
            denied(sessions.list_subscribers(named).await);
        }
        "Watch" => try_watch(alices, &mut sessions).await,
        "Tap" => try_tap(alices, &mut sessions).await,
        _ => panic!("{method} has no test of what it does to another's: add one here"),
    }
}

#[track_caller]
fn denied<T: std::fmt::Debug>(answer: Result<T, Status>) {
    assert_eq!(reason(&answer.expect_err("another's namespace")).0, "ROLE_DENIED");
}

type Sockets = proto::socket_gateway_service_client::SocketGatewayServiceClient<
    tonic::service::interceptor::InterceptedService<tonic::transport::Channel, crate::world::Authorization>,
>;
type Sessions = proto::session_service_client::SessionServiceClient<
    tonic::service::interceptor::InterceptedService<tonic::transport::Channel, crate::world::Authorization>,
>;

async fn try_subscribe(alices: &mut Alices, sockets: &mut Sockets) {
    let subscribe = |session_ids: Vec<String>, resume| proto::SubscribeRequest {
        subscriber: alices.subscriber.into(),
        session_ids,
        resume,
        ..Default::default()
    };
    let of_alice = vec![alices.tcp.clone(), alices.udp.clone(), alices.listener.clone()];
    for ids in [Vec::new(), of_alice.clone()] {
        let mut stream = within(sockets.subscribe(subscribe(ids, None))).await.expect("its own").into_inner();
        let start = within(stream.next()).await.expect("a start").expect("good").start.expect("a start");
        assert_ne!(start.epoch, alices.start.epoch, "it is another subscriber");
        // What Mallory did before may be there; nothing of Alice's is.
        while let Ok(Some(Ok(message))) = tokio::time::timeout(Duration::from_millis(100), stream.next()).await {
            assert!(message.envelopes.iter().all(|one| one.listener_id != alices.listener), "{message:?}");
        }
    }
    // Her epoch is worth no more than one that never was.
    let resume = |epoch: &str| {
        let instance_id = alices.start.instance_id.clone();
        Some(proto::Resume { instance_id, epoch: epoch.into(), after_sequence: 0 })
    };
    let mut told = Vec::new();
    for epoch in [alices.start.epoch.as_str(), NOBODYS] {
        let refused =
            within(sockets.subscribe(subscribe(Vec::new(), resume(epoch)))).await.map(drop).expect_err("refused");
        told.push(words(&refused, epoch));
    }
    assert_eq!(told[0], told[1]);
}

async fn try_attach(alices: &mut Alices, sockets: &mut Sockets) {
    let (commands, up) = tokio::sync::mpsc::channel(16);
    let subscription = Some(proto::SubscribeRequest { subscriber: alices.subscriber.into(), ..Default::default() });
    let delivery_mode = proto::DeliveryMode::Acknowledged.into();
    let tell = |correlation_id, command| AttachRequest { correlation_id, command: Some(command) };
    let subscribe = Command::Subscribe(proto::AttachSubscribe { subscription, delivery_mode });
    commands.send(tell(0, subscribe)).await.expect("open");
    let mut down = within(sockets.attach(ReceiverStream::new(up))).await.expect("attaches").into_inner();
    let (tcp, udp) = (alices.tcp.clone(), alices.udp.clone());
    let pairs = [(tcp.as_str(), 1), (NOBODYS, 2)];
    for (id, at) in pairs {
        let out = proto::UdpOutRequest {
            host: "127.0.0.1".into(),
            port: 9,
            payload: Some(text("stolen")),
            session_id: if id == NOBODYS { NOBODYS.into() } else { udp.clone() },
            ..Default::default()
        };
        let all = [
            Command::TcpSend(send(id, "stolen")),
            Command::TcpDisconnect(proto::TcpDisconnectRequest { abort: true, ..disconnect(id) }),
            Command::UdpOut(out),
        ];
        for (kind, command) in (0..).zip(all) {
            commands.send(tell(10 * kind + at, command)).await.expect("open");
        }
        let sessions = vec![proto::SessionAck { session_id: id.into(), sequence: u64::MAX }];
        commands.send(tell(0, Command::Ack(proto::Ack { sequence: 0, sessions }))).await.expect("open");
    }
    let named = proto::TcpDisconnectRequest { namespace: "alice".into(), ..disconnect(&tcp) };
    commands.send(tell(99, Command::TcpDisconnect(named))).await.expect("open");
    let mut answers: Vec<Answer> = Vec::new();
    while answers.len() < 7 {
        answers.extend(within(down.next()).await.expect("goes on").expect("good").answers);
    }
    let words_of = |correlation: u64| {
        let answer = answers.iter().find(|answer| answer.correlation_id == correlation).expect("answered");
        let Some(answer::Result::Error(error)) = &answer.result else { panic!("{answer:?}") };
        (
            error.error_code.clone(),
            format!("{error:?}").replace(&tcp, "<id>").replace(&udp, "<id>").replace(NOBODYS, "<id>"),
        )
    };
    for kind in [0, 10, 20] {
        assert_eq!(words_of(kind + 1), words_of(kind + 2));
        assert_eq!(words_of(kind + 1).0, "SESSION_NOT_FOUND");
    }
    assert_eq!(words_of(99).0, "ROLE_DENIED");
}

/// For operators alone: a user is told the same of everything. An operator finds what is in the namespace that it names, or else in
/// its own.
async fn try_tap(alices: &Alices, sessions: &mut Sessions) {
    let tap = |session_id: &str, namespace: &str| proto::TapRequest {
        session_id: session_id.into(),
        namespace: namespace.into(),
        ..Default::default()
    };
    let mut operator = alices.world.client(OPERATOR).await.sessions;
    for id in [&alices.tcp, &alices.udp] {
        let mut told = BTreeSet::new();
        for (target, namespace) in
            [(id.as_str(), ""), (NOBODYS, ""), (id, "alice"), (NOBODYS, "alice"), (id, "nowhere")]
        {
            let refused = within(sessions.tap(tap(target, namespace))).await.map(drop).expect_err("is refused");
            assert_eq!(reason(&refused).0, "ROLE_DENIED");
            told.insert(words(&refused, target));
        }
        assert_eq!(told.len(), 1, "{told:?}");
        twice!("Tap", id, |target| operator.tap(tap(&target, "")));
        twice!("Tap", id, |target| operator.tap(tap(&target, "mallory")));
    }
}

async fn try_watch(alices: &mut Alices, sessions: &mut Sessions) {
    let mut watch = within(sessions.watch(proto::WatchRequest::default())).await.expect("watches").into_inner();
    // Alice does things meanwhile.
    let request = udp_in("passing");
    within(alices.client.sockets.udp_in(request)).await.expect("binds");
    within(alices.client.sockets.tcp_disconnect(disconnect("passing"))).await.expect("closes");
    let mut ended = false;
    while let Ok(Some(Ok(change))) = tokio::time::timeout(Duration::from_millis(200), watch.next()).await {
        ended |= change.kind() == ChangeKind::SnapshotEnd;
        let namespace = match change.subject {
            None => continue,
            Some(Subject::Session(one)) => one.namespace,
            Some(Subject::Listener(one)) => one.namespace,
            Some(Subject::Subscriber(one)) => one.namespace,
        };
        assert_eq!(namespace, "mallory");
    }
    assert!(ended, "the snapshot came");
    denied(within(sessions.watch(proto::WatchRequest { namespace: "alice".into(), ..Default::default() })).await);
    // Until her own last envelope is out, so that the picture is as before.
    while !alices.stream_default_is_quiet().await {}
}

impl Alices {
    /// Her passing session is gone.
    async fn stream_default_is_quiet(&mut self) -> bool {
        let sessions = self.client.looks().await.expect("lists");
        tokio::time::sleep(Duration::from_millis(5)).await;
        !sessions.iter().any(|one| one.session_id == "passing")
    }
}

fn methods() -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(DESCRIPTORS).expect("compiled in");
    let files = set.file.iter().filter(|file| file.package() == "tcpip.v1");
    let services = files.flat_map(|file| &file.service);
    services.flat_map(|service| &service.method).map(|method| method.name().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_method_reaches_what_is_anothers_or_tells_that_it_is_there() {
    let mut alices = Alices::set_up().await;
    let mut mallory = alices.world.client(MALLORY).await;
    let methods = methods();
    assert!(methods.len() >= 16, "the descriptor lists {methods:?}");
    for method in methods {
        // Her default subscriber comes with the session that passes while Mallory watches.
        let before = alices.picture().await;
        try_method(&mut alices, &mut mallory, &method).await;
        let after = alices.picture().await;
        if method != "Watch" {
            assert_eq!(after, before, "{method} changed something of Alice's");
        }
        assert!(alices.stream.is_quiet().await, "{method} put something on Alice's stream");
    }
    let mut stolen = [0; 16];
    let read = tokio::time::timeout(Duration::from_millis(100), alices.far.read(&mut stolen)).await;
    assert!(read.is_err(), "Alice's peer was sent {stolen:?}");
    // It all still works for her.
    within(alices.client.sockets.tcp_send(send(&alices.tcp, "mine"))).await.expect("sends");
    within(alices.far.read_exact(&mut stolen[..4])).await.expect("comes");
    assert_eq!(&stolen[..4], b"mine");
}

#[tokio::test]
async fn two_namespaces_use_the_same_names_without_noticing_each_other() {
    let (world, echo) = (World::of_tokens(), Peer::echo().await);
    let (mut alice, mut mallory) = (world.client(ALICE).await, world.client(MALLORY).await);
    let mut streams = Vec::new();
    for client in [&mut alice, &mut mallory] {
        let mut stream = client.subscribe("s").await.expect("subscribes");
        let request = proto::TcpConnectRequest {
            session_id: "x".into(),
            subscriber: "s".into(),
            request_id: "r".into(),
            ..connect_to(echo.addr)
        };
        within(client.sockets.tcp_connect(request)).await.expect("connects");
        let mut seen = 0;
        while seen < 2 {
            seen += stream.next().await.expect("connecting, connected").len();
        }
        streams.push(stream);
    }
    within(alice.sockets.tcp_send(send("x", "of alice"))).await.expect("sends");
    let data = streams[0].next().await.expect("the echo");
    assert_eq!(data[0].session_id, "x");
    assert!(streams[1].is_quiet().await);
    within(alice.sockets.tcp_disconnect(disconnect("x"))).await.expect("closes");
    let seen = || async { world.gateway.registry.sessions().len() };
    crate::support::eventually("one is left", || async { seen().await == 1 }).await;
    within(mallory.sockets.tcp_send(send("x", "of mallory"))).await.expect("lives on");
}
