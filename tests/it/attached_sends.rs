//! Sends on an Attach stream: written, and answered, in the order of their commands.

use socket_gateway::api::proto::{
    AttachRequest, AttachResponse, AttachSubscribe, TcpSendRequest, answer, attach_request::Command,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use tonic::Streaming;

use crate::support::{
    Sockets, TestGateway, bytes,
    calls::{connected, exchange, session},
    connect_to, disconnect, eventually,
    peers::{Peer, drain},
    send, within,
};

const SENDS: u64 = 100;

async fn attach(sockets: &Sockets) -> (mpsc::Sender<AttachRequest>, Streaming<AttachResponse>) {
    let (commands, up) = mpsc::channel(SENDS as usize + 8);
    order(&commands, 0, Command::Subscribe(AttachSubscribe::default())).await;
    let up = tokio_stream::wrappers::ReceiverStream::new(up);
    let down = sockets.clone().attach(up).await.expect("attaches").into_inner();
    (commands, down)
}

async fn order(commands: &mpsc::Sender<AttachRequest>, correlation_id: u64, command: Command) {
    commands.send(AttachRequest { correlation_id, command: Some(command) }).await.expect("room");
}

/// The next so many answers.
async fn answers(down: &mut Streaming<AttachResponse>, count: u64) -> Vec<(u64, answer::Result)> {
    let mut answers = Vec::new();
    while (answers.len() as u64) < count {
        let message = within(down.message()).await.expect("goes on").expect("a message");
        answers.extend(message.answers.into_iter().map(|one| (one.correlation_id, one.result.expect("a result"))));
    }
    answers
}

async fn pair(gateway: &TestGateway) -> (Sockets, String, TcpStream) {
    let (peer, mut taken) = Peer::handing_over().await;
    let mut sockets = gateway.sockets().await;
    let id = connected(&mut sockets, connect_to(peer.addr)).await;
    (sockets, id, taken.recv().await.expect("a connection"))
}

fn are_in_order(answers: &[(u64, answer::Result)]) {
    let ids: Vec<_> = answers.iter().map(|(id, _)| *id).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    for (id, result) in answers {
        assert!(matches!(result, answer::Result::TcpSend(_)), "{id}: {result:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sends_that_waited_for_the_turn_keep_their_order() {
    let gateway = TestGateway::start().await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    let sessions = gateway.sessions().await;
    let (commands, mut down) = attach(&sockets).await;
    for round in 0..5 {
        let running = tokio::spawn({
            let (mut sockets, request) = (sockets.clone(), exchange(&id, "exchange", ""));
            async move { sockets.tcp_exchange(request).await }
        });
        let mut asked = [0; 8];
        within(stream.read_exact(&mut asked)).await.expect("the request");
        for at in 1..=SENDS {
            order(&commands, round * SENDS + at, Command::TcpSend(send(&id, &format!("{at:>3}")))).await;
        }
        eventually("all wait", || async { session(&mut sessions.clone(), &id).await.turn_waiters == SENDS as u32 })
            .await;
        stream.write_all(b"answer").await.expect("writes");
        within(running).await.expect("ends").expect("is answered");
        for at in 1..=SENDS {
            let mut item = [0; 3];
            within(stream.read_exact(&mut item)).await.expect("an item");
            assert_eq!(item, format!("{at:>3}").as_bytes());
        }
        are_in_order(&answers(&mut down, SENDS).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sends_that_waited_for_the_peer_are_answered_in_their_order() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, mut stream) = pair(&gateway).await;
    let sessions = gateway.sessions().await;
    while session(&mut sessions.clone(), &id).await.queued_send_bytes == 0 {
        let request = TcpSendRequest { payload: vec![bytes(vec![b'.'; 512 << 10])], ..send(&id, "") };
        let mut sockets = sockets.clone();
        let call = tokio::spawn(async move { sockets.tcp_send(request).await.map(drop) });
        eventually("it is taken or waits", || async {
            call.is_finished() || session(&mut sessions.clone(), &id).await.queued_send_bytes > 0
        })
        .await;
    }
    let (commands, mut down) = attach(&sockets).await;
    for at in 1..=SENDS {
        order(&commands, at, Command::TcpSend(send(&id, "short"))).await;
    }
    let before = session(&mut sessions.clone(), &id).await;
    eventually("all wait", || async {
        let now = session(&mut sessions.clone(), &id).await;
        now.queued_send_bytes + now.bytes_sent
            >= before.bytes_sent.next_multiple_of(512 << 10) + SENDS * "short".len() as u64
    })
    .await;
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    within(drain(&mut stream)).await;
    drop(stream);
    are_in_order(&answers(&mut down, SENDS).await);
    drop((commands, down));
    gateway.released().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_send_that_fails_is_answered_and_the_stream_goes_on() {
    let gateway = TestGateway::start().await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    let (commands, mut down) = attach(&sockets).await;
    order(&commands, 1, Command::TcpSend(send("nobody", "x"))).await;
    order(&commands, 2, Command::TcpSend(send(&id, ""))).await;
    order(&commands, 3, Command::TcpSend(send(&id, "fine"))).await;
    let answers = answers(&mut down, 3).await;
    let codes: Vec<_> = answers
        .iter()
        .map(|(_, result)| match result {
            answer::Result::Error(error) => error.error_code.as_str(),
            _ => "",
        })
        .collect();
    assert_eq!(codes, ["SESSION_NOT_FOUND", "PAYLOAD_INVALID", ""]);
    let mut item = [0; 4];
    within(stream.read_exact(&mut item)).await.expect("an item");
    assert_eq!(&item, b"fine");
}

#[tokio::test]
async fn the_send_credit_only_grows_whatever_fails_in_between() {
    let gateway = TestGateway::with(|limits| limits.attach_send_credit_bytes = 1000).await;
    let (sockets, id, _stream) = pair(&gateway).await;
    let (commands, mut down) = attach(&sockets).await;
    let payload = TcpSendRequest { payload: vec![bytes(vec![b'.'; 600])], ..send(&id, "") };
    let refused = TcpSendRequest { expected_write_offset: Some(1), ..payload.clone() };
    let mut limit = 1000;
    for round in 0..5 {
        order(&commands, 2 * round, Command::TcpSend(payload.clone())).await;
        let told = loop {
            let message = within(down.message()).await.expect("goes on").expect("a message");
            if let Some(credit) = message.credits.first() {
                break credit.send_limit;
            }
        };
        assert!(told > limit, "{told} after {limit}");
        limit = told;
        if round % 2 == 0 {
            order(&commands, 2 * round + 1, Command::TcpSend(refused.clone())).await;
            let told = loop {
                let message = within(down.message()).await.expect("goes on").expect("a message");
                if message.answers.iter().any(|answer| matches!(answer.result, Some(answer::Result::Error(_)))) {
                    break message.credits.first().map_or(limit, |credit| credit.send_limit);
                }
            };
            assert!(told >= limit, "{told} after {limit}");
            limit = told;
        }
    }
}

#[tokio::test]
async fn a_send_beyond_its_credit_is_refused_by_name() {
    let gateway = TestGateway::with(|limits| limits.attach_send_credit_bytes = 10).await;
    let (sockets, id, _stream) = pair(&gateway).await;
    let (commands, mut down) = attach(&sockets).await;
    order(&commands, 1, Command::TcpSend(send(&id, "eleven char"))).await;
    let (_, result) = answers(&mut down, 1).await.remove(0);
    let answer::Result::Error(error) = result else { panic!("{result:?}") };
    assert_eq!(
        (error.error_code.as_str(), error.metadata["limit"].as_str()),
        ("LIMIT_REACHED", "attach_send_credit_bytes")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commands_that_nobody_waits_for_are_answered_only_where_they_fail() {
    let gateway = TestGateway::start().await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    let (commands, mut down) = attach(&sockets).await;
    // The last one is answered, and so are those before it that fail; all in their order.
    for text in ["one ", "two ", "three"] {
        order(&commands, 0, Command::TcpSend(send(&id, text))).await;
    }
    order(&commands, 0, Command::TcpSend(send("nobody", "lost"))).await;
    order(&commands, 0, Command::TcpSend(TcpSendRequest { expected_write_offset: Some(1), ..send(&id, "again") }))
        .await;
    order(&commands, 0, Command::TcpDisconnect(disconnect(&id))).await;
    order(&commands, 9, Command::TcpDisconnect(disconnect("nobody"))).await;
    let answers = answers(&mut down, 3).await;
    let [(0, answer::Result::Error(lost)), (0, answer::Result::Error(again)), (9, answer::Result::Error(_))] =
        &answers[..]
    else {
        panic!("{answers:?}")
    };
    assert_eq!((lost.error_code.as_str(), lost.metadata["sessionId"].as_str()), ("SESSION_NOT_FOUND", "nobody"));
    assert_eq!((again.error_code.as_str(), again.metadata["sessionId"].as_str()), ("WRITE_OFFSET_MISMATCH", &*id));
    let mut all = String::new();
    within(stream.read_to_string(&mut all)).await.expect("the end");
    assert_eq!(all, "one two three");
    drop((commands, down, stream));
    gateway.released().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn unanswered_sends_go_on_as_long_as_the_credit_told_allows() {
    const ITEM: usize = 64 << 10;
    let gateway = TestGateway::with(|limits| limits.attach_send_credit_bytes = 4 * ITEM).await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    let (commands, mut down) = attach(&sockets).await;
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.map(|bytes| (bytes, all.iter().all(|byte| *byte == b'.')))
    });
    let (mut sent, mut may) = (0, 4 * ITEM as u64);
    while sent < 64 * ITEM as u64 {
        while sent + ITEM as u64 <= may {
            let item = TcpSendRequest { payload: vec![bytes(vec![b'.'; ITEM])], ..send(&id, "") };
            order(&commands, 0, Command::TcpSend(item)).await;
            sent += ITEM as u64;
        }
        let message = within(down.message()).await.expect("goes on").expect("a message");
        assert_eq!(message.answers, [], "none fails");
        may = message.credits.iter().filter(|credit| credit.session_id == id).fold(may, |_, credit| credit.send_limit);
    }
    order(&commands, 0, Command::TcpDisconnect(disconnect(&id))).await;
    assert_eq!(within(reading).await.expect("reads").expect("to the end"), (sent as usize, true));
    drop((commands, down));
    gateway.released().await;
}
