//! Attach: everything on one stream, which nothing but its end ends.

use std::time::Duration;

use socket_gateway::api::proto::{
    self, AttachSubscribe, CommandError, DeliveryMode, Event, SubscribeRequest, answer, attach_request::Command,
};
use tokio::{io::AsyncReadExt, net::UdpSocket};

use crate::support::{
    TestGateway,
    attached::{Attached, up_and_down},
    bytes, connect_to, disconnect, eventually, look_at_subscriber, pattern,
    peers::Peer,
    reason, seconds, send, send_bytes,
    stream::chunk,
    within,
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn named(id: &str, addr: std::net::SocketAddr) -> proto::TcpConnectRequest {
    proto::TcpConnectRequest { session_id: id.into(), ..connect_to(addr) }
}

fn metadata<'a>(error: &'a CommandError, key: &str) -> &'a str {
    error.metadata.get(key).unwrap_or_else(|| panic!("no {key} in {error:?}"))
}

fn datagram_to(host: &str, port: u16) -> proto::UdpOutRequest {
    let payload = Some(bytes(*b"ping"));
    proto::UdpOutRequest { host: host.into(), port: port.into(), payload, ..Default::default() }
}

#[tokio::test]
async fn the_first_message_must_be_a_subscription() {
    let gateway = TestGateway::start().await;
    let refused = up_and_down(gateway.sockets().await, Command::TcpSend(send("s", "hello"))).await.expect_err("no");
    assert_eq!((refused.code(), reason(&refused).0.as_str()), (tonic::Code::InvalidArgument, "REQUEST_INVALID"));
    let nothing = gateway.sockets().await.attach(tokio_stream::empty()).await.expect_err("no first message");
    assert_eq!(reason(&nothing).0, "REQUEST_INVALID");
    let strange = AttachSubscribe { delivery_mode: 77, ..Default::default() };
    let refused = Attached::open(gateway.sockets().await, strange).await.err().expect("no such mode");
    assert_eq!(reason(&refused).0, "REQUEST_INVALID");
    gateway.released().await;
}

#[tokio::test]
async fn every_command_is_answered_by_its_id_and_no_error_ends_the_stream() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let far = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    let port = far.local_addr().expect("an address").port();
    gateway.sockets().await.tcp_connect(named("s", echo.addr)).await.expect("connects");
    let mut attached = Attached::plain(gateway.sockets().await).await;

    let unknown = attached.fails(Command::TcpSend(send("nobody", "hello"))).await;
    assert_eq!((unknown.error_code.as_str(), unknown.grpc_code), ("SESSION_NOT_FOUND", tonic::Code::NotFound as i32));
    assert_eq!(metadata(&unknown, "sessionId"), "nobody");
    let empty = proto::TcpSendRequest { payload: Vec::new(), ..send("s", "") };
    let empty = attached.fails(Command::TcpSend(empty)).await;
    assert_eq!((empty.error_code.as_str(), empty.field_violations.len()), ("PAYLOAD_INVALID", 1));
    let nowhere = attached.fails(Command::UdpOut(datagram_to("", 0))).await;
    assert_eq!((nowhere.error_code.as_str(), nowhere.field_violations.len()), ("SEND_INVALID", 2));
    let gone = attached.fails(Command::TcpDisconnect(disconnect("nobody"))).await;
    assert_eq!(gone.error_code, "SESSION_NOT_FOUND");
    let again = attached.fails(Command::Subscribe(AttachSubscribe::default())).await;
    assert_eq!(again.error_code, "REQUEST_INVALID");

    let answer::Result::UdpOut(sent) = attached.ask(Command::UdpOut(datagram_to("127.0.0.1", port))).await else {
        panic!("no answer to a datagram")
    };
    assert_eq!((sent.bytes, sent.port), (4, u32::from(port)));
    let mut buffer = [0; 16];
    assert_eq!(within(far.recv(&mut buffer)).await.expect("receives"), 4);
    let answer::Result::TcpSend(sent) = attached.ask(Command::TcpSend(send("s", "hello"))).await else {
        panic!("no answer to a send")
    };
    assert_eq!((sent.chunk_count, sent.write_offset), (1, 5));
    let answer::Result::TcpDisconnect(_) = attached.ask(Command::TcpDisconnect(disconnect("s"))).await else {
        panic!("no answer to a disconnect")
    };
    let mut events = Vec::new();
    loop {
        let event = attached.envelope().await.event();
        events.push(event);
        if event == Event::Disconnected {
            break;
        }
    }
    assert_eq!(events.first(), Some(&Event::Connecting));
    drop(attached);
    gateway.released().await;
}

#[tokio::test]
async fn a_send_beyond_the_credit_is_refused_and_reading_peers_renew_it() {
    const PIECE: usize = 16 * KIB;
    let gateway = TestGateway::with(|limits| limits.attach_send_credit_bytes = 4 * PIECE).await;
    let (peer, mut taken) = Peer::handing_over().await;
    gateway.sockets().await.tcp_connect(named("s", peer.addr)).await.expect("connects");
    let mut far = within(taken.recv()).await.expect("the connection");
    let mut attached = Attached::plain(gateway.sockets().await).await;
    assert_eq!(attached.start.send_credit, 4 * PIECE as u64);
    let piece = |at: usize| Command::TcpSend(send_bytes("s", pattern(at, PIECE)));

    // The kernel takes the first megabytes.
    let mut sent = 0;
    loop {
        let id = attached.command(piece(sent)).await;
        sent += PIECE;
        let answered = tokio::time::timeout(Duration::from_millis(300), attached.answer()).await;
        match answered {
            Ok((answered, answer::Result::TcpSend(_))) => assert_eq!(answered, id),
            Ok(other) => panic!("{other:?}"),
            Err(_) => break,
        }
    }
    for _ in 0..3 {
        attached.command(piece(sent)).await;
        sent += PIECE;
    }
    let refused = attached.fails(piece(sent)).await;
    assert_eq!(refused.error_code, "LIMIT_REACHED");
    assert_eq!(metadata(&refused, "limit"), "attach_send_credit_bytes");

    let mut all = vec![0; sent];
    within(far.read_exact(&mut all)).await.expect("everything that was not refused");
    assert!(all == pattern(0, sent), "in order");
    for _ in 0..4 {
        assert!(matches!(attached.answer().await.1, answer::Result::TcpSend(_)));
    }
    let limits: Vec<u64> = attached.credits.iter().map(|credit| credit.send_limit).collect();
    assert!(limits.is_sorted(), "{limits:?}");
    let renewed = *limits.last().expect("renewed");
    assert!(renewed <= (sent + 4 * PIECE) as u64 && renewed >= (sent + 2 * PIECE) as u64, "{renewed} after {sent}");
    assert!(matches!(attached.ask(piece(sent)).await, answer::Result::TcpSend(_)));
    drop(far);
    drop(attached);
    gateway.released().await;
}

#[tokio::test]
async fn a_send_that_fails_does_not_take_back_the_credit_that_was_granted() {
    const PIECE: usize = 16 * KIB;
    let gateway = TestGateway::with(|limits| limits.attach_send_credit_bytes = 4 * PIECE).await;
    let peer = Peer::says(b"").await;
    gateway.sockets().await.tcp_connect(named("s", peer.addr)).await.expect("connects");
    let mut attached = Attached::plain(gateway.sockets().await).await;
    let piece = || Command::TcpSend(send_bytes("s", vec![0; PIECE]));
    for _ in 0..20 {
        assert!(matches!(attached.ask(piece()).await, answer::Result::TcpSend(_)));
    }
    let before = attached.credits.last().expect("renewed").send_limit;
    assert!(before >= 20 * PIECE as u64);
    let wrong = proto::TcpSendRequest { expected_write_offset: Some(1), ..send("s", "again") };
    assert_eq!(attached.fails(Command::TcpSend(wrong)).await.error_code, "WRITE_OFFSET_MISMATCH");
    attached.credits.clear();
    for _ in 0..4 {
        assert!(matches!(attached.ask(piece()).await, answer::Result::TcpSend(_)));
    }
    let after = attached.credits.last().expect("renewed").send_limit;
    assert!(after > before, "{after} after {before}");
    gateway.sockets().await.tcp_disconnect(disconnect("s")).await.expect("disconnects");
    drop(attached);
    gateway.released().await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_holds_up_neither_its_stream_nor_another_session() {
    let gateway = TestGateway::with(|limits| limits.attach_send_credit_bytes = 16 * MIB).await;
    let (stuck, echo) = (Peer::stuck().await, Peer::echo().await);
    let mut sockets = gateway.sockets().await;
    sockets.tcp_connect(named("stuck", stuck.addr)).await.expect("connects");
    sockets.tcp_connect(named("echo", echo.addr)).await.expect("connects");
    let mut attached = Attached::plain(gateway.sockets().await).await;
    // More than the kernel takes for a peer that does not read, within what may wait.
    let mut stuck_sends = Vec::new();
    for _ in 0..12 {
        stuck_sends.push(attached.command(Command::TcpSend(send_bytes("stuck", vec![0; MIB / 2]))).await);
    }
    let id = attached.command(Command::TcpSend(send("echo", "at once"))).await;
    loop {
        let (answered, result) = attached.answer().await;
        if answered == id {
            assert!(matches!(result, answer::Result::TcpSend(_)), "{result:?}");
            break;
        }
        stuck_sends.retain(|stuck| *stuck != answered);
    }
    assert!(!stuck_sends.is_empty(), "the stuck peer's kernel took it all: the test shows nothing");
    let back = loop {
        let envelope = attached.envelope().await;
        if let Some((_, bytes)) = chunk(&envelope) {
            break bytes.to_vec();
        }
    };
    assert_eq!(back, b"at once");
    for id in ["stuck", "echo"] {
        let abort = proto::TcpDisconnectRequest { abort: true, ..disconnect(id) };
        attached.command(Command::TcpDisconnect(abort)).await;
    }
    loop {
        let (answered, result) = attached.answer().await;
        if stuck_sends.contains(&answered) {
            assert!(matches!(result, answer::Result::Error(_)), "{result:?}");
            stuck_sends.retain(|stuck| *stuck != answered);
        }
        if stuck_sends.is_empty() {
            break;
        }
    }
    drop(attached);
    gateway.released().await;
}

#[tokio::test]
async fn a_flood_both_ways_on_one_stream_never_locks_it_up() {
    const PIECE: usize = 64 * KIB;
    const FLOOD: usize = 8 * MIB;
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    gateway.sockets().await.tcp_connect(named("s", echo.addr)).await.expect("connects");
    let mut attached = Attached::plain(gateway.sockets().await).await;
    let (mut sent, mut back) = (0, 0);
    let mut limit = attached.start.send_credit as usize;
    while back < FLOOD {
        // All the credit at once, without a look at what comes down.
        while sent < FLOOD && sent + PIECE <= limit {
            attached.command(Command::TcpSend(send_bytes("s", pattern(sent, PIECE)))).await;
            sent += PIECE;
        }
        attached.read().await.expect("the stream goes on");
        while let Some(answer) = attached.answers.pop_front() {
            assert!(matches!(answer.result, Some(answer::Result::TcpSend(_))), "{answer:?}");
        }
        for credit in attached.credits.drain(..) {
            assert!(credit.send_limit as usize > limit);
            limit = credit.send_limit as usize;
        }
        while let Some(envelope) = attached.envelopes.pop_front() {
            let Some((offset, bytes)) = chunk(&envelope) else { continue };
            assert_eq!(offset as usize, back);
            assert!(bytes == pattern(back, bytes.len()), "at {back}");
            back += bytes.len();
        }
    }
    attached.command(Command::TcpDisconnect(disconnect("s"))).await;
    while attached.envelope().await.event() != Event::Disconnected {}
    drop(attached);
    gateway.released().await;
}

#[tokio::test]
async fn a_client_that_never_reads_its_answers_is_cut_off_past_the_bound_and_not_before() {
    const BOUND: usize = 100;
    let gateway = TestGateway::with(|limits| limits.attach_commands = BOUND).await;
    // Within the bound nobody minds.
    let mut attached = Attached::plain(gateway.sockets().await).await;
    let nobody = "x".repeat(128);
    let refused = || Command::TcpDisconnect(disconnect(&nobody));
    for _ in 0..BOUND {
        attached.command(refused()).await;
    }
    for id in 1..=BOUND as u64 {
        assert_eq!(attached.answer().await.0, id);
    }
    drop(attached);
    gateway.released().await;

    // HTTP/2's windows take the first answers; what is past them piles up.
    let (commands, mut down) =
        up_and_down(gateway.sockets().await, Command::Subscribe(AttachSubscribe::default())).await.expect("attaches");
    let sending = tokio::spawn(async move {
        for correlation_id in 1.. {
            let command = Some(Command::TcpDisconnect(disconnect(&"x".repeat(128))));
            if commands.send(proto::AttachRequest { correlation_id, command }).await.is_err() {
                break;
            }
        }
    });
    eventually("nothing more is read from it", || async { gateway.gateway.registry.tasks() == 0 }).await;
    let mut answers = 0;
    let status = loop {
        match within(down.message()).await {
            Ok(Some(message)) => {
                for answer in message.answers {
                    answers += 1;
                    assert_eq!(answer.correlation_id, answers, "no answer is left out");
                }
            }
            Ok(None) => panic!("it ended without a word"),
            Err(status) => break status,
        }
    };
    assert_eq!(reason(&status).0, "LIMIT_REACHED");
    assert_eq!(reason(&status).1["limit"], "attach_commands");
    assert!(answers >= BOUND as u64);
    drop(down);
    within(sending).await.expect("it notices");
    gateway.released().await;
}

#[tokio::test]
async fn an_acknowledged_stream_that_is_cut_again_and_again_has_no_gap_and_only_known_duplicates() {
    const FLOOD: usize = 6 * MIB;
    let gateway = TestGateway::start().await;
    let flood = Peer::floods(FLOOD).await;
    gateway.sockets().await.tcp_connect(named("s", flood.addr)).await.expect("connects");
    let mut subscription = SubscribeRequest::default();
    let (mut at, mut last, mut acked, mut cuts, mut doubled) = (0, 0, 0, 0, 0);
    while at < FLOOD {
        let mut attached = Attached::acknowledged(gateway.sockets().await, subscription.clone()).await;
        assert_eq!(attached.gap, None);
        let (instance_id, epoch) = (attached.start.instance_id.clone(), attached.start.epoch.clone());
        cuts += 1;
        let until = (at + FLOOD / 20).min(FLOOD);
        while at < until {
            let envelope = attached.envelope().await;
            if envelope.sequence <= last {
                doubled += 1;
                let Some((offset, bytes)) = chunk(&envelope) else { continue };
                assert!(offset as usize + bytes.len() <= at);
                assert!(bytes == pattern(offset as usize, bytes.len()), "the same again");
                continue;
            }
            last = envelope.sequence;
            let Some((offset, bytes)) = chunk(&envelope) else { continue };
            assert_eq!(offset as usize, at, "no gap, nothing twice");
            assert!(bytes == pattern(at, bytes.len()));
            at += bytes.len();
            // One is always left unacked, for the cut.
            acked = last - 1;
            attached.ack(acked).await;
        }
        // Now a client that has kept all it saw, now one that lost what it had not acked.
        let after_sequence = if cuts % 2 == 0 { last } else { acked };
        subscription.resume = Some(proto::Resume { instance_id, epoch, after_sequence });
        drop(attached);
    }
    assert!(cuts > 10 && doubled > 0, "{cuts} cuts, {doubled} doubled");
    let mut attached = Attached::acknowledged(gateway.sockets().await, subscription).await;
    gateway.sockets().await.tcp_disconnect(disconnect("s")).await.expect("disconnects");
    while attached.envelope().await.event() != Event::Disconnected {}
    attached.ack(u64::MAX).await;
    let sessions = gateway.sessions().await;
    eventually("nothing is held any more", || {
        let mut sessions = sessions.clone();
        async move {
            let left = look_at_subscriber(&mut sessions, "default").await.expect("exists");
            (left.backlog_envelopes, left.backlog_bytes, left.acknowledged) == (0, 0, true)
        }
    })
    .await;
    drop(attached);
    gateway.released().await;
}

#[tokio::test]
async fn without_acks_an_acknowledged_stream_stops_its_session_and_the_acks_of_one_free_only_it() {
    let gateway = TestGateway::start().await;
    let flood = Peer::floods(2 * MIB).await;
    let mut sockets = gateway.sockets().await;
    let mut attached = Attached::acknowledged(sockets.clone(), SubscribeRequest::default()).await;
    for id in ["a", "b"] {
        sockets.tcp_connect(named(id, flood.addr)).await.expect("connects");
    }
    let share = gateway.gateway.limits.now().session_backlog_bytes as u64;
    let sessions = gateway.sessions().await;
    let paused = |count: u32| {
        let sessions = sessions.clone();
        move || {
            let mut sessions = sessions.clone();
            async move {
                let subscriber = look_at_subscriber(&mut sessions, "default").await.expect("exists");
                subscriber.paused_sessions == count && subscriber.backlog_bytes <= 2 * (share + 256)
            }
        }
    };
    eventually("both sessions are paused", paused(2)).await;
    // Acks of one session only: it runs to its end, the other stays where it is.
    let (mut of_a, mut of_b) = (0, 0);
    while of_a < 2 * MIB {
        let envelope = attached.envelope().await;
        let Some((_, bytes)) = chunk(&envelope) else { continue };
        if envelope.session_id == "a" {
            of_a += bytes.len();
            let ack = proto::SessionAck { session_id: "a".into(), sequence: envelope.sequence };
            attached.command(Command::Ack(proto::Ack { sequence: 0, sessions: vec![ack] })).await;
        } else {
            of_b += bytes.len();
        }
    }
    assert!(of_b as u64 <= share, "{of_b} bytes of b without an ack");
    eventually("only one session is paused", paused(1)).await;
    for id in ["a", "b"] {
        let abort = proto::TcpDisconnectRequest { abort: true, ..disconnect(id) };
        sockets.tcp_disconnect(abort).await.expect("disconnects");
    }
    drop(attached);
    gateway.released().await;
}

#[tokio::test]
async fn a_retry_of_a_send_whose_answer_was_lost_is_refused_instead_of_doubled() {
    let gateway = TestGateway::start().await;
    let (peer, mut taken) = Peer::handing_over().await;
    gateway.sockets().await.tcp_connect(named("s", peer.addr)).await.expect("connects");
    let mut far = within(taken.recv()).await.expect("the connection");
    let mut attached = Attached::plain(gateway.sockets().await).await;
    let at = |offset: u64, what: &str| {
        Command::TcpSend(proto::TcpSendRequest { expected_write_offset: Some(offset), ..send("s", what) })
    };
    attached.command(at(0, "order")).await;
    // The connection breaks before the answer is read.
    let mut five = [0; 5];
    within(far.read_exact(&mut five)).await.expect("it was written");
    drop(attached);
    let mut attached = Attached::plain(gateway.sockets().await).await;
    let refused = attached.fails(at(0, "order")).await;
    assert_eq!(refused.error_code, "WRITE_OFFSET_MISMATCH");
    assert_eq!(metadata(&refused, "writeOffset"), "5");
    let answer::Result::TcpSend(sent) = attached.ask(at(5, "!")).await else { panic!("refused") };
    assert_eq!(sent.write_offset, 6);
    attached.command(Command::TcpDisconnect(disconnect("s"))).await;
    let mut rest = Vec::new();
    within(far.read_to_end(&mut rest)).await.expect("reads");
    assert_eq!((&five[..], &rest[..]), (&b"order"[..], &b"!"[..]));
    drop((far, attached));
    gateway.released().await;
}

#[tokio::test]
async fn an_idle_attach_stream_beats_when_asked_to() {
    let gateway = TestGateway::start().await;
    let subscription = SubscribeRequest { heartbeat_interval: seconds(1.0), ..Default::default() };
    let subscribe = AttachSubscribe { subscription: Some(subscription), delivery_mode: DeliveryMode::Plain.into() };
    let mut attached = Attached::open(gateway.sockets().await, subscribe).await.expect("attaches");
    while attached.heartbeats == 0 {
        attached.read().await.expect("the stream goes on");
    }
    drop(attached);
    gateway.released().await;
}
