//! The data claim and its wait_for: who gets which line, and what happens to lines when the claim moves or the session ends.

use socket_gateway::api::proto::{
    ClaimDataRequest, CloseReason, Event, TcpConnectRequest, TcpListenRequest, TcpMode, TcpSendRequest, data::Payload,
    line::Content,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tonic::Code;

use crate::support::{
    Envelopes, Sockets, TestGateway,
    calls::{connected, ended, fails, listen_anywhere, listening, send_as, session},
    connect_lines, connect_to, disconnect, eventually,
    peers::Peer,
    send,
};

/// A session in line mode opened for the subscriber "one", whose peer the test holds.
async fn pair(gateway: &TestGateway, wait_for: &str) -> (Sockets, String, TcpStream) {
    let (peer, mut taken) = Peer::handing_over().await;
    let mut sockets = gateway.sockets().await;
    let (subscriber, wait_for) = ("one".into(), wait_for.into());
    let id = connected(&mut sockets, TcpConnectRequest { subscriber, wait_for, ..connect_lines(peer.addr) }).await;
    (sockets, id, taken.recv().await.expect("a connection"))
}

/// A stream of a subscriber's data alone.
async fn data_of(gateway: &TestGateway, subscriber: &str) -> Envelopes {
    gateway
        .subscribe_with(socket_gateway::api::proto::SubscribeRequest {
            subscriber: subscriber.into(),
            outputs: vec![socket_gateway::api::proto::Output::Data.into()],
            ..Default::default()
        })
        .await
}

async fn until_read(gateway: &TestGateway, id: &str, bytes: u64) {
    let sessions = gateway.sessions().await;
    eventually("it is read", || async { session(&mut sessions.clone(), id).await.bytes_received == bytes }).await;
}

fn claim(session_id: &str, subscriber: &str, wait_for: Option<&str>) -> ClaimDataRequest {
    let (session_id, subscriber) = (session_id.into(), subscriber.into());
    ClaimDataRequest { session_id, subscriber, wait_for: wait_for.map(Into::into) }
}

#[tokio::test]
async fn lines_are_split_at_every_kind_of_line_end() {
    let gateway = TestGateway::start().await;
    let (_sockets, _id, mut peer) = pair(&gateway, "").await;
    let mut one = data_of(&gateway, "one").await;
    peer.write_all(b"a\nb\r\nc\r\n\r\nd\re\n").await.expect("writes");
    for expected in ["a", "b", "c", "", "d", "e"] {
        assert_eq!(one.line().await, expected);
    }
}

#[tokio::test]
async fn a_match_comes_with_the_lines_before_it() {
    let gateway = TestGateway::start().await;
    let (_sockets, _id, mut peer) = pair(&gateway, "^END (\\w+)$").await;
    let mut one = data_of(&gateway, "one").await;
    peer.write_all(b"a\nb\nEND ok\nEND again\n").await.expect("writes");
    assert_eq!(one.matched().await, (vec!["a".to_owned(), "b".into()], "END ok".into()));
    assert_eq!(one.matched().await, (vec![], "END again".to_owned()));
}

#[tokio::test]
async fn a_prompt_without_a_line_end_matches() {
    let gateway = TestGateway::start().await;
    let (_sockets, _id, mut peer) = pair(&gateway, "login: $").await;
    let mut one = data_of(&gateway, "one").await;
    peer.write_all(b"welcome\nlog").await.expect("writes");
    peer.write_all(b"in: ").await.expect("writes");
    assert_eq!(one.matched().await, (vec!["welcome".to_owned()], "login: ".into()));
}

#[tokio::test]
async fn lines_collected_for_the_old_holder_are_flushed_to_it_when_the_claim_moves() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, mut peer) = pair(&gateway, "^never$").await;
    let (mut one, mut two) = (data_of(&gateway, "one").await, data_of(&gateway, "two").await);
    peer.write_all(b"old\nolder\nunfin").await.expect("writes");
    until_read(&gateway, &id, 15).await;
    let request = TcpSendRequest { wait_for: Some("^done$".into()), ..send_as("two", &id, "go\n") };
    sockets.tcp_send(request).await.expect("sends");
    assert_eq!(one.flushed().await, (vec!["old".to_owned(), "older".into()], false));
    peer.write_all(b"ished\ndone\n").await.expect("writes");
    assert_eq!(two.matched().await, (vec!["unfinished".to_owned()], "done".into()));
}

#[tokio::test]
async fn a_send_without_a_wait_for_inherits_it_and_an_empty_one_clears_it() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, mut peer) = pair(&gateway, "^!$").await;
    let mut sessions = gateway.sessions().await;
    let (mut two, mut three) = (data_of(&gateway, "two").await, data_of(&gateway, "three").await);
    sockets.tcp_send(send_as("two", &id, "x")).await.expect("sends");
    assert_eq!(session(&mut sessions, &id).await.wait_for, "^!$");
    peer.write_all(b"a\n!\n").await.expect("writes");
    assert_eq!(two.matched().await, (vec!["a".to_owned()], "!".into()));
    let request = TcpSendRequest { wait_for: Some(String::new()), ..send_as("three", &id, "x") };
    sockets.tcp_send(request).await.expect("sends");
    assert_eq!(session(&mut sessions, &id).await.wait_for, "");
    peer.write_all(b"b\n!\n").await.expect("writes");
    assert_eq!((three.line().await, three.line().await), ("b".to_owned(), "!".to_owned()));
}

#[tokio::test]
async fn clearing_the_pattern_flushes_what_it_had_collected() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, mut peer) = pair(&gateway, "^!$").await;
    let mut one = data_of(&gateway, "one").await;
    peer.write_all(b"a\nb\n").await.expect("writes");
    until_read(&gateway, &id, 4).await;
    let request = TcpSendRequest { wait_for: Some(String::new()), ..send_as("one", &id, "x") };
    sockets.tcp_send(request).await.expect("sends");
    peer.write_all(b"c\n").await.expect("writes");
    assert_eq!(one.flushed().await, (vec!["a".to_owned(), "b".into()], false));
    assert_eq!(one.line().await, "c");
}

#[tokio::test]
async fn claim_data_moves_the_claim_without_a_send() {
    let gateway = TestGateway::start().await;
    let (_sockets, id, mut peer) = pair(&gateway, "").await;
    let mut sessions = gateway.sessions().await;
    let (mut one, mut two) = (data_of(&gateway, "one").await, data_of(&gateway, "two").await);
    peer.write_all(b"first\nprompt> ").await.expect("writes");
    assert_eq!(one.line().await, "first");
    until_read(&gateway, &id, 14).await;
    let moved = sessions.claim_data(claim(&id, "two", Some("> $"))).await.expect("moves").into_inner();
    assert_eq!((moved.previous_subscriber.as_str(), moved.claim_generation), ("one", 1));
    assert_eq!(two.matched().await, (vec![], "prompt> ".to_owned()), "what is there already is looked at");
    let again = sessions.claim_data(claim(&id, "two", None)).await.expect("stays").into_inner();
    assert_eq!((again.previous_subscriber.as_str(), again.claim_generation), ("two", 1));
    let shown = session(&mut sessions, &id).await;
    assert_eq!((shown.lifecycle_subscriber.as_str(), shown.data_subscriber.as_str()), ("one", "two"));
    let missing = sessions.claim_data(claim("nobody", "two", None)).await;
    fails(missing, Code::NotFound, "SESSION_NOT_FOUND");
}

#[tokio::test]
async fn patterns_that_cannot_be_used_are_refused_and_change_nothing() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, mut peer) = pair(&gateway, "^!$").await;
    let mut sessions = gateway.sessions().await;
    let nested = "(".repeat(60) + &")".repeat(60);
    let long = "a".repeat(5000);
    for (pattern, limit) in [
        ("(", None),
        ("(?=look)", None),
        (r"(a)\1", None),
        (nested.as_str(), None),
        (long.as_str(), Some("pattern_bytes")),
        (r"\w{1000}", Some("pattern_compiled_bytes")),
    ] {
        let request = TcpSendRequest { wait_for: Some(pattern.into()), ..send_as("two", &id, "not sent") };
        let metadata = fails(sockets.tcp_send(request).await, Code::InvalidArgument, "WAIT_FOR_INVALID");
        assert_eq!(metadata.get("limit").map(String::as_str), limit, "{pattern:.20}");
        let moved = sessions.claim_data(claim(&id, "two", Some(pattern))).await;
        fails(moved, Code::InvalidArgument, "WAIT_FOR_INVALID");
        let dial = TcpConnectRequest { wait_for: pattern.into(), ..connect_lines(peer.local_addr().expect("one")) };
        fails(sockets.tcp_connect(dial).await, Code::InvalidArgument, "WAIT_FOR_INVALID");
        let listen = TcpListenRequest { wait_for: pattern.into(), mode: TcpMode::Line.into(), ..listen_anywhere() };
        fails(sockets.tcp_listen(listen).await, Code::InvalidArgument, "WAIT_FOR_INVALID");
    }
    let shown = session(&mut sessions, &id).await;
    assert_eq!((shown.data_subscriber.as_str(), shown.wait_for.as_str(), shown.bytes_sent), ("one", "^!$", 0));
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    peer.shutdown().await.expect("ends");
    drop(peer);
    gateway.released().await;
}

#[tokio::test]
async fn wait_for_needs_line_mode() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut sockets = gateway.sockets().await;
    let dial = TcpConnectRequest { wait_for: "x".into(), ..connect_to(echo.addr) };
    fails(sockets.tcp_connect(dial).await, Code::InvalidArgument, "WAIT_FOR_INVALID");
    let listen = TcpListenRequest { wait_for: "x".into(), ..listen_anywhere() };
    fails(sockets.tcp_listen(listen).await, Code::InvalidArgument, "WAIT_FOR_INVALID");
    gateway.released().await;
    let id = connected(&mut sockets, connect_to(echo.addr)).await;
    let request = TcpSendRequest { wait_for: Some("x".into()), ..send_as("two", &id, "y") };
    fails(sockets.tcp_send(request).await, Code::InvalidArgument, "WAIT_FOR_INVALID");
    let moved = gateway.sessions().await.claim_data(claim(&id, "two", Some("x"))).await;
    fails(moved, Code::InvalidArgument, "WAIT_FOR_INVALID");
    assert_eq!(session(&mut gateway.sessions().await, &id).await.data_subscriber, "default");
    let request = TcpSendRequest { wait_for: Some("x".into()), ..send(&id, "y") };
    fails(sockets.tcp_send(request).await, Code::InvalidArgument, "PAYLOAD_INVALID");
}

#[tokio::test]
async fn a_line_too_long_ends_its_session_and_no_other() {
    let gateway = TestGateway::with(|limits| limits.line_bytes = 100).await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let request = TcpListenRequest { mode: TcpMode::Line.into(), ..listen_anywhere() };
    let (_, addr) = listening(&mut sockets, request).await;
    let mut talkative = TcpStream::connect(addr).await.expect("connects");
    let id = envelopes.until(Event::Connected).await.session_id;
    let mut other = TcpStream::connect(addr).await.expect("connects");
    envelopes.until(Event::Connected).await;
    talkative.write_all(&[b"fine\n".as_slice(), &[b'x'; 101]].concat()).await.expect("writes");
    assert_eq!(envelopes.line().await, "fine");
    let error = envelopes.error("FRAME_TOO_LONG").await;
    assert_eq!((error.session_id.as_str(), error.error_metadata["limit"].as_str()), (id.as_str(), "line_bytes"));
    assert_eq!(envelopes.flushed().await, (vec!["x".repeat(100)], true), "what was held is not lost");
    let end = envelopes.expect(Event::Disconnected).await;
    assert_eq!(end.session_id, id);
    assert_eq!(ended(end).reason(), CloseReason::Error);
    other.write_all(&[&[b'y'; 100], b"\n".as_slice()].concat()).await.expect("writes");
    assert_eq!(envelopes.line().await, "y".repeat(100));
}

#[tokio::test]
async fn a_session_that_ended_with_a_line_too_long_says_so_to_whoever_waits_for_the_turn() {
    let gateway = TestGateway::with(|limits| limits.line_bytes = 100).await;
    let (sockets, id, mut peer) = pair(&gateway, "").await;
    let sessions = gateway.sessions().await;
    let mut calls = Vec::new();
    for waiters in 0..2 {
        let mut sockets = sockets.clone();
        let request = crate::support::calls::exchange(&id, "x\n", "");
        calls.push(tokio::spawn(async move { sockets.tcp_exchange(request).await }));
        eventually("it collects or waits", || async {
            let shown = session(&mut sessions.clone(), &id).await;
            shown.exchange_active && shown.turn_waiters == waiters
        })
        .await;
    }
    peer.write_all(&[b'x'; 101]).await.expect("writes");
    let waiting = calls.pop().expect("two").await.expect("ends");
    let metadata = fails(waiting, Code::FailedPrecondition, "SESSION_NOT_CONNECTED");
    assert_eq!(metadata["state"], "disconnecting");
    let collecting = calls.pop().expect("two").await.expect("ends");
    let metadata = fails(collecting, Code::ResourceExhausted, "FRAME_TOO_LONG");
    assert_eq!((metadata["limit"].as_str(), metadata["value"].as_str()), ("line_bytes", "100"));
    drop(peer);
    gateway.released().await;
}

#[tokio::test]
async fn a_line_that_is_not_utf8_comes_as_bytes_unaltered() {
    let gateway = TestGateway::start().await;
    let (_sockets, _id, mut peer) = pair(&gateway, "").await;
    let mut one = data_of(&gateway, "one").await;
    peer.write_all(b"caf\xe9\nna\xc3\xafve\n").await.expect("writes");
    assert_eq!(one.data().await, Payload::Bytes(b"caf\xe9".as_slice().into()));
    assert_eq!(one.line().await, "naïve");
}

#[tokio::test]
async fn collected_lines_that_are_not_utf8_come_as_bytes_beside_those_that_are() {
    let gateway = TestGateway::start().await;
    let (_sockets, _id, mut peer) = pair(&gateway, "^end$").await;
    let mut one = data_of(&gateway, "one").await;
    peer.write_all(b"caf\xe9\nplain\nend\n").await.expect("writes");
    let Payload::Match(found) = one.data().await else { panic!("no match") };
    let contents: Vec<_> = found.lines.into_iter().map(|line| line.content.expect("content")).collect();
    assert_eq!(contents, [Content::Bytes(b"caf\xe9".as_slice().into()), Content::Text("plain".into())]);
}

#[tokio::test]
async fn the_end_of_a_session_flushes_the_lines_and_the_rest() {
    let gateway = TestGateway::start().await;
    let (_sockets, _id, mut peer) = pair(&gateway, "^never$").await;
    let mut one = gateway.subscribe("one").await;
    peer.write_all(b"a\nb\nrest").await.expect("writes");
    drop(peer);
    one.until(Event::Connected).await;
    assert_eq!(one.flushed().await, (vec!["a".to_owned(), "b".into(), "rest".into()], true));
    one.expect(Event::Disconnected).await;
    let (_sockets, _id, mut peer) = pair(&gateway, "").await;
    peer.write_all(b"line\nrest").await.expect("writes");
    drop(peer);
    one.until(Event::Connected).await;
    assert_eq!(one.line().await, "line");
    assert_eq!(one.flushed().await, (vec!["rest".to_owned()], true));
    one.expect(Event::Disconnected).await;
    gateway.released().await;
}

#[tokio::test]
async fn lines_beyond_what_may_be_held_are_handed_over_without_a_match() {
    let gateway = TestGateway::with(|limits| limits.line_held_lines = 3).await;
    let (_sockets, _id, mut peer) = pair(&gateway, "^end$").await;
    let mut one = data_of(&gateway, "one").await;
    peer.write_all(b"1\n2\n3\n4\n5\nend\n").await.expect("writes");
    let (lines, _) = one.flushed().await;
    assert_eq!(lines, ["1", "2", "3", "4"]);
    assert_eq!(one.matched().await, (vec!["5".to_owned()], "end".into()));
}

#[tokio::test]
async fn offsets_account_for_every_byte_across_holders() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, mut peer) = pair(&gateway, "").await;
    let (mut one, mut two) = (data_of(&gateway, "one").await, data_of(&gateway, "two").await);
    let mut next = 0;
    for name in ["one", "two", "one"] {
        let holder = if name == "one" { &mut one } else { &mut two };
        sockets.tcp_send(send_as(name, &id, "x")).await.expect("sends");
        peer.write_all(b"line\r\n").await.expect("writes");
        let Some(socket_gateway::api::proto::envelope::Detail::Data(data)) = holder.next().await.detail else {
            panic!()
        };
        assert_eq!(data.offset, next);
        next = data.next_offset;
    }
    assert_eq!(next, 18);
}
