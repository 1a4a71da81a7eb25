//! Listeners, claims, and what lives in the gateway.

use std::time::Duration;

use socket_gateway_client::{
    CloseReason, Error, Event, SendOptions, TcpOptions, Terminator, UdpOptions,
    proto::{self, answer, attach_request::Command, watch_response::Subject},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::mpsc,
};
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    Scenario, World, eventually, scenarios,
    sessions::{dial, end, line, local_port, until},
    subscriber, within,
};

pub(crate) const SCENARIOS: &[Scenario] = scenarios! {
    "C30-listen" => listen,
    "C31-unlisten-with-sessions" => unlisten_with_sessions,
    "C32-claims" => claims,
    "C33-claim-data" => claim_data,
    "C34-send-without-claim" => send_without_claim,
    "C41-inactivity-closes" => inactivity_closes,
    "C90-lists" => lists,
    "C91-watch" => watch,
    "C92-plain-subscribe" => plain_subscribe,
    "C93-attach-commands" => attach_commands,
    "C94-close" => close,
};

async fn listen(world: World) {
    let gateway = world.gateway().await;
    let listener = within(gateway.listen("127.0.0.1", 0, TcpOptions::lines())).await.expect("listens");
    assert!(listener.id().starts_with("lstn-"));
    let address = listener.local_addr();
    let visitors: Vec<_> = (1..=3)
        .map(|number| {
            tokio::spawn(async move {
                let mut visitor = TcpStream::connect(address).await.expect("connects");
                visitor.write_all(format!("visitor {number}\n").as_bytes()).await.expect("writes");
                let local = visitor.local_addr().expect("connected");
                let mut answer = String::new();
                BufReader::new(visitor).read_line(&mut answer).await.expect("reads");
                assert_eq!(answer, format!("hello {number}\r\n"));
                local
            })
        })
        .collect();
    let mut sessions = Vec::new();
    for _ in 1..=3 {
        let session = within(listener.accept()).await.expect("accepts").with_terminator(Terminator::Crlf);
        let said = line(&session).await;
        let number = said.strip_prefix("visitor ").expect("says who it is");
        within(session.send(format!("hello {number}"))).await.expect("sends");
        sessions.push(session);
    }
    for visitor in visitors {
        let local = within(visitor).await.expect("reads its own answer");
        assert!(sessions.iter().any(|session| session.ends().expect("connected").peer == local));
    }
    for session in &sessions {
        assert_eq!(within(session.closed()).await.expect("ends").reason, CloseReason::PeerClosed);
    }
    within(listener.close(false)).await.expect("closes");
    TcpStream::connect(address).await.expect_err("nobody listens");
}

async fn unlisten_with_sessions(world: World) {
    let gateway = world.gateway().await;
    let listener = within(gateway.listen("127.0.0.1", 0, TcpOptions::binary())).await.expect("listens");
    let visitors = [
        TcpStream::connect(listener.local_addr()).await.expect("connects"),
        TcpStream::connect(listener.local_addr()).await.expect("connects"),
    ];
    let sessions =
        [within(listener.accept()).await.expect("accepts"), within(listener.accept()).await.expect("accepts")];
    assert_eq!(within(listener.close(true)).await.expect("closes"), 2);
    drop(visitors);
    for session in &sessions {
        assert_eq!(within(session.closed()).await.expect("ends").reason, CloseReason::ByRequest);
    }
}

async fn claims(world: World) {
    let (a, b) = (world.gateway().await, world.gateway().await);
    let of_a = dial(&a, world.port("answers"), TcpOptions::lines()).await.with_terminator(Terminator::Lf);
    let of_b = within(b.session(of_a.id())).await.expect("is found").with_terminator(Terminator::Lf);
    for (session, said) in [(&of_a, "one"), (&of_b, "two"), (&of_a, "three")] {
        within(session.send(said)).await.expect("sends");
        assert_eq!(line(session).await, format!("re: {said}"));
    }
    let shown = crate::shown(&a, of_a.id()).await.expect("lives");
    assert_eq!((shown.lifecycle_subscriber.as_str(), shown.data_subscriber.as_str()), (a.subscriber(), a.subscriber()));
    assert!(shown.claim_generation >= 2);
    assert_eq!(end(&of_a).await.reason, CloseReason::ByRequest);
}

async fn claim_data(world: World) {
    let (a, b) = (world.gateway().await, world.gateway().await);
    let of_a = dial(&a, world.port("answers"), TcpOptions::lines()).await;
    let of_b = within(b.session(of_a.id())).await.expect("is found");
    assert_eq!(within(of_b.claim()).await.expect("claims"), a.subscriber());
    world.far.say(local_port(&of_a), "news\r\n").await;
    assert_eq!(line(&of_b).await, "news");
    end(&of_a).await;
}

async fn send_without_claim(world: World) {
    let (a, b) = (world.gateway().await, world.gateway().await);
    let of_a = dial(&a, world.port("answers"), TcpOptions::lines()).await;
    let of_b = within(b.session(of_a.id())).await.expect("is found").with_terminator(Terminator::Lf);
    within(of_b.send_with("x", SendOptions::default().leave_claim())).await.expect("sends");
    assert_eq!(line(&of_a).await, "re: x");
    end(&of_a).await;
}

async fn inactivity_closes(world: World) {
    let gateway = world.gateway().await;
    let quick = Duration::from_millis(300);
    let options = TcpOptions::binary().timeout(quick);
    let listener = within(gateway.listen("127.0.0.1", 0, options.clone())).await.expect("listens");
    let visitor = TcpStream::connect(listener.local_addr()).await.expect("connects");
    let accepted = within(listener.accept()).await.expect("accepts");
    let dialled = dial(&gateway, world.port("silent"), options.close_on_timeout(true)).await;
    for session in [accepted, dialled] {
        until(&session, |event| matches!(event, Event::Timeout(_))).await;
        assert_eq!(within(session.closed()).await.expect("ends").reason, CloseReason::Timeout);
    }
    drop(visitor);
    within(listener.close(false)).await.expect("closes");
}

async fn lists(world: World) {
    let gateway = world.gateway().await;
    let listener = within(gateway.listen("127.0.0.1", 0, TcpOptions::lines())).await.expect("listens");
    let session = dial(&gateway, world.port("silent"), TcpOptions::binary()).await;
    let socket = within(gateway.udp_in(0, UdpOptions::default().host("127.0.0.1"))).await.expect("binds");
    let mut seen = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = proto::ListSessionsRequest {
            page_size: 1,
            page_token,
            subscriber: gateway.subscriber().into(),
            ..Default::default()
        };
        let page = gateway.sessions().list_sessions(request).await.expect("lists").into_inner();
        assert_eq!((page.sessions.len(), page.total_size), (1, 2));
        seen.extend(page.sessions.into_iter().map(|shown| (shown.session_id.clone(), shown.kind(), shown.state())));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let expected = [
        (session.id().to_owned(), proto::SessionKind::TcpOutbound, proto::SessionState::Connected),
        (socket.id().to_owned(), proto::SessionKind::Udp, proto::SessionState::Listening),
    ];
    assert!(expected.iter().all(|one| seen.contains(one)), "{seen:?}");
    let request = proto::ListListenersRequest { page_size: 1000, ..Default::default() };
    let listeners = gateway.sessions().list_listeners(request).await.expect("lists").into_inner().listeners;
    assert!(listeners.iter().any(|shown| shown.listener_id == listener.id()));
    let shown = subscriber(&gateway, gateway.subscriber()).await.expect("lives");
    assert!(shown.streams == 1 && shown.acknowledged, "{shown:?}");
    end(&session).await;
    within(socket.close()).await.expect("closes");
    within(listener.close(false)).await.expect("closes");
}

async fn watch(world: World) {
    let gateway = world.gateway().await;
    let a = dial(&gateway, world.port("silent"), TcpOptions::binary()).await;
    let mut changes = gateway.sessions().watch(proto::WatchRequest::default()).await.expect("watches").into_inner();
    let mut next = async || within(changes.message()).await.expect("goes on").expect("another change");
    assert_eq!(next().await.kind(), proto::ChangeKind::SnapshotBegin);
    let is = |change: &proto::WatchResponse, id: &str| matches!(&change.subject, Some(Subject::Session(session)) if session.session_id == id);
    let mut found = false;
    loop {
        let change = next().await;
        match change.kind() {
            proto::ChangeKind::SnapshotEnd => break,
            proto::ChangeKind::Added => found |= is(&change, a.id()),
            other => panic!("{other:?} in a snapshot"),
        }
    }
    assert!(found);
    let b = dial(&gateway, world.port("silent"), TcpOptions::binary()).await;
    loop {
        let change = next().await;
        if is(&change, b.id()) {
            assert_eq!(change.kind(), proto::ChangeKind::Added);
            break;
        }
    }
    end(&b).await;
    loop {
        let change = next().await;
        if is(&change, b.id()) && change.kind() == proto::ChangeKind::Removed {
            break;
        }
    }
    end(&a).await;
}

async fn plain_subscribe(world: World) {
    let gateway = world.gateway().await;
    let (mut sockets, name) = (gateway.sockets(), format!("{}-plain", gateway.subscriber()));
    let request = proto::SubscribeRequest { subscriber: name.clone(), ..Default::default() };
    let mut stream = sockets.subscribe(request).await.expect("subscribes").into_inner();
    let connect = proto::TcpConnectRequest {
        host: "127.0.0.1".into(),
        port: world.port("answers").into(),
        subscriber: name,
        mode: proto::TcpMode::Line.into(),
        ..Default::default()
    };
    let session_id = sockets.tcp_connect(connect).await.expect("connects").into_inner().session_id;
    let send = proto::TcpSendRequest {
        session_id: session_id.clone(),
        payload: vec![proto::PayloadItem { item: Some(proto::payload_item::Item::Text("plain\n".into())) }],
        ..Default::default()
    };
    sockets.tcp_send(send).await.expect("sends");
    let mut envelopes = Vec::new();
    while envelopes.len() < 3 {
        envelopes.extend(within(stream.message()).await.expect("goes on").expect("more").envelopes);
    }
    let seen: Vec<_> = envelopes.iter().map(|envelope| (envelope.sequence, envelope.event())).collect();
    assert_eq!(seen, [(1, proto::Event::Connecting), (2, proto::Event::Connected), (3, proto::Event::Data)]);
    sockets
        .tcp_disconnect(proto::TcpDisconnectRequest { session_id, ..Default::default() })
        .await
        .expect("disconnects");
    loop {
        let message = within(stream.message()).await.expect("goes on").expect("more");
        if let Some(last) = message.envelopes.last()
            && last.event() == proto::Event::Disconnected
        {
            break;
        }
    }
}

async fn attach_commands(world: World) {
    let gateway = world.gateway().await;
    let name = format!("{}-attached", gateway.subscriber());
    let subscription = proto::SubscribeRequest { subscriber: name.clone(), ..Default::default() };
    let subscribe = proto::AttachSubscribe { subscription: Some(subscription), ..Default::default() };
    let (commands, up) = mpsc::channel(16);
    let give = async |correlation_id, command| {
        commands.send(proto::AttachRequest { correlation_id, command: Some(command) }).await.expect("goes up");
    };
    give(0, Command::Subscribe(subscribe)).await;
    let mut stream = gateway.sockets().attach(ReceiverStream::new(up)).await.expect("attaches").into_inner();
    let connect = proto::TcpConnectRequest {
        host: "127.0.0.1".into(),
        port: world.port("answers").into(),
        subscriber: name,
        ..Default::default()
    };
    let session_id = gateway.sockets().tcp_connect(connect).await.expect("connects").into_inner().session_id;
    let text = |text: &str| proto::PayloadItem { item: Some(proto::payload_item::Item::Text(text.into())) };
    let send = |session_id: &str| proto::TcpSendRequest {
        session_id: session_id.into(),
        payload: vec![text("up\n")],
        ..Default::default()
    };
    let out = proto::UdpOutRequest {
        host: "127.0.0.1".into(),
        port: world.port("udp_echo").into(),
        payload: Some(text("datagram")),
        ..Default::default()
    };
    give(1, Command::TcpSend(send(&session_id))).await;
    give(2, Command::UdpOut(out)).await;
    give(3, Command::TcpSend(send("nobody"))).await;
    give(4, Command::TcpDisconnect(proto::TcpDisconnectRequest { session_id, ..Default::default() })).await;
    let mut answers = std::collections::BTreeMap::new();
    while answers.len() < 4 {
        let message = within(stream.message()).await.expect("goes on").expect("more");
        answers.extend(message.answers.into_iter().map(|answer| (answer.correlation_id, answer.result)));
    }
    assert!(matches!(answers[&1], Some(answer::Result::TcpSend(_))));
    assert!(matches!(answers[&2], Some(answer::Result::UdpOut(_))));
    assert!(matches!(&answers[&3], Some(answer::Result::Error(error)) if error.error_code == "SESSION_NOT_FOUND"));
    assert!(matches!(answers[&4], Some(answer::Result::TcpDisconnect(_))));
}

async fn close(world: World) {
    let (gateway, other) = (world.gateway().await, world.gateway().await);
    let session = dial(&gateway, world.port("silent"), TcpOptions::binary()).await;
    gateway.close();
    eventually("no stream is attached", || async {
        subscriber(&other, gateway.subscriber()).await.is_none_or(|shown| shown.streams == 0)
    })
    .await;
    let failed = within(session.next()).await.expect_err("the gateway object is closed");
    assert!(matches!(failed, Error::GatewayClosed), "{failed}");
    let request = proto::TcpDisconnectRequest { session_id: session.id().into(), ..Default::default() };
    other.sockets().tcp_disconnect(request).await.expect("disconnects");
}
