//! Sends: in order, each item whole, waiting where the peer does, moving the claim where they say so.

use socket_gateway::api::proto::{
    Event, LineTerminator, PayloadItem, TcpConnectRequest, TcpSendRequest, data::Payload, envelope::Detail,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::{Code, Request};

use crate::support::{
    Sessions, Sockets, TestGateway, bytes,
    calls::{connected, fails, send_as, session},
    connect_to, disconnect, eventually,
    peers::{Peer, drain},
    seconds, send, text, within,
};

fn items(session: &str, payload: Vec<PayloadItem>) -> TcpSendRequest {
    TcpSendRequest { session_id: session.into(), payload, ..Default::default() }
}

/// A session whose peer the test holds.
async fn pair(gateway: &TestGateway) -> (Sockets, String, TcpStream) {
    let (peer, mut taken) = Peer::handing_over().await;
    let mut sockets = gateway.sockets().await;
    let id = connected(&mut sockets, connect_to(peer.addr)).await;
    (sockets, id, taken.recv().await.expect("a connection"))
}

/// Sends so much that a part of it waits; gives what is answered later, and how many bytes.
async fn stuff(
    sockets: &Sockets,
    sessions: &Sessions,
    id: &str,
) -> (Vec<tokio::task::JoinHandle<Result<(), tonic::Status>>>, usize) {
    let mut calls = Vec::new();
    while session(&mut sessions.clone(), id).await.queued_send_bytes == 0 {
        let (mut sockets, request) = (sockets.clone(), items(id, vec![bytes(vec![b'.'; 512 << 10])]));
        calls.push(tokio::spawn(async move { sockets.tcp_send(request).await.map(drop) }));
        eventually("the send is taken or waits", || async {
            let shown = session(&mut sessions.clone(), id).await;
            shown.bytes_sent + shown.queued_send_bytes >= (calls.len() as u64) << 19
        })
        .await;
    }
    let count = calls.len();
    (calls, count << 19)
}

async fn read_exactly(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut all = vec![0; count];
    within(stream.read_exact(&mut all)).await.expect("so many come");
    all
}

#[tokio::test]
async fn items_are_written_in_order_and_counted() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, mut stream) = pair(&gateway).await;
    let request = items(&id, vec![text("one "), bytes("two "), text("three")]);
    let sent = sockets.tcp_send(request).await.expect("sends").into_inner();
    assert_eq!((sent.chunk_count, sent.write_offset), (3, 13));
    assert!(!sent.message_id.is_empty());
    let next = sockets.tcp_send(send(&id, "!")).await.expect("sends").into_inner();
    assert_eq!(next.write_offset, 14);
    assert_ne!(next.message_id, sent.message_id);
    assert_eq!(read_exactly(&mut stream, 14).await, b"one two three!");
}

#[tokio::test]
async fn terminators_end_text_items_only() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, mut stream) = pair(&gateway).await;
    for (terminator, expected) in [
        (LineTerminator::Unspecified, "abc"),
        (LineTerminator::None, "abc"),
        (LineTerminator::Lf, "a\nbc\n"),
        (LineTerminator::Crlf, "a\r\nbc\r\n"),
        (LineTerminator::Cr, "a\rbc\r"),
    ] {
        let payload = vec![text("a"), bytes("b"), text("c")];
        let request = TcpSendRequest { line_terminator: terminator.into(), ..items(&id, payload) };
        sockets.tcp_send(request).await.expect("sends");
        assert_eq!(read_exactly(&mut stream, expected.len()).await, expected.as_bytes(), "{terminator:?}");
    }
    let request = TcpSendRequest { line_terminator: LineTerminator::Crlf.into(), ..send(&id, "") };
    sockets.tcp_send(request).await.expect("an empty line is a line");
    assert_eq!(read_exactly(&mut stream, 2).await, b"\r\n");
}

#[tokio::test]
async fn emit_sent_puts_the_answer_on_the_subscribers_events_too() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, _stream) = pair(&gateway).await;
    let mut sender = gateway.subscribe("sender").await;
    sockets.tcp_send(send_as("sender", &id, "quiet")).await.expect("sends");
    let request = TcpSendRequest { emit_sent: true, ..send_as("sender", &id, "loud") };
    let sent = sockets.tcp_send(request).await.expect("sends").into_inner();
    let envelope = sender.expect(Event::Sent).await;
    let Some(Detail::Sent(detail)) = envelope.detail else { panic!() };
    assert_eq!((detail.message_id, detail.chunk_count, envelope.session_id), (sent.message_id, 1, id));
}

#[tokio::test]
async fn a_send_whose_sent_envelope_has_nowhere_to_go_writes_nothing() {
    let gateway = TestGateway::with(|limits| limits.subscribers = 1).await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut sockets = gateway.sockets().await;
    let request = TcpConnectRequest { subscriber: "only".into(), ..connect_to(peer.addr) };
    let id = connected(&mut sockets, request).await;
    let mut stream = taken.recv().await.expect("a connection");
    let request = TcpSendRequest { emit_sent: true, ..send(&id, "for the default subscriber") };
    let metadata = fails(sockets.tcp_send(request).await, Code::ResourceExhausted, "LIMIT_REACHED");
    assert_eq!(metadata["limit"], "subscribers");
    sockets.tcp_send(send(&id, "afterwards")).await.expect("sends");
    assert_eq!(read_exactly(&mut stream, 10).await, b"afterwards");
}

#[tokio::test]
async fn a_send_with_another_write_offset_than_the_sessions_writes_nothing() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, mut stream) = pair(&gateway).await;
    let once = TcpSendRequest { expected_write_offset: Some(0), ..send(&id, "once") };
    sockets.tcp_send(once.clone()).await.expect("sends");
    let metadata = fails(sockets.tcp_send(once).await, Code::FailedPrecondition, "WRITE_OFFSET_MISMATCH");
    assert_eq!((metadata["writeOffset"].as_str(), metadata["sessionId"].as_str()), ("4", id.as_str()));
    let next = TcpSendRequest { expected_write_offset: Some(4), ..send(&id, "!") };
    sockets.tcp_send(next).await.expect("sends");
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    assert_eq!(within(drain(&mut stream)).await, b"once!");
}

#[tokio::test]
async fn a_mismatched_write_offset_does_not_move_the_claim() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, _stream) = pair(&gateway).await;
    let request = TcpSendRequest { expected_write_offset: Some(9), ..send_as("thief", &id, "x") };
    fails(sockets.tcp_send(request).await, Code::FailedPrecondition, "WRITE_OFFSET_MISMATCH");
    assert_eq!(session(&mut gateway.sessions().await, &id).await.data_subscriber, "default");
}

#[tokio::test]
async fn a_send_to_a_peer_that_does_not_read_waits_and_is_answered_when_it_reads() {
    let gateway = TestGateway::start().await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    let sessions = gateway.sessions().await;
    let (calls, total) = stuff(&sockets, &sessions, &id).await;
    assert!(!calls.last().expect("one").is_finished(), "the last one waits");
    let received = read_exactly(&mut stream, total).await;
    assert!(received.iter().all(|byte| *byte == b'.'));
    for call in calls {
        within(call).await.expect("ends").expect("is sent");
    }
    let shown = session(&mut sessions.clone(), &id).await;
    assert_eq!((shown.queued_send_bytes, shown.bytes_sent), (0, total as u64));
}

#[tokio::test]
async fn a_stuck_send_does_not_stop_reading() {
    let gateway = TestGateway::start().await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    let mut envelopes = gateway.subscribe("").await;
    let (calls, _) = stuff(&sockets, &gateway.sessions().await, &id).await;
    stream.write_all(b"still talking").await.expect("writes");
    assert_eq!(envelopes.bytes(13).await, b"still talking");
    for call in calls {
        call.abort();
    }
}

#[tokio::test]
async fn the_send_queue_has_a_limit_in_sends_and_in_bytes() {
    let gateway = TestGateway::with(|limits| limits.send_queue_sends = 3).await;
    let (mut sockets, id, _stream) = pair(&gateway).await;
    let sessions = gateway.sessions().await;
    let (mut calls, _) = stuff(&sockets, &sessions, &id).await;
    let refused = sockets.tcp_send(items(&id, vec![bytes(vec![0; 1 << 20])])).await;
    let metadata = fails(refused, Code::ResourceExhausted, "LIMIT_REACHED");
    assert_eq!((metadata["limit"].as_str(), metadata["sessionId"].as_str()), ("send_queue_bytes", id.as_str()));
    for waiting in 1..3 {
        let (mut sockets, id) = (sockets.clone(), id.clone());
        let before = session(&mut sessions.clone(), &id).await.queued_send_bytes;
        let request = send(&id, "waits");
        calls.push(tokio::spawn(async move { sockets.tcp_send(request).await.map(drop) }));
        eventually(&format!("{waiting} more wait"), || async {
            session(&mut sessions.clone(), &id).await.queued_send_bytes > before
        })
        .await;
    }
    let metadata = fails(sockets.tcp_send(send(&id, "x")).await, Code::ResourceExhausted, "LIMIT_REACHED");
    assert_eq!((metadata["limit"].as_str(), metadata["value"].as_str()), ("send_queue_sends", "3"));
    for call in calls {
        call.abort();
    }
}

#[tokio::test]
async fn a_send_given_up_by_its_caller_is_not_written_where_it_was_not_begun() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, mut stream) = pair(&gateway).await;
    let sessions = gateway.sessions().await;
    let (calls, total) = stuff(&sockets, &sessions, &id).await;
    let before = session(&mut sessions.clone(), &id).await.queued_send_bytes;
    let dropped = tokio::spawn({
        let (mut sockets, request) = (sockets.clone(), send_as("thief", &id, "never"));
        async move { sockets.tcp_send(request).await.map(drop) }
    });
    eventually("it waits", || async { session(&mut sessions.clone(), &id).await.queued_send_bytes == before + 5 })
        .await;
    dropped.abort();
    eventually("it is gone", || async { session(&mut sessions.clone(), &id).await.queued_send_bytes == before }).await;
    let mut late = Request::new(send(&id, "neither"));
    late.set_timeout(std::time::Duration::from_millis(100));
    let status = sockets.tcp_send(late).await.expect_err("its deadline passes");
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status}");
    eventually("it is gone", || async { session(&mut sessions.clone(), &id).await.queued_send_bytes == before }).await;
    assert_eq!(session(&mut sessions.clone(), &id).await.data_subscriber, "default");
    read_exactly(&mut stream, total).await;
    for call in calls {
        within(call).await.expect("ends").expect("is sent");
    }
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    assert_eq!(within(drain(&mut stream)).await, b"");
}

#[tokio::test]
async fn a_send_given_up_half_way_tears_no_item() {
    const ITEM: usize = 300_000;
    let gateway =
        TestGateway::with(|limits| (limits.payload_bytes, limits.send_queue_bytes) = (64 << 20, 64 << 20)).await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    let sessions = gateway.sessions().await;
    let payload = (0..6_u8).map(|at| bytes(vec![at; ITEM])).collect::<Vec<_>>();
    let mut calls = Vec::new();
    while session(&mut sessions.clone(), &id).await.queued_send_bytes == 0 {
        let (mut sockets, request) = (sockets.clone(), items(&id, payload.clone()));
        calls.push(tokio::spawn(async move { sockets.tcp_send(request).await.map(drop) }));
        eventually("the send is taken or waits", || async {
            let shown = session(&mut sessions.clone(), &id).await;
            shown.bytes_sent + shown.queued_send_bytes >= (calls.len() * 6 * ITEM) as u64
        })
        .await;
    }
    calls.last().expect("one").abort();
    let _ = calls.pop().expect("one").await;
    let mut sockets = sockets.clone();
    let after = tokio::spawn({
        let (mut sockets, request) = (sockets.clone(), items(&id, vec![bytes(vec![99; 10])]));
        async move { sockets.tcp_send(request).await.map(drop) }
    });
    eventually("the next one waits or is sent", || async {
        let shown = session(&mut sessions.clone(), &id).await;
        (shown.bytes_sent + shown.queued_send_bytes) as usize % ITEM >= 10 || after.is_finished()
    })
    .await;
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    let received = within(drain(&mut stream)).await;
    within(after).await.expect("ends").expect("is sent");
    let (whole, last) = received.split_at(received.len() - 10);
    assert_eq!(last, [99; 10]);
    assert_eq!(whole.len() % ITEM, 0, "items are whole");
    assert!(whole.len() / ITEM < (calls.len() + 1) * 6, "the rest of the send was given up");
    assert!(whole.chunks(ITEM).enumerate().all(|(at, item)| item.iter().all(|byte| usize::from(*byte) == at % 6)));
    drop(stream);
    gateway.released().await;
}

#[tokio::test]
async fn the_answer_comes_to_whoever_sent_last_and_named_a_subscriber() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let (mut one, mut two) = (gateway.subscribe("one").await, gateway.subscribe("two").await);
    let mut sockets = gateway.sockets().await;
    let request = TcpConnectRequest { subscriber: "one".into(), ..connect_to(echo.addr) };
    let id = connected(&mut sockets, request).await;
    one.expect(Event::Connecting).await;
    one.expect(Event::Connected).await;
    sockets.tcp_send(send(&id, "unnamed")).await.expect("sends");
    assert_eq!(one.data().await, Payload::Bytes("unnamed".into()));
    sockets.tcp_send(send_as("two", &id, "named")).await.expect("sends");
    assert_eq!(two.data().await, Payload::Bytes("named".into()));
    sockets.tcp_send(send(&id, "it stays")).await.expect("sends");
    assert_eq!(two.data().await, Payload::Bytes("it stays".into()));
    sockets.tcp_send(send_as("one", &id, "back")).await.expect("sends");
    assert_eq!(one.data().await, Payload::Bytes("back".into()));
    let shown = session(&mut gateway.sessions().await, &id).await;
    assert_eq!((shown.data_subscriber.as_str(), shown.lifecycle_subscriber.as_str()), ("one", "one"));
    assert_eq!(shown.claim_generation, 2);
    sockets.tcp_send(send_as("two", &id, "over")).await.expect("sends");
    two.data().await;
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    one.expect(Event::Disconnecting).await;
    one.expect(Event::Disconnected).await;
    gateway.released().await;
}

#[tokio::test]
async fn a_sends_timeout_stays_the_sessions() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, _stream) = pair(&gateway).await;
    let mut sessions = gateway.sessions().await;
    assert_eq!(session(&mut sessions, &id).await.timeout, None);
    let request = TcpSendRequest { timeout: seconds(30.0), ..send(&id, "x") };
    sockets.tcp_send(request).await.expect("sends");
    sockets.tcp_send(send(&id, "y")).await.expect("sends");
    assert_eq!(session(&mut sessions, &id).await.timeout, seconds(30.0));
    sockets.tcp_send(TcpSendRequest { timeout: seconds(0.0), ..send(&id, "z") }).await.expect("sends");
    assert_eq!(session(&mut sessions, &id).await.timeout, None);
}
