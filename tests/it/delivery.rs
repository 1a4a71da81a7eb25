//! Data and events reach their subscriber: in order, at its pace, within bounds, and nobody waits for another.

use std::{collections::HashMap, time::Duration};

use socket_gateway::api::proto::{
    self, Event, Output, PayloadFormat, SubscribeRequest, TcpMode, data::Payload, datagram, envelope::Detail,
};
use tokio::{io::AsyncWriteExt, net::UdpSocket};

use crate::support::{
    Envelopes, TestGateway, bad_fields, connect_lines, connect_to, disconnect, eventually, listen_for, look,
    look_at_subscriber, pattern, peers::Peer, reason, seconds, send, stream::chunk, within,
};

const MIB: usize = 1024 * 1024;

fn for_subscriber(request: proto::TcpConnectRequest, subscriber: &str) -> proto::TcpConnectRequest {
    proto::TcpConnectRequest { subscriber: subscriber.into(), ..request }
}

fn resume(stream: &Envelopes, subscriber: &str) -> SubscribeRequest {
    let (instance_id, epoch) = (stream.start.instance_id.clone(), stream.start.epoch.clone());
    SubscribeRequest {
        subscriber: subscriber.into(),
        resume: Some(proto::Resume { instance_id, epoch, after_sequence: stream.last }),
        ..Default::default()
    }
}

/// Reads chunks of the pattern, which must go on from `from` without a hole, up to `to`.
async fn read_pattern(stream: &mut Envelopes, from: usize, to: usize) {
    let mut at = from;
    while at < to {
        let envelope = stream.next().await;
        let Some((offset, bytes)) = chunk(&envelope) else { continue };
        assert_eq!(offset as usize, at, "the byte offsets go on");
        assert_eq!(bytes, pattern(at, bytes.len()), "at {at}");
        at += bytes.len();
    }
}

#[tokio::test]
async fn a_subscriber_without_a_stream_keeps_its_backlog_until_one_attaches() {
    let gateway = TestGateway::start().await;
    let peer = Peer::says(b"hello").await;
    let (mut sockets, mut sessions) = (gateway.sockets().await, gateway.sessions().await);
    let session = sockets.tcp_connect(connect_to(peer.addr)).await.expect("connects").into_inner().session_id;
    eventually("hello was read", || {
        let mut sessions = sessions.clone();
        let session = session.clone();
        async move { look(&mut sessions, &session).await.bytes_received == 5 }
    })
    .await;
    let held = look_at_subscriber(&mut sessions, "default").await.expect("exists");
    assert_eq!((held.streams, held.backlog_envelopes), (0, 3));
    let mut stream = gateway.subscribe("").await;
    stream.expect(Event::Connecting).await;
    stream.expect(Event::Connected).await;
    assert_eq!(stream.data().await, Payload::Bytes("hello".into()));
    sockets.tcp_disconnect(disconnect(&session)).await.expect("disconnects");
    stream.until(Event::Disconnected).await;
    gateway.released().await;
}

#[tokio::test]
async fn a_flood_to_a_subscriber_that_does_not_read_blocks_its_peer_and_then_arrives_whole() {
    const FLOOD: usize = 16 * MIB;
    let gateway = TestGateway::start().await;
    let (peer, mut taken) = Peer::handing_over().await;
    let (mut sockets, mut sessions) = (gateway.sockets().await, gateway.sessions().await);
    let session = sockets.tcp_connect(connect_to(peer.addr)).await.expect("connects").into_inner().session_id;
    let mut far = within(taken.recv()).await.expect("the connection");
    let mut flood = tokio::spawn(async move {
        far.write_all(&pattern(0, FLOOD)).await.expect("the gateway takes it");
        far
    });
    eventually("reading is paused", || {
        let mut sessions = sessions.clone();
        let session = session.clone();
        async move { look(&mut sessions, &session).await.read_paused }
    })
    .await;
    let received = look(&mut sessions, &session).await.bytes_received;
    let held = look_at_subscriber(&mut sessions, "default").await.expect("exists");
    let share = gateway.gateway.limits.now().session_backlog_bytes as u64;
    assert!(received <= share && held.backlog_bytes <= share + 256, "{received} read, {} held", held.backlog_bytes);
    assert_eq!(held.paused_sessions, 1);
    // The kernel holds a few megabytes; the rest waits at the peer for as long as nobody reads.
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut flood).await.is_err(), "the peer's write blocks");
    assert_eq!(look(&mut sessions, &session).await.bytes_received, received);

    let mut stream = gateway.subscribe("").await;
    read_pattern(&mut stream, 0, FLOOD).await;
    let far = within(flood).await.expect("the write is over");
    assert!(!look(&mut sessions, &session).await.read_paused);
    drop(far);
    stream.until(Event::Disconnected).await;
    gateway.released().await;
}

#[tokio::test]
async fn a_flood_holds_up_neither_another_subscriber_nor_another_session_of_the_same() {
    let gateway = TestGateway::with(|limits| {
        limits.subscriber_backlog_bytes = MIB;
        limits.session_backlog_bytes = 256 * 1024;
    })
    .await;
    let (flood, echo) = (Peer::floods(4 * MIB).await, Peer::echo().await);
    let (mut sockets, sessions) = (gateway.sockets().await, gateway.sessions().await);
    let mut opened = Vec::new();
    for _ in 0..5 {
        let request = for_subscriber(connect_to(flood.addr), "slow");
        opened.push(sockets.tcp_connect(request).await.expect("connects").into_inner().session_id);
    }
    eventually("the subscriber is full", || {
        let mut sessions = sessions.clone();
        async move {
            let slow = look_at_subscriber(&mut sessions, "slow").await.expect("exists");
            slow.paused_sessions == 5 && slow.backlog_bytes >= MIB as u64
        }
    })
    .await;

    let mut quick = gateway.subscribe("quick").await;
    let request = for_subscriber(connect_to(echo.addr), "quick");
    let other = sockets.tcp_connect(request).await.expect("connects").into_inner().session_id;
    sockets.tcp_send(send(&other, "at once")).await.expect("sends");
    assert_eq!(quick.bytes(7).await, b"at once");

    let request = for_subscriber(connect_to(echo.addr), "slow");
    let prompt = sockets.tcp_connect(request).await.expect("connects").into_inner().session_id;
    sockets.tcp_send(send(&prompt, "soon")).await.expect("sends");
    eventually("a session with nothing waiting is still read", || {
        let mut sessions = sessions.clone();
        let prompt = prompt.clone();
        async move { look(&mut sessions, &prompt).await.bytes_received == 4 }
    })
    .await;
    let mut slow = gateway.subscribe("slow").await;
    let mut before = HashMap::<String, usize>::new();
    loop {
        let envelope = slow.next().await;
        let Some((_, bytes)) = chunk(&envelope) else { continue };
        if envelope.session_id == prompt {
            assert_eq!(bytes, b"soon");
            break;
        }
        *before.entry(envelope.session_id.clone()).or_default() += bytes.len();
    }
    // A turn is 16 KiB, or one chunk where that is more.
    assert!(before.values().all(|bytes| *bytes <= 2 * 64 * 1024), "it waited for {before:?}");

    for session in opened.iter().chain([&other, &prompt]) {
        let abort = proto::TcpDisconnectRequest { abort: true, ..disconnect(session) };
        sockets.tcp_disconnect(abort).await.expect("disconnects");
    }
    gateway.released().await;
}

#[tokio::test]
async fn a_flood_of_datagrams_loses_the_oldest_and_counts_them_exactly() {
    const SENT: u64 = 2000;
    let gateway = TestGateway::with(|limits| limits.session_backlog_bytes = 64 * 1024).await;
    let (mut sockets, mut sessions) = (gateway.sockets().await, gateway.sessions().await);
    let request = proto::UdpInRequest { host: "127.0.0.1".into(), ..Default::default() };
    let bound = sockets.udp_in(request).await.expect("binds").into_inner();
    let port = bound.listening.expect("is told").local_port as u16;
    let far = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    for n in 0..SENT {
        let mut payload = n.to_be_bytes().to_vec();
        payload.resize(500, 0);
        far.send_to(&payload, ("127.0.0.1", port)).await.expect("sends");
        if n % 100 == 99 {
            // In step with the gateway, so that the kernel has no reason to drop any.
            eventually("the datagrams were read", || {
                let mut sessions = sessions.clone();
                let session = bound.session_id.clone();
                async move { look(&mut sessions, &session).await.datagrams_received == n + 1 }
            })
            .await;
        }
    }
    let shown = look(&mut sessions, &bound.session_id).await;
    let held = look_at_subscriber(&mut sessions, "default").await.expect("exists");
    assert!(held.backlog_bytes <= 64 * 1024);
    assert_eq!(held.dropped, shown.datagrams_dropped);

    let mut stream = gateway.subscribe("").await;
    let (mut delivered, mut dropped, mut next) = (0, 0, 0);
    while next < SENT {
        let envelope = stream.until(Event::Data).await;
        let Some(Detail::Data(proto::Data { payload: Some(Payload::Datagram(datagram)), .. })) = envelope.detail else {
            panic!("no datagram")
        };
        let Some(datagram::Payload::Bytes(bytes)) = datagram.payload else { panic!("no bytes") };
        let n = u64::from_be_bytes(bytes[..8].try_into().expect("a number"));
        assert_eq!(envelope.dropped_before, n - next, "before {n}");
        dropped += envelope.dropped_before;
        delivered += 1;
        next = n + 1;
    }
    assert_eq!(delivered + dropped, SENT);
    assert_eq!(dropped, shown.datagrams_dropped);
    assert!(dropped > 0);
    sockets.tcp_disconnect(disconnect(&bound.session_id)).await.expect("closes");
    gateway.released().await;
}

#[tokio::test]
async fn each_of_several_streams_gets_every_envelope_in_the_same_order() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut sockets = gateway.sockets().await;
    let mut streams = vec![gateway.subscribe("").await, gateway.subscribe("").await, gateway.subscribe("").await];
    let session = sockets.tcp_connect(connect_to(echo.addr)).await.expect("connects").into_inner().session_id;
    for n in 0..50 {
        sockets.tcp_send(send(&session, &format!("{n};"))).await.expect("sends");
    }
    let sessions = gateway.sessions().await;
    eventually("all came back", || {
        let (mut sessions, session) = (sessions.clone(), session.clone());
        async move { look(&mut sessions, &session).await.bytes_received == 140 }
    })
    .await;
    sockets.tcp_disconnect(disconnect(&session)).await.expect("disconnects");
    let mut all = Vec::new();
    for stream in &mut streams {
        let mut got = Vec::new();
        loop {
            let envelope = stream.next().await;
            let last = envelope.event() == Event::Disconnected;
            got.push(envelope);
            if last {
                break;
            }
        }
        all.push(got);
    }
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
    let sequences: Vec<u64> = all[0].iter().map(|envelope| envelope.sequence).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
    gateway.released().await;
}

#[tokio::test]
async fn a_stream_gets_only_the_outputs_and_sessions_it_asked_for() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut sockets = gateway.sockets().await;
    let named = |id: &str| proto::TcpConnectRequest { session_id: id.into(), ..connect_to(echo.addr) };
    let filtered = |outputs: &[Output], sessions: &[&str]| SubscribeRequest {
        outputs: outputs.iter().map(|output| (*output).into()).collect(),
        session_ids: sessions.iter().map(|id| (*id).to_owned()).collect(),
        ..Default::default()
    };
    let mut events = gateway.subscribe_with(filtered(&[Output::Events], &[])).await;
    let mut of_b = gateway.subscribe_with(filtered(&[], &["b"])).await;
    let mut data_of_a = gateway.subscribe_with(filtered(&[Output::Data], &["a"])).await;
    for id in ["a", "b"] {
        sockets.tcp_connect(named(id)).await.expect("connects");
    }
    for id in ["a", "b"] {
        sockets.tcp_send(send(id, id)).await.expect("sends");
    }
    let first = data_of_a.next().await;
    assert_eq!((first.event(), first.session_id.as_str()), (Event::Data, "a"));
    let mut expected = vec![Event::Connecting, Event::Connected, Event::Data];
    while let Some(event) = expected.first().copied() {
        let envelope = of_b.next().await;
        assert_eq!((envelope.event(), envelope.session_id.as_str()), (event, "b"));
        expected.remove(0);
    }
    for id in ["a", "b"] {
        sockets.tcp_disconnect(disconnect(id)).await.expect("disconnects");
    }
    let (mut ended, mut seen) = (0, 0);
    while ended < 2 {
        let envelope = events.next().await;
        assert_eq!(envelope.output(), Output::Events);
        ended += usize::from(envelope.event() == Event::Disconnected);
        seen += 1;
    }
    assert_eq!(seen, 8);
    gateway.released().await;
}

#[tokio::test]
async fn a_stream_of_events_does_not_stop_the_data_that_a_later_stream_takes() {
    let gateway = TestGateway::start().await;
    let flood = Peer::floods(2 * MIB).await;
    let (mut sockets, sessions) = (gateway.sockets().await, gateway.sessions().await);
    let only = |output: Output| SubscribeRequest { outputs: vec![output.into()], ..Default::default() };
    let mut events = gateway.subscribe_with(only(Output::Events)).await;
    let session = sockets.tcp_connect(connect_to(flood.addr)).await.expect("connects").into_inner().session_id;
    events.until(Event::Connected).await;
    eventually("reading is paused", || {
        let mut sessions = sessions.clone();
        let session = session.clone();
        async move { look(&mut sessions, &session).await.read_paused }
    })
    .await;
    let mut data = gateway.subscribe_with(only(Output::Data)).await;
    read_pattern(&mut data, 0, 2 * MIB).await;
    sockets.tcp_disconnect(disconnect(&session)).await.expect("disconnects");
    events.until(Event::Disconnected).await;
    gateway.released().await;
}

#[tokio::test]
async fn a_stream_that_reads_nothing_for_the_stall_limit_is_ended_and_the_rest_waits_for_the_next() {
    const FLOOD: usize = 8 * MIB;
    const STALL: Duration = Duration::from_millis(400);
    let gateway = TestGateway::with(|limits| limits.stall_timeout = STALL).await;
    let flood = Peer::floods(FLOOD).await;
    let (mut sockets, sessions) = (gateway.sockets().await, gateway.sessions().await);
    let mut stream = gateway.subscribe("").await;
    let session = sockets.tcp_connect(connect_to(flood.addr)).await.expect("connects").into_inner().session_id;
    // HTTP/2's windows take the first megabytes.
    eventually("reading is paused", || {
        let mut sessions = sessions.clone();
        let session = session.clone();
        async move { look(&mut sessions, &session).await.read_paused }
    })
    .await;
    // Only time makes a stall; it is looked for four times in each limit.
    tokio::time::sleep(STALL * 3).await;
    let mut at = 0;
    let status = loop {
        match stream.try_next().await {
            Ok(envelope) => {
                if let Some((offset, bytes)) = chunk(&envelope) {
                    assert_eq!(offset as usize, at);
                    at += bytes.len();
                }
            }
            Err(status) => break status.expect("a status"),
        }
    };
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    assert_eq!(reason(&status).0, "STREAM_STALLED");
    assert!(at < FLOOD);
    let mut next = gateway.subscribe_with(resume(&stream, "")).await;
    assert_eq!(next.gap, None);
    read_pattern(&mut next, at, FLOOD).await;
    sockets.tcp_disconnect(disconnect(&session)).await.expect("disconnects");
    next.until(Event::Disconnected).await;
    gateway.released().await;
}

#[tokio::test]
async fn a_stream_resumed_after_its_connection_was_cut_goes_on_without_loss() {
    const FLOOD: usize = 8 * MIB;
    let gateway = TestGateway::with(|limits| limits.subscriber_retained_bytes = 16 * MIB).await;
    let flood = Peer::floods(FLOOD).await;
    let mut sockets = gateway.sockets().await;
    let mut stream = gateway.subscribe("").await;
    let session = sockets.tcp_connect(connect_to(flood.addr)).await.expect("connects").into_inner().session_id;
    let mut at = 0;
    for cut in 1..=8 {
        while at < cut * FLOOD / 9 {
            let envelope = stream.next().await;
            let Some((offset, bytes)) = chunk(&envelope) else { continue };
            assert_eq!(offset as usize, at);
            assert_eq!(bytes, pattern(at, bytes.len()));
            at += bytes.len();
        }
        let again = resume(&stream, "");
        drop(stream);
        stream = gateway.subscribe_with(again).await;
        assert_eq!(stream.gap, None);
    }
    read_pattern(&mut stream, at, FLOOD).await;
    sockets.tcp_disconnect(disconnect(&session)).await.expect("disconnects");
    stream.until(Event::Disconnected).await;
    gateway.released().await;
}

#[tokio::test]
async fn a_resume_further_back_than_what_is_kept_tells_the_exact_gap() {
    const FLOOD: usize = 2 * MIB;
    let gateway = TestGateway::with(|limits| limits.subscriber_retained_bytes = 64 * 1024).await;
    let flood = Peer::floods(FLOOD).await;
    let mut sockets = gateway.sockets().await;
    let mut stream = gateway.subscribe("").await;
    let session = sockets.tcp_connect(connect_to(flood.addr)).await.expect("connects").into_inner().session_id;
    stream.until(Event::Connected).await;
    let early = resume(&stream, "");
    // Where each sequence ends in the byte stream, to check what the gap leaves out.
    let mut ends = HashMap::new();
    let mut at = 0;
    while at < FLOOD {
        let envelope = stream.next().await;
        let Some((_, bytes)) = chunk(&envelope) else { continue };
        at += bytes.len();
        ends.insert(envelope.sequence, at);
    }
    let mut resumed = gateway.subscribe_with(early).await;
    let gap = resumed.gap.expect("a gap");
    assert_eq!(gap.first_sequence, 3, "connecting and connected were seen");
    let first = resumed.next().await;
    assert_eq!(first.sequence, gap.last_sequence + 1);
    let (offset, bytes) = chunk(&first).expect("data");
    assert_eq!(offset as usize, ends[&gap.last_sequence]);
    let from = offset as usize + bytes.len();
    assert!(FLOOD - offset as usize <= 64 * 1024);
    read_pattern(&mut resumed, from, FLOOD).await;
    sockets.tcp_disconnect(disconnect(&session)).await.expect("disconnects");
    resumed.until(Event::Disconnected).await;
    gateway.released().await;
}

#[tokio::test]
async fn a_resume_against_another_instance_or_another_life_of_the_subscriber_fails_loudly() {
    let gateway = TestGateway::with(|limits| limits.subscriber_idle_timeout = Duration::from_millis(100)).await;
    let sockets = gateway.sockets().await;
    let stream = gateway.subscribe("mine").await;
    let mut request = resume(&stream, "mine");

    let mut ahead = request.clone();
    ahead.resume.as_mut().expect("set").after_sequence = 7;
    let refused = Envelopes::open(sockets.clone(), ahead).await.err().expect("nothing was handed out yet");
    assert_eq!(reason(&refused).0, "REQUEST_INVALID");
    assert_eq!(bad_fields(&refused), ["resume.after_sequence"]);

    let mut elsewhere = request.clone();
    elsewhere.resume.as_mut().expect("set").instance_id = "another".into();
    let refused = Envelopes::open(sockets.clone(), elsewhere).await.err().expect("another process");
    assert_eq!((refused.code(), reason(&refused).0.as_str()), (tonic::Code::FailedPrecondition, "INSTANCE_CHANGED"));
    assert_eq!(reason(&refused).1["instanceId"], stream.start.instance_id);

    let epoch = stream.start.epoch.clone();
    drop(stream);
    eventually("the idle subscriber is removed", || async {
        look_at_subscriber(&mut gateway.sessions().await, "mine").await.is_none()
    })
    .await;
    let refused = Envelopes::open(sockets.clone(), request.clone()).await.err().expect("another life");
    assert_eq!((refused.code(), reason(&refused).0.as_str()), (tonic::Code::FailedPrecondition, "EPOCH_CHANGED"));
    request.resume = None;
    let fresh = Envelopes::open(sockets, request).await.expect("without resume");
    assert_ne!(fresh.start.epoch, epoch);
    gateway.released().await;
}

#[tokio::test]
async fn an_idle_stream_beats_when_asked_to_and_not_faster_than_once_a_second() {
    let gateway = TestGateway::start().await;
    let beating = |interval| SubscribeRequest { heartbeat_interval: seconds(interval), ..Default::default() };
    let refused = Envelopes::open(gateway.sockets().await, beating(0.5)).await.err().expect("too fast");
    assert_eq!(bad_fields(&refused), ["heartbeat_interval"]);
    let mut stream = gateway.subscribe_with(beating(1.0)).await;
    for _ in 0..2 {
        let message = stream.message().await.expect("goes on").expect("a message");
        assert_eq!(message.heartbeat.expect("a heartbeat").last_sequence, 0);
        assert!(message.envelopes.is_empty());
    }
    gateway.released().await;
}

#[tokio::test]
async fn payloads_are_shown_as_text_or_as_bytes_as_asked() {
    let gateway = TestGateway::start().await;
    let peer = Peer::says(b"caf\xc3\xa9\n").await;
    let broken = Peer::says(b"\xff\xfe\n").await;
    let mut sockets = gateway.sockets().await;
    let text = |bytes: &'static str| Payload::Text(bytes.into());
    let raw = |bytes: &'static [u8]| Payload::Bytes(bytes.into());
    let cases = [
        (PayloadFormat::Unspecified, TcpMode::Binary, raw(b"caf\xc3\xa9\n"), raw(b"\xff\xfe\n")),
        (PayloadFormat::Text, TcpMode::Binary, text("café\n"), raw(b"\xff\xfe\n")),
        (PayloadFormat::Bytes, TcpMode::Binary, raw(b"caf\xc3\xa9\n"), raw(b"\xff\xfe\n")),
        (PayloadFormat::Unspecified, TcpMode::Line, text("café"), raw(b"\xff\xfe")),
        (PayloadFormat::Text, TcpMode::Line, text("café"), raw(b"\xff\xfe")),
        (PayloadFormat::Bytes, TcpMode::Line, raw(b"caf\xc3\xa9"), raw(b"\xff\xfe")),
    ];
    for (format, mode, valid, invalid) in cases {
        let request = SubscribeRequest {
            payload_format: format.into(),
            outputs: vec![Output::Data.into()],
            ..Default::default()
        };
        for (addr, expected) in [(peer.addr, valid), (broken.addr, invalid)] {
            let mut stream = gateway.subscribe_with(request.clone()).await;
            let connect = proto::TcpConnectRequest { mode: mode.into(), ..connect_to(addr) };
            let session = sockets.tcp_connect(connect).await.expect("connects").into_inner().session_id;
            assert_eq!(stream.data().await, expected, "{format:?} {mode:?}");
            sockets.tcp_disconnect(disconnect(&session)).await.expect("disconnects");
            gateway.released().await;
        }
    }
}

#[tokio::test]
async fn a_listener_whose_subscriber_cannot_take_connected_stops_accepting_and_goes_on_later() {
    let gateway = TestGateway::with(|limits| limits.subscriber_events = 4).await;
    let (mut sockets, mut sessions) = (gateway.sockets().await, gateway.sessions().await);
    let listening = sockets.tcp_listen(listen_for("late")).await.expect("listens").into_inner();
    let port = listening.listening.expect("is told").local_port as u16;
    let mut peers = Vec::new();
    for _ in 0..10 {
        peers.push(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("the kernel answers"));
    }
    let accepted = |sessions: &mut crate::support::Sessions| {
        let mut sessions = sessions.clone();
        async move {
            let all = sessions.list_listeners(proto::ListListenersRequest::default()).await.expect("lists");
            all.into_inner().listeners[0].accepted
        }
    };
    eventually("three were accepted", || {
        let accepted = accepted(&mut sessions);
        async move { accepted.await == 3 }
    })
    .await;
    let dialled = sockets.tcp_connect(for_subscriber(connect_to(([127, 0, 0, 1], port).into()), "late")).await;
    let refused = dialled.expect_err("its subscriber takes no more events");
    assert_eq!(reason(&refused).0, "LIMIT_REACHED");
    assert_eq!(reason(&refused).1["limit"], "subscriber_events");
    assert_eq!(accepted(&mut sessions).await, 3, "listening and three times connected are four events");

    let mut stream = gateway.subscribe("late").await;
    let mut connected = 0;
    while connected < 10 {
        connected += usize::from(stream.next().await.event() == Event::Connected);
    }
    drop(peers);
    let unlisten = proto::TcpUnlistenRequest {
        listener_id: listening.listener_id,
        close_sessions: true,
        subscriber: "late".into(),
        ..Default::default()
    };
    sockets.tcp_unlisten(unlisten).await.expect("closes");
    gateway.released().await;
}

#[tokio::test]
async fn a_peer_that_comes_while_all_sessions_are_in_use_waits_and_is_not_let_go() {
    let gateway = TestGateway::with(|limits| limits.sessions = 1).await;
    let echo = Peer::echo().await;
    let mut sockets = gateway.sockets().await;
    let listening = sockets.tcp_listen(listen_for("")).await.expect("listens").into_inner();
    let port = listening.listening.expect("is told").local_port as u16;
    // The listener waits for a connection already when the last session is taken.
    let first = sockets.tcp_connect(connect_to(echo.addr)).await.expect("connects").into_inner().session_id;
    let mut peer = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("the kernel answers");
    peer.write_all(b"patience").await.expect("writes");
    sockets.tcp_send(send(&first, "goes on")).await.expect("sends");
    let mut stream = gateway.subscribe("").await;
    assert_eq!(stream.bytes(7).await, b"goes on");
    sockets.tcp_disconnect(disconnect(&first)).await.expect("disconnects");
    stream.until(Event::Connected).await;
    assert_eq!(stream.bytes(8).await, b"patience");
    drop(peer);
    let unlisten = proto::TcpUnlistenRequest { listener_id: listening.listener_id, ..Default::default() };
    sockets.tcp_unlisten(unlisten).await.expect("closes");
    gateway.released().await;
}

#[tokio::test]
async fn a_flood_of_empty_lines_stays_within_bounds_and_arrives_whole() {
    const LINES: usize = 60_000;
    let gateway = TestGateway::start().await;
    let (peer, mut taken) = Peer::handing_over().await;
    let (mut sockets, mut sessions) = (gateway.sockets().await, gateway.sessions().await);
    let session = sockets.tcp_connect(connect_lines(peer.addr)).await.expect("connects").into_inner().session_id;
    let mut far = within(taken.recv()).await.expect("the connection");
    far.write_all(&vec![b'\n'; LINES]).await.expect("the kernel takes it");
    eventually("reading is paused", || {
        let mut sessions = sessions.clone();
        let session = session.clone();
        async move { look(&mut sessions, &session).await.read_paused }
    })
    .await;
    let held = look_at_subscriber(&mut sessions, "default").await.expect("exists");
    let share = gateway.gateway.limits.now().session_backlog_bytes as u64;
    assert!(held.backlog_bytes <= share + 1024, "{} bytes held", held.backlog_bytes);
    let mut stream = gateway.subscribe("").await;
    for at in 0..LINES as u64 {
        let envelope = stream.until(Event::Data).await;
        let Some(Detail::Data(data)) = envelope.detail else { panic!("no data") };
        assert_eq!((data.offset, data.next_offset), (at, at + 1));
        assert_eq!(data.payload, Some(Payload::Text(String::new())));
    }
    drop(far);
    stream.until(Event::Disconnected).await;
    gateway.released().await;
}
