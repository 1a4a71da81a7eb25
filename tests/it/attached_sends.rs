//! Sends on an Attach stream: written in the order of their commands.

use socket_gateway::api::proto::{AttachRequest, AttachResponse, AttachSubscribe, answer, attach_request::Command};
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

/// Answers come as sends complete; the write offsets tell in which order they were written.
fn were_written_in_order(answers: &[(u64, answer::Result)]) {
    let mut written: Vec<_> = answers
        .iter()
        .map(|(id, result)| match result {
            answer::Result::TcpSend(sent) => (*id, sent.write_offset),
            other => panic!("{id}: {other:?}"),
        })
        .collect();
    written.sort_unstable();
    assert!(written.iter().map(|(_, offset)| offset).is_sorted(), "{written:?}");
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
        were_written_in_order(&answers(&mut down, SENDS).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sends_that_waited_for_the_peer_are_written_in_their_order() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, mut stream) = pair(&gateway).await;
    let sessions = gateway.sessions().await;
    while session(&mut sessions.clone(), &id).await.queued_send_bytes == 0 {
        let request =
            socket_gateway::api::proto::TcpSendRequest { payload: vec![bytes(vec![b'.'; 512 << 10])], ..send(&id, "") };
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
    were_written_in_order(&answers(&mut down, SENDS).await);
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
