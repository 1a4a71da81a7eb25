//! Exchanges: a request and its own answer, one at a time on a session, whatever becomes of their callers.

use std::time::Duration;

use socket_gateway::api::proto::{
    CloseReason, Event, ExchangeEnd, TcpConnectRequest, TcpExchangeRequest, UnansweredAction, data::Payload,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tonic::{Code, Request};

use crate::support::{
    Sessions, Sockets, TestGateway,
    calls::{connected, exchange, fails, line_text, send_as, session, texts},
    connect_lines, connect_to, disconnect, eventually,
    peers::{Peer, drain, reset},
    seconds, send, within,
};

/// Answers each line with itself, after a while.
async fn slow_echo(delay: Duration) -> Peer {
    Peer::serve(move |stream| async move {
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        while lines.read_line(&mut line).await.is_ok_and(|bytes| bytes > 0) {
            tokio::time::sleep(delay).await;
            if lines.write_all(format!("re {line}").as_bytes()).await.is_err() {
                return;
            }
            line.clear();
        }
    })
    .await
}

/// A session in line mode whose peer the test holds.
async fn pair(gateway: &TestGateway) -> (Sockets, String, TcpStream) {
    let (peer, mut taken) = Peer::handing_over().await;
    let mut sockets = gateway.sockets().await;
    let id = connected(&mut sockets, connect_lines(peer.addr)).await;
    (sockets, id, taken.recv().await.expect("a connection"))
}

type Running = tokio::task::JoinHandle<Result<socket_gateway::api::proto::TcpExchangeResponse, tonic::Status>>;

fn start(sockets: &Sockets, request: TcpExchangeRequest) -> Running {
    let mut sockets = sockets.clone();
    tokio::spawn(async move { sockets.tcp_exchange(request).await.map(tonic::Response::into_inner) })
}

async fn answer(running: Running) -> socket_gateway::api::proto::TcpExchangeResponse {
    within(running).await.expect("ends").expect("is answered")
}

/// Waits until an exchange collects and so many wait for the turn.
async fn until_turn(sessions: &Sessions, id: &str, active: bool, waiters: u32) {
    eventually(&format!("exchange: {active}, waiters: {waiters}"), || async {
        let shown = session(&mut sessions.clone(), id).await;
        shown.exchange_active == active && shown.turn_waiters == waiters
    })
    .await;
}

async fn read_line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.push(within(stream.read_u8()).await.expect("a byte"));
    }
    String::from_utf8(line).expect("text")
}

#[tokio::test]
async fn the_answer_is_what_comes_up_to_the_match() {
    let gateway = TestGateway::start().await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    let running = start(&sockets, exchange(&id, "status\n", r"^(?<code>\d+) (OK|FAIL)$"));
    assert_eq!(read_line(&mut stream).await, "status\n");
    stream.write_all(b"one\ntwo\n200 OK\nafterwards\n").await.expect("writes");
    let answer = answer(running).await;
    assert_eq!(answer.end(), ExchangeEnd::Match);
    assert_eq!(texts(answer.frames), ["one", "two"]);
    assert_eq!(line_text(answer.r#match.expect("a match")), "200 OK");
    let captures: Vec<_> = answer.captures.into_iter().map(|c| (c.name, c.value.map(line_text))).collect();
    assert_eq!(captures, [("code".into(), Some("200".into())), (String::new(), Some("OK".into()))]);
    assert_eq!((answer.write_offset, answer.read_offset), (7, 15));
    let mut envelopes = gateway.subscribe("").await;
    envelopes.expect(Event::Connecting).await;
    envelopes.expect(Event::Connected).await;
    assert_eq!(envelopes.line().await, "afterwards");
}

#[tokio::test]
async fn without_a_pattern_one_frame_is_the_answer() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut sockets = gateway.sockets().await;
    let lines = connected(&mut sockets, connect_lines(echo.addr)).await;
    let answer = sockets.tcp_exchange(exchange(&lines, "a\n", "")).await.expect("answers").into_inner();
    assert_eq!((answer.end(), texts(answer.frames)), (ExchangeEnd::Frame, vec!["a".to_owned()]));
    let binary = connected(&mut sockets, connect_to(echo.addr)).await;
    let answer = sockets.tcp_exchange(exchange(&binary, "raw", "")).await.expect("answers").into_inner();
    assert_eq!((answer.end(), texts(answer.frames)), (ExchangeEnd::Frame, vec!["raw".to_owned()]));
    let metadata = sockets.tcp_exchange(exchange(&binary, "raw", "x")).await;
    fails(metadata, Code::InvalidArgument, "WAIT_FOR_INVALID");
}

#[tokio::test]
async fn a_prompt_without_a_line_end_answers() {
    let gateway = TestGateway::start().await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    let running = start(&sockets, exchange(&id, "ls\n", r"\$ $"));
    read_line(&mut stream).await;
    stream.write_all(b"file\nhost:~$ ").await.expect("writes");
    let answer = answer(running).await;
    assert_eq!(texts(answer.frames), ["file"]);
    assert_eq!(line_text(answer.r#match.expect("a match")), "host:~$ ");
}

#[tokio::test]
async fn an_empty_payload_waits_for_the_banner() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, mut stream) = pair(&gateway).await;
    let running = start(&sockets, exchange(&id, "", "^220 "));
    until_turn(&gateway.sessions().await, &id, true, 0).await;
    stream.write_all(b"220 ready\n").await.expect("writes");
    assert_eq!(line_text(answer(running).await.r#match.expect("a match")), "220 ready");
    // One that came before, without its line end, counts as well: nothing was asked that could have made it stale.
    stream.write_all(b"login: ").await.expect("writes");
    eventually("it is read", || async { session(&mut gateway.sessions().await, &id).await.bytes_received == 17 }).await;
    let found = within(sockets.tcp_exchange(exchange(&id, "", "login: $"))).await.expect("answers").into_inner();
    assert_eq!(line_text(found.r#match.expect("a match")), "login: ");
}

#[tokio::test]
async fn a_prompt_from_before_the_request_is_not_its_answer() {
    let gateway = TestGateway::start().await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    let sessions = gateway.sessions().await;
    let mut envelopes = gateway.subscribe("").await;
    stream.write_all(b"> ").await.expect("writes");
    eventually("it is read", || async { session(&mut sessions.clone(), &id).await.bytes_received == 2 }).await;
    let running = start(&sockets, exchange(&id, "go\n", "> $"));
    read_line(&mut stream).await;
    stream.write_all(b"went\n> ").await.expect("writes");
    assert_eq!(texts(answer(running).await.frames), ["went"]);
    envelopes.until(Event::Connected).await;
    assert_eq!(envelopes.flushed().await, (vec!["> ".to_owned()], true));
}

#[tokio::test]
async fn lines_that_wait_for_a_slow_holder_are_not_taken_for_the_answer() {
    let gateway = TestGateway::with(|limits| limits.session_backlog_bytes = 4096).await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    let sessions = gateway.sessions().await;
    stream.write_all(&b"old\n".repeat(200)).await.expect("writes");
    eventually("reading is paused", || async {
        let shown = session(&mut sessions.clone(), &id).await;
        shown.read_paused && shown.bytes_received == 800
    })
    .await;
    let running = start(&sockets, exchange(&id, "new?\n", ""));
    read_line(&mut stream).await;
    stream.write_all(b"new!\n").await.expect("writes");
    let answer = answer(running).await;
    assert_eq!((texts(answer.frames), answer.read_offset), (vec!["new!".to_owned()], 805));
    let mut envelopes = gateway.subscribe("").await;
    envelopes.until(Event::Connected).await;
    for _ in 0..200 {
        assert_eq!(envelopes.line().await, "old");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_at_once_each_get_their_own_answer() {
    const CALLERS: usize = 8;
    const ROUNDS: usize = 25;
    let gateway = TestGateway::start().await;
    let echo = slow_echo(Duration::from_millis(1)).await;
    let mut sockets = gateway.sockets().await;
    let id = connected(&mut sockets, connect_lines(echo.addr)).await;
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (mut sockets, id) = (sockets.clone(), id.clone());
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    let what = format!("caller {caller} round {round}");
                    let wait_for = if round % 2 == 0 { "" } else { "^re " };
                    let request = exchange(&id, &format!("{what}\n"), wait_for);
                    let answer = sockets.tcp_exchange(request).await.expect("answers").into_inner();
                    let line = answer.r#match.unwrap_or_else(|| answer.frames[0].clone());
                    assert_eq!(line_text(line), format!("re {what}"));
                }
            })
        })
        .collect();
    for caller in callers {
        within(caller).await.expect("all its answers are its own");
    }
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    gateway.released().await;
}

#[tokio::test]
async fn the_turn_goes_first_come_first_served_and_sends_wait_for_it_too() {
    let gateway = TestGateway::start().await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    let sessions = gateway.sessions().await;
    let first = start(&sockets, exchange(&id, "first\n", ""));
    until_turn(&sessions, &id, true, 0).await;
    let second = start(&sockets, exchange(&id, "second\n", ""));
    until_turn(&sessions, &id, true, 1).await;
    let sent = tokio::spawn({
        let (mut sockets, request) = (sockets.clone(), send(&id, "send\n"));
        async move { sockets.tcp_send(request).await.map(drop) }
    });
    until_turn(&sessions, &id, true, 2).await;
    let third = start(&sockets, exchange(&id, "third\n", ""));
    until_turn(&sessions, &id, true, 3).await;
    for (expected, reply, running) in [("first\n", "1\n", first), ("second\n", "2\n", second)] {
        assert_eq!(read_line(&mut stream).await, expected);
        stream.write_all(reply.as_bytes()).await.expect("writes");
        assert_eq!(texts(answer(running).await.frames), [reply.trim()]);
    }
    assert_eq!(read_line(&mut stream).await, "send\n");
    within(sent).await.expect("ends").expect("is sent");
    assert_eq!(read_line(&mut stream).await, "third\n");
    stream.write_all(b"3\n").await.expect("writes");
    assert_eq!(texts(answer(third).await.frames), ["3"]);
}

#[tokio::test]
async fn a_late_answer_goes_to_the_holder_and_never_to_the_next_caller() {
    let gateway = TestGateway::start().await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    let mut envelopes = gateway.subscribe("").await;
    let sessions = gateway.sessions().await;
    let first = TcpExchangeRequest { timeout: seconds(0.1), ..exchange(&id, "first\n", "") };
    fails(sockets.clone().tcp_exchange(first).await, Code::DeadlineExceeded, "TIMEOUT");
    assert_eq!(read_line(&mut stream).await, "first\n");
    let second = start(&sockets, exchange(&id, "second\n", ""));
    until_turn(&sessions, &id, true, 1).await;
    stream.write_all(b"late answer to the first\n").await.expect("writes");
    assert_eq!(read_line(&mut stream).await, "second\n");
    stream.write_all(b"answer to the second\n").await.expect("writes");
    assert_eq!(texts(answer(second).await.frames), ["answer to the second"]);
    let late = envelopes.until(Event::Data).await;
    assert_eq!(crate::support::stream::payload(late), Payload::Text("late answer to the first".into()));
}

#[tokio::test]
async fn the_late_answer_of_a_cancelled_caller_never_reaches_the_next_one() {
    let gateway = TestGateway::start().await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    for round in 0..20 {
        let first = start(&sockets, exchange(&id, "first\n", ""));
        assert_eq!(read_line(&mut stream).await, "first\n");
        let second = start(&sockets, exchange(&id, "second\n", ""));
        first.abort();
        if round % 2 == 0 {
            until_turn(&gateway.sessions().await, &id, true, 1).await;
        }
        stream.write_all(b"late\n").await.expect("writes");
        assert_eq!(read_line(&mut stream).await, "second\n");
        stream.write_all(b"own\n").await.expect("writes");
        assert_eq!(texts(answer(second).await.frames), ["own"]);
    }
}

#[tokio::test]
async fn a_deadline_says_in_which_phase_it_passed() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, _stream) = pair(&gateway).await;
    let mut envelopes = gateway.subscribe("caller").await;
    let brief = |what| TcpExchangeRequest {
        timeout: seconds(0.1),
        settle_timeout: seconds(60.0),
        subscriber: "caller".into(),
        ..exchange(&id, what, "")
    };
    for (what, phase) in [("asked\n", "answer"), ("never asked\n", "turn")] {
        let metadata = fails(sockets.tcp_exchange(brief(what)).await, Code::DeadlineExceeded, "TIMEOUT");
        assert_eq!((metadata["phase"].as_str(), metadata["sessionId"].as_str()), (phase, id.as_str()));
        assert_eq!(envelopes.error("TIMEOUT").await.error_metadata, metadata);
    }
    assert_eq!(session(&mut gateway.sessions().await, &id).await.bytes_sent, 6);
}

#[tokio::test]
async fn a_request_the_peer_does_not_take_times_out_in_the_write_phase() {
    let gateway = TestGateway::with(|limits| limits.payload_bytes = 16 << 20).await;
    let (mut sockets, id, _stream) = pair(&gateway).await;
    let payload = vec![crate::support::bytes(vec![b'.'; 1_900_000]); 1];
    let mut metadata = None;
    for _ in 0..8 {
        let request = TcpExchangeRequest {
            payload: payload.clone(),
            timeout: seconds(0.3),
            settle_timeout: seconds(0.01),
            ..exchange(&id, "", "")
        };
        let failed = fails(sockets.tcp_exchange(request).await, Code::DeadlineExceeded, "TIMEOUT");
        if failed["phase"] == "write" {
            metadata = Some(failed);
            break;
        }
    }
    assert_eq!(metadata.expect("the buffers are full at last")["sessionId"], id);
}

#[tokio::test]
async fn the_calls_own_deadline_counts_too() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, mut stream) = pair(&gateway).await;
    let mut request = Request::new(exchange(&id, "x\n", ""));
    request.set_timeout(Duration::from_millis(100));
    let status = sockets.tcp_exchange(request).await.expect_err("no answer comes");
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status}");
    read_line(&mut stream).await;
    stream.write_all(b"late\n").await.expect("writes");
    until_turn(&gateway.sessions().await, &id, false, 0).await;
}

#[tokio::test]
async fn the_turn_passes_on_after_the_settle_timeout() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, mut stream) = pair(&gateway).await;
    let unanswered =
        TcpExchangeRequest { timeout: seconds(0.05), settle_timeout: seconds(0.05), ..exchange(&id, "a\n", "") };
    fails(sockets.tcp_exchange(unanswered).await, Code::DeadlineExceeded, "TIMEOUT");
    let next = start(&sockets, exchange(&id, "b\n", ""));
    assert_eq!(read_line(&mut stream).await, "a\n");
    assert_eq!(read_line(&mut stream).await, "b\n");
    stream.write_all(b"b it is\n").await.expect("writes");
    assert_eq!(texts(answer(next).await.frames), ["b it is"]);
}

#[tokio::test]
async fn a_peer_that_ends_in_the_middle_answers_with_what_it_had_said() {
    let gateway = TestGateway::start().await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    let running = start(&sockets, exchange(&id, "all\n", "never"));
    read_line(&mut stream).await;
    stream.write_all(b"one\ntwo\nthr").await.expect("writes");
    drop(stream);
    let answer = answer(running).await;
    assert_eq!(
        (answer.end(), texts(answer.frames)),
        (ExchangeEnd::PeerClosed, vec!["one".to_owned(), "two".into(), "thr".into()])
    );
    assert_eq!((answer.r#match, answer.read_offset), (None, 11));
    gateway.released().await;
}

#[tokio::test]
async fn a_reset_in_the_middle_fails_the_exchange_and_whoever_waits() {
    let gateway = TestGateway::start().await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    let sessions = gateway.sessions().await;
    let running = start(&sockets, exchange(&id, "x\n", "never"));
    read_line(&mut stream).await;
    let waiting = start(&sockets, exchange(&id, "y\n", ""));
    until_turn(&sessions, &id, true, 1).await;
    reset(stream);
    let failed = within(running).await.expect("ends").map(tonic::Response::new);
    let metadata = fails(failed, Code::Aborted, "SESSION_ENDED");
    assert_eq!((metadata["closeReason"].as_str(), metadata["sessionId"].as_str()), ("peer reset", id.as_str()));
    let failed = within(waiting).await.expect("ends").map(tonic::Response::new);
    fails(failed, Code::FailedPrecondition, "SESSION_NOT_CONNECTED");
    gateway.released().await;
}

#[tokio::test]
async fn abort_unanswered_aborts_the_session() {
    let gateway = TestGateway::start().await;
    let (mut sockets, id, mut stream) = pair(&gateway).await;
    let mut envelopes = gateway.subscribe("").await;
    let request = TcpExchangeRequest {
        timeout: seconds(0.1),
        on_unanswered: UnansweredAction::Abort.into(),
        ..exchange(&id, "x\n", "")
    };
    fails(sockets.tcp_exchange(request).await, Code::DeadlineExceeded, "TIMEOUT");
    assert_eq!(read_line(&mut stream).await, "x\n");
    assert!(within(stream.read_u8()).await.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset));
    assert_eq!(envelopes.end_of(&id).await.reason(), CloseReason::Abort);
    gateway.released().await;
}

#[tokio::test]
async fn the_data_claim_goes_back_afterwards() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let (mut holder, mut caller) = (gateway.subscribe("holder").await, gateway.subscribe("caller").await);
    let mut sockets = gateway.sockets().await;
    let request = TcpConnectRequest { wait_for: "^!".into(), ..connect_lines(echo.addr) };
    let id = connected(&mut sockets, request).await;
    sockets.tcp_send(send_as("holder", &id, "held\n")).await.expect("sends");
    let request = TcpExchangeRequest { subscriber: "caller".into(), ..exchange(&id, "mine\n", "mine") };
    sockets.tcp_exchange(request).await.expect("answers");
    let shown = session(&mut gateway.sessions().await, &id).await;
    assert_eq!((shown.data_subscriber.as_str(), shown.wait_for.as_str()), ("holder", "^!"));
    assert!(!shown.exchange_active);
    sockets.tcp_send(send(&id, "more\n!end\n")).await.expect("sends");
    assert_eq!(holder.flushed().await, (vec!["held".to_owned()], false), "what came before the exchange");
    assert_eq!(holder.matched().await, (vec!["more".to_owned()], "!end".to_owned()));
    fails(sockets.tcp_send(send_as("caller", "none", "x")).await, Code::NotFound, "SESSION_NOT_FOUND");
    caller.error("SESSION_NOT_FOUND").await;
}

#[tokio::test]
async fn an_answer_that_outgrows_what_may_be_collected_fails_and_goes_to_the_holder() {
    let gateway = TestGateway::with(|limits| limits.line_held_lines = 3).await;
    let (sockets, id, mut stream) = pair(&gateway).await;
    let mut envelopes = gateway.subscribe("").await;
    let running = start(&sockets, exchange(&id, "x\n", "never"));
    read_line(&mut stream).await;
    stream.write_all(b"1\n2\n3\n4\n").await.expect("writes");
    let failed = within(running).await.expect("ends").map(tonic::Response::new);
    let metadata = fails(failed, Code::ResourceExhausted, "LIMIT_REACHED");
    assert_eq!((metadata["limit"].as_str(), metadata["value"].as_str()), ("line_held_lines", "3"));
    let data = crate::support::stream::payload(envelopes.until(Event::Data).await);
    assert!(matches!(data, Payload::Flushed(flushed) if flushed.lines.len() == 4));
}

#[tokio::test]
async fn only_so_many_wait_for_the_turn() {
    let gateway = TestGateway::with(|limits| limits.turn_waiters = 1).await;
    let (mut sockets, id, stream) = pair(&gateway).await;
    let sessions = gateway.sessions().await;
    let first = start(&sockets, exchange(&id, "1\n", ""));
    until_turn(&sessions, &id, true, 0).await;
    let second = start(&sockets, exchange(&id, "2\n", ""));
    until_turn(&sessions, &id, true, 1).await;
    let metadata =
        fails(sockets.tcp_exchange(exchange(&id, "3\n", "")).await, Code::ResourceExhausted, "LIMIT_REACHED");
    assert_eq!((metadata["limit"].as_str(), metadata["value"].as_str()), ("turn_waiters", "1"));
    second.abort();
    until_turn(&sessions, &id, true, 0).await;
    let again = start(&sockets, exchange(&id, "4\n", ""));
    until_turn(&sessions, &id, true, 1).await;
    drop((first, again));
    let mut stream = stream;
    sockets.tcp_disconnect(disconnect(&id)).await.expect("disconnects");
    within(drain(&mut stream)).await;
    drop(stream);
    gateway.released().await;
}
