//! Sessions and bytes.

use serde_json::json;
use socket_gateway_client::{
    CloseReason, Data, Error, Event, Exchange, Line, Payload, Reason, SendOptions, Session, TcpOptions, Terminator,
    proto,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{Scenario, World, eventually, pattern, scenarios, shown, within};

pub(crate) const SCENARIOS: &[Scenario] = scenarios! {
    "C01-connect-echo" => connect_echo,
    "C02-forced-id" => forced_id,
    "C03-lines" => lines,
    "C04-not-utf8" => not_utf8,
    "C05-terminators" => terminators,
    "C06-items" => items,
    "C07-wait-for" => wait_for,
    "C08-flushed" => flushed,
    "C09-ten-megabytes" => ten_megabytes,
    "C10-big-download" => big_download,
    "C11-disconnect-writes-all" => disconnect_writes_all,
    "C12-abort" => abort,
    "C13-half-close" => half_close,
    "C14-peer-closed" => peer_closed,
    "C15-peer-reset" => peer_reset,
    "C16-five-hundred" => five_hundred,
    "C40-inactivity-keeps" => inactivity_keeps,
    "C42-connect-timeout" => connect_timeout,
    "C43-no-wait" => no_wait,
    "C44-orphaned" => orphaned,
    "C50-request-id" => request_id,
    "C51-write-offset" => write_offset,
};

pub(crate) async fn dial(gateway: &socket_gateway_client::Gateway, port: u16, options: TcpOptions) -> Session {
    within(gateway.connect("127.0.0.1", port, options)).await.expect("connects")
}

pub(crate) async fn line(session: &Session) -> String {
    within(session.next_line()).await.expect("reads").expect("a line").to_string()
}

pub(crate) async fn read(session: &Session, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        bytes.extend(within(session.next_chunk()).await.expect("reads").expect("more bytes"));
    }
    bytes
}

pub(crate) async fn rest(session: &Session) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(chunk) = within(session.next_chunk()).await.expect("reads") {
        bytes.extend(chunk);
    }
    bytes
}

/// Disconnects and waits for the end.
pub(crate) async fn end(session: &Session) -> socket_gateway_client::Closed {
    within(session.disconnect()).await.expect("disconnects");
    within(session.closed()).await.expect("ends")
}

pub(crate) async fn until(session: &Session, is: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = within(session.next_event()).await.expect("events").expect("another event");
        if is(&event) {
            return event;
        }
    }
}

pub(crate) fn local_port(session: &Session) -> u16 {
    session.ends().expect("connected").local.port()
}

async fn connect_echo(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("echo"), TcpOptions::binary()).await;
    let ends = session.ends().expect("connected");
    assert_eq!(ends.peer.port(), world.port("echo"));
    assert_ne!(ends.local.port(), 0);
    let all: Vec<u8> = (0..=255).collect();
    within(session.send(all.clone())).await.expect("sends");
    assert_eq!(read(&session, 256).await, all);
    let closed = end(&session).await;
    assert_eq!((closed.reason, closed.received, closed.sent), (CloseReason::ByRequest, 256, 256));
    assert!(shown(&gateway, session.id()).await.is_none());
}

async fn forced_id(world: World) {
    let gateway = world.gateway().await;
    let id = format!("forced-{}", gateway.subscriber());
    let first = dial(&gateway, world.port("silent"), TcpOptions::binary().session_id(&id)).await;
    assert_eq!(first.id(), id);
    let state = shown(&gateway, &id).await.expect("lives").state();
    assert_eq!(state, proto::SessionState::Connected);
    end(&first).await;
    let second = dial(&gateway, world.port("silent"), TcpOptions::binary().session_id(&id)).await;
    end(&second).await;
}

async fn lines(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("echo"), TcpOptions::lines()).await;
    for part in ["one\r", "\ntwo\nth", "ree\rfo", "ur\r\n", "\n"] {
        within(session.send(part.as_bytes())).await.expect("sends");
    }
    for expected in ["one", "two", "three", "four", ""] {
        assert_eq!(line(&session).await, expected);
    }
    within(session.send("end\n")).await.expect("sends");
    assert_eq!(line(&session).await, "end");
    end(&session).await;
}

async fn not_utf8(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("bbs"), TcpOptions::lines()).await.with_terminator(Terminator::Lf);
    within(session.exchange("anna", Exchange::until("password: "))).await.expect("asked for the password");
    within(session.exchange("secret", Exchange::until("menu> "))).await.expect("let in");
    within(session.send("latin")).await.expect("sends");
    loop {
        let line = within(session.next_line()).await.expect("reads").expect("a line");
        if line.as_bytes().ends_with(b"caf\xe9") {
            assert!(matches!(&line, Line::Bytes(_)), "{line:?}");
            let before = &line.as_bytes()[..line.as_bytes().len() - 4];
            assert!(before.is_empty() || before == b"menu> ", "{line:?}");
            break;
        }
    }
    end(&session).await;
}

async fn terminators(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("sink"), TcpOptions::binary()).await;
    for terminator in [Terminator::None, Terminator::Lf, Terminator::Crlf, Terminator::Cr] {
        let payload = Payload::none().and_text("a").and_bytes("b");
        within(session.send_with(payload, SendOptions::default().terminator(terminator))).await.expect("sends");
    }
    within(session.send_with("", SendOptions::default().terminator(Terminator::Lf))).await.expect("sends");
    let port = local_port(&session);
    end(&session).await;
    let far = world.far.wait(port).await;
    // "aba\nba\r\nba\rb\n" has 13 bytes; SHA-256 decides.
    let expected = b"aba\nba\r\nba\rb\n";
    assert_eq!(far["received"].as_u64(), Some(expected.len() as u64), "{far}");
    assert_eq!(far["sha256"], json!(crate::farend::hash(expected)), "{far}");
}

async fn items(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("sink"), TcpOptions::binary()).await;
    let payload = Payload::none().and_text("one").and_bytes("two").and_text("three");
    let sent =
        within(session.send_with(payload, SendOptions::default().terminator(Terminator::Lf))).await.expect("sends");
    assert_eq!((sent.items, sent.write_offset), (3, 13));
    assert!(!sent.message_id.is_empty());
    let sent = within(session.send(b"x")).await.expect("sends");
    assert_eq!((sent.items, sent.write_offset), (1, 14));
    end(&session).await;
}

async fn wait_for(world: World) {
    let gateway = world.gateway().await;
    let options = TcpOptions::wait_for("login: $");
    let session = dial(&gateway, world.port("bbs"), options).await.with_terminator(Terminator::Lf);
    let next = async || within(session.next_match()).await.expect("reads").expect("a match");
    let found = next().await;
    assert_eq!(found.lines, [Line::Text("Welcome to the far end".into())]);
    assert_eq!(found.matched, "login: ");
    let how = SendOptions::default().wait_for("^(?P<what>pass)word: ");
    within(session.send_with("anna", how)).await.expect("sends");
    let found = next().await;
    assert!(found.lines.is_empty(), "{found:?}");
    assert_eq!(found.matched, "password: ");
    assert_eq!((found.captures.len(), found.captures[0].name.as_str()), (1, "what"));
    assert_eq!(found.captures[0].value, Some(Line::Text("pass".into())));
    within(session.send_with("secret", SendOptions::default().wait_for("menu> "))).await.expect("sends");
    let found = next().await;
    assert_eq!(found.lines, [Line::Text(String::new()), Line::Text("Hello, anna".into())]);
    within(session.send("list")).await.expect("sends");
    let found = next().await;
    assert_eq!(found.lines, ["one", "two", "three"].map(|line| Line::Text(line.into())));
    assert_eq!(found.matched, "menu> ");
    within(session.send_with("quit", SendOptions::default().wait_for(""))).await.expect("sends");
    assert_eq!(line(&session).await, "Goodbye");
    assert_eq!(within(session.closed()).await.expect("ends").reason, CloseReason::PeerClosed);
}

async fn flushed(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("greeter"), TcpOptions::wait_for("never")).await;
    eventually("all of the greeting is there", || async {
        shown(&gateway, session.id()).await.is_some_and(|session| session.bytes_received == 25)
    })
    .await;
    within(session.disconnect()).await.expect("disconnects");
    let data = within(session.next()).await.expect("reads").expect("what was collected");
    let lines = ["hello 1", "hello 2", "ready> "].map(|line| Line::Text(line.into())).to_vec();
    assert_eq!(data, Data::Flushed { lines, last_unfinished: true });
    assert!(within(session.next()).await.expect("reads").is_none());
}

async fn ten_megabytes(world: World) {
    const SIZE: usize = 10_000_000;
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("echo"), TcpOptions::binary()).await;
    let (mut read, mut write) = tokio::io::split(session.into_stream());
    let writing = tokio::spawn(async move {
        write.write_all(&pattern(0, SIZE)).await.expect("writes");
        write.flush().await.expect("writes");
        write
    });
    let mut bytes = vec![0; SIZE];
    read.read_exact(&mut bytes).await.expect("reads");
    assert!(bytes == pattern(0, SIZE));
    let mut write = writing.await.expect("does not panic");
    write.shutdown().await.expect("ends");
    assert_eq!(within(read.read(&mut [0; 1])).await.expect("ends"), 0);
}

async fn big_download(world: World) {
    const SIZE: usize = 10_000_000;
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("source"), TcpOptions::binary()).await;
    within(session.send(format!("{SIZE}\n"))).await.expect("sends");
    assert!(rest(&session).await == pattern(0, SIZE));
    let closed = within(session.closed()).await.expect("ends");
    assert_eq!((closed.reason, closed.received), (CloseReason::PeerClosed, SIZE as u64));
}

async fn disconnect_writes_all(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("sink"), TcpOptions::binary()).await;
    let port = local_port(&session);
    within(session.send(pattern(0, 1_000_000))).await.expect("sends");
    let closed = end(&session).await;
    assert_eq!((closed.reason, closed.sent), (CloseReason::ByRequest, 1_000_000));
    let far = world.far.wait(port).await;
    assert_eq!((&far["received"], &far["outcome"]), (&json!(1_000_000), &json!("closed")));
    assert_eq!(far["sha256"], json!(crate::farend::hash(&pattern(0, 1_000_000))));
}

async fn abort(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("silent"), TcpOptions::binary()).await;
    let port = local_port(&session);
    within(session.abort()).await.expect("aborts");
    assert_eq!(within(session.closed()).await.expect("ends").reason, CloseReason::Abort);
    assert_eq!(world.far.wait(port).await["outcome"], json!("broken"));
}

async fn half_close(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("half_closer"), TcpOptions::lines().allow_half_open()).await;
    let port = local_port(&session);
    assert_eq!(line(&session).await, "half");
    until(&session, |event| matches!(event, Event::HalfClosed)).await;
    assert!(within(session.next_line()).await.expect("reads").is_none());
    assert_eq!(shown(&gateway, session.id()).await.expect("lives").state(), proto::SessionState::HalfClosed);
    within(session.send(b"after\n")).await.expect("sends");
    let closed = end(&session).await;
    assert_eq!(world.far.wait(port).await["received"], json!(6));
    assert_eq!(closed.reason, CloseReason::ByRequest);
}

async fn peer_closed(world: World) {
    let gateway = world.gateway().await;
    for (peer, said) in [("closer", "bye"), ("half_closer", "half")] {
        let session = dial(&gateway, world.port(peer), TcpOptions::lines()).await;
        assert_eq!(line(&session).await, said);
        assert!(within(session.next_line()).await.expect("reads").is_none());
        assert_eq!(within(session.closed()).await.expect("ends").reason, CloseReason::PeerClosed);
    }
}

async fn peer_reset(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("resetter"), TcpOptions::binary()).await;
    within(session.send("x")).await.expect("sends");
    let Event::Failed(failure) = until(&session, |event| matches!(event, Event::Failed(_))).await else {
        unreachable!()
    };
    assert_eq!(failure.reason, Reason::TransportError);
    assert_eq!(failure.metadata["errno"], "ECONNRESET");
    let broken = within(session.next_chunk()).await.expect_err("a broken stream is no end");
    assert!(matches!(&broken, Error::Closed(closed) if closed.reason == CloseReason::PeerReset), "{broken}");
    assert_eq!(within(session.closed()).await.expect("ends").reason, CloseReason::PeerReset);
}

async fn five_hundred(world: World) {
    let gateway = world.gateway().await;
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(50));
    let mut dialling = Vec::new();
    for number in 0..500 {
        let (gateway, places, port) = (gateway.clone(), places.clone(), world.port("echo"));
        dialling.push(tokio::spawn(async move {
            let _place = places.acquire().await.expect("open");
            let session = dial(&gateway, port, TcpOptions::lines()).await.with_terminator(Terminator::Lf);
            within(session.send(format!("session {number}"))).await.expect("sends");
            assert_eq!(line(&session).await, format!("session {number}"));
            session
        }));
    }
    let mut sessions = Vec::new();
    for session in dialling {
        sessions.push(session.await.expect("each gets its own line"));
    }
    for session in &sessions {
        within(session.disconnect()).await.expect("disconnects");
    }
    for session in &sessions {
        assert_eq!(within(session.closed()).await.expect("ends").reason, CloseReason::ByRequest);
    }
}

async fn inactivity_keeps(world: World) {
    let gateway = world.gateway().await;
    let options = TcpOptions::lines().timeout(std::time::Duration::from_millis(300));
    let session = dial(&gateway, world.port("answers"), options).await.with_terminator(Terminator::Lf);
    let Event::Timeout(failure) = until(&session, |event| matches!(event, Event::Timeout(_))).await else {
        unreachable!()
    };
    assert_eq!(failure.reason, Reason::Timeout);
    within(session.send("still here")).await.expect("sends");
    assert_eq!(line(&session).await, "re: still here");
    end(&session).await;
}

async fn connect_timeout(world: World) {
    let gateway = world.gateway().await;
    let options = TcpOptions::binary().connect_timeout(std::time::Duration::from_millis(300));
    let failed =
        within(gateway.connect("127.0.0.1", world.port("blackhole"), options)).await.expect_err("takes too long");
    let Error::Gateway(failure) = failed else { panic!("{failed}") };
    assert_eq!((failure.reason, failure.code), (Reason::ConnectFailed, tonic::Code::DeadlineExceeded));
    for key in ["sessionId", "host", "port"] {
        assert!(failure.metadata.contains_key(key), "{failure:?}");
    }
}

async fn no_wait(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("echo"), TcpOptions::lines().no_wait()).await;
    let next = async |session: &Session| within(session.next_event()).await.expect("events").expect("another event");
    assert!(matches!(next(&session).await, Event::Connecting));
    assert!(matches!(next(&session).await, Event::Connected(_)));
    within(session.send("hello\n")).await.expect("sends");
    assert_eq!(line(&session).await, "hello");
    end(&session).await;
    let refused = dial(&gateway, world.port("refused"), TcpOptions::lines().no_wait()).await;
    assert!(matches!(next(&refused).await, Event::Connecting));
    let Event::Failed(failure) = next(&refused).await else { panic!("no error") };
    assert_eq!((failure.reason, failure.metadata["errno"].as_str()), (Reason::ConnectFailed, "ECONNREFUSED"));
    let Event::Disconnected(closed) = next(&refused).await else { panic!("no end") };
    assert_eq!(closed.reason, CloseReason::Error);
    let error = within(refused.connected()).await.expect_err("was refused");
    assert_eq!(error.errno(), Some("ECONNREFUSED"));
}

async fn orphaned(world: World) {
    let gateway = world.gateway().await;
    let request = proto::TcpConnectRequest {
        host: "127.0.0.1".into(),
        port: world.port("silent").into(),
        subscriber: format!("{}-nobody", gateway.subscriber()),
        orphan_timeout: Some(prost_types::Duration { seconds: 0, nanos: 500_000_000 }),
        ..Default::default()
    };
    let answer = gateway.sockets().tcp_connect(request).await.expect("connects").into_inner();
    world.far.wait(answer.connected.expect("connected").local_port as u16).await;
    eventually("it is gone", || async { shown(&gateway, &answer.session_id).await.is_none() }).await;
}

async fn request_id(world: World) {
    let gateway = world.gateway().await;
    let (mut sockets, request_id) = (gateway.sockets(), format!("{}-request", gateway.subscriber()));
    let connect = proto::TcpConnectRequest {
        host: "127.0.0.1".into(),
        port: world.port("silent").into(),
        subscriber: gateway.subscriber().into(),
        request_id: format!("{request_id}-1"),
        ..Default::default()
    };
    let first = sockets.tcp_connect(connect.clone()).await.expect("connects").into_inner().session_id;
    let second = sockets.tcp_connect(connect).await.expect("connects").into_inner().session_id;
    assert_eq!(first, second);
    let listen = proto::TcpListenRequest {
        host: "127.0.0.1".into(),
        subscriber: gateway.subscriber().into(),
        request_id: format!("{request_id}-2"),
        ..Default::default()
    };
    let listener = sockets.tcp_listen(listen.clone()).await.expect("listens").into_inner().listener_id;
    assert_eq!(sockets.tcp_listen(listen).await.expect("listens").into_inner().listener_id, listener);
    let bind = proto::UdpInRequest {
        host: "127.0.0.1".into(),
        subscriber: gateway.subscriber().into(),
        request_id: format!("{request_id}-3"),
        ..Default::default()
    };
    let socket = sockets.udp_in(bind.clone()).await.expect("binds").into_inner().session_id;
    assert_eq!(sockets.udp_in(bind).await.expect("binds").into_inner().session_id, socket);
    for session_id in [first, socket] {
        let request = proto::TcpDisconnectRequest { session_id, ..Default::default() };
        sockets.tcp_disconnect(request).await.expect("disconnects");
    }
    let request = proto::TcpUnlistenRequest { listener_id: listener, ..Default::default() };
    sockets.tcp_unlisten(request).await.expect("closes");
}

async fn write_offset(world: World) {
    let gateway = world.gateway().await;
    let session = dial(&gateway, world.port("sink"), TcpOptions::binary()).await;
    let first = SendOptions::default().expected_write_offset(0);
    assert_eq!(within(session.send_with("abc", first.clone())).await.expect("sends").write_offset, 3);
    let refused = within(session.send_with("abc", first)).await.expect_err("was written already");
    let Error::Gateway(failure) = refused else { panic!("{refused}") };
    assert_eq!((failure.reason, failure.code), (Reason::WriteOffsetMismatch, tonic::Code::FailedPrecondition));
    assert_eq!(failure.metadata["writeOffset"], "3");
    let port = local_port(&session);
    end(&session).await;
    assert_eq!(world.far.wait(port).await["received"], json!(3));
}
