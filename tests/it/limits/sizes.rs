//! How large a thing may be.

use socket_gateway::api::proto::{self, Event, TcpMode, envelope::Detail};
use tokio::io::AsyncWriteExt;
use tonic::Code;

use super::Rig;
use crate::support::{
    bad_fields, bytes,
    calls::{connected, exchange, fails, send_as},
    connect_to, disconnect, eventually, look, look_at_subscriber, pattern,
    peers::Peer,
    send, send_bytes, text, within,
};

const KIB: usize = 1024;

/// Refused before anything is written, and told which field and which limit.
async fn payload_refused(rig: &Rig, request: proto::TcpSendRequest, limit: &str) {
    let refused = rig.sockets().await.tcp_send(request).await.expect_err("too much");
    assert_eq!(bad_fields(&refused), ["payload"]);
    assert!(refused.message().contains(limit), "{refused:?}");
    fails::<()>(Err(refused), Code::InvalidArgument, "PAYLOAD_INVALID");
}

pub async fn payload_bytes(rig: &Rig) {
    rig.low(|limits| limits.payload_bytes = 10);
    let mut sockets = rig.sockets().await;
    let id = connected(&mut sockets, connect_to(rig.echo.addr)).await;
    sockets.tcp_send(send(&id, "0123456789")).await.expect("as much as may be");
    payload_refused(rig, send(&id, "0123456789a"), "limits.payload_bytes").await;
    assert_eq!(look(&mut rig.sessions().await, &id).await.bytes_sent, 10);
}

pub async fn payload_items(rig: &Rig) {
    rig.low(|limits| limits.payload_items = 2);
    let mut sockets = rig.sockets().await;
    let id = connected(&mut sockets, connect_to(rig.echo.addr)).await;
    let items = |count| proto::TcpSendRequest { payload: vec![text("x"); count], ..send(&id, "") };
    sockets.tcp_send(items(2)).await.expect("as many as may be");
    payload_refused(rig, items(3), "limits.payload_items").await;
    assert_eq!(look(&mut rig.sessions().await, &id).await.bytes_sent, 2);
}

/// Lines that outgrow what may be collected for a wait_for go to the holder of the data claim, and the exchange fails.
pub async fn line_held_bytes(rig: &Rig) {
    rig.low(|limits| limits.line_held_bytes = 20);
    let (mut sockets, (peer, mut taken)) = (rig.sockets().await, Peer::handing_over().await);
    let mut data = rig.gateway.subscribe("").await;
    let lines = proto::TcpConnectRequest { mode: TcpMode::Line.into(), ..connect_to(peer.addr) };
    let id = connected(&mut sockets, lines).await;
    let mut far = within(taken.recv()).await.expect("the connection");
    let asked = tokio::spawn({
        let (mut sockets, request) = (sockets.clone(), exchange(&id, "?\n", "^end$"));
        async move { sockets.tcp_exchange(request).await }
    });
    let mut sessions = rig.sessions().await;
    eventually("it is asked", || {
        let (mut sessions, id) = (sessions.clone(), id.clone());
        async move { look(&mut sessions, &id).await.bytes_sent == 2 }
    })
    .await;
    far.write_all(b"ten bytes!\nten bytes!\nten bytes!\n").await.expect("writes");
    let failed = within(asked).await.expect("no panic");
    let metadata = fails(failed, Code::ResourceExhausted, "LIMIT_REACHED");
    assert_eq!((metadata["limit"].as_str(), metadata["value"].as_str()), ("line_held_bytes", "20"));
    let payload = crate::support::stream::payload(data.until(Event::Data).await);
    assert!(matches!(payload, proto::data::Payload::Flushed(flushed) if flushed.lines.len() >= 2));
    assert_eq!(look(&mut sessions, &id).await.bytes_received, 33);
}

pub async fn pattern_nesting(rig: &Rig) {
    rig.low(|limits| limits.pattern_nesting = 3);
    let mut sockets = rig.sockets().await;
    let lines = proto::TcpConnectRequest { mode: TcpMode::Line.into(), ..connect_to(rig.echo.addr) };
    let id = connected(&mut sockets, lines).await;
    let wait = |pattern: &str| proto::TcpSendRequest { wait_for: Some(pattern.into()), ..send_as("s", &id, "x\n") };
    sockets.tcp_send(wait("((x))")).await.expect("as deep as may be");
    fails(sockets.tcp_send(wait("((((((x))))))")).await, Code::InvalidArgument, "WAIT_FOR_INVALID");
}

/// A message of a stream has no more than so many envelopes, and bytes, however much waits.
pub async fn batch_envelopes(rig: &Rig) {
    rig.low(|limits| limits.batch_envelopes = 3);
    let sizes = messages_of_a_backlog(rig).await;
    assert!(sizes.iter().all(|(envelopes, _)| *envelopes <= 3), "{sizes:?}");
}

pub async fn batch_bytes(rig: &Rig) {
    rig.low(|limits| limits.batch_bytes = 2 * KIB);
    let sizes = messages_of_a_backlog(rig).await;
    // One envelope may exceed it.
    assert!(sizes.iter().all(|(envelopes, bytes)| *envelopes == 1 || *bytes <= 2 * KIB), "{sizes:?}");
    assert!(sizes.iter().any(|(_, bytes)| *bytes > KIB), "{sizes:?}");
}

/// Of datagrams that waited for a stream: how many envelopes, and bytes, each message brought.
async fn messages_of_a_backlog(rig: &Rig) -> Vec<(usize, usize)> {
    const DATAGRAMS: usize = 50;
    let mut sockets = rig.sockets().await;
    let request = proto::UdpInRequest { host: "127.0.0.1".into(), ..Default::default() };
    let bound = sockets.udp_in(request).await.expect("binds").into_inner();
    let address = crate::support::calls::address(&bound.listening.expect("an address"));
    let source = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    for n in 0..DATAGRAMS {
        source.send_to(&pattern(n, 500), address).await.expect("is sent");
    }
    eventually("all wait", || {
        let id = bound.session_id.clone();
        async move { look(&mut rig.sessions().await, &id).await.datagrams_received == DATAGRAMS as u64 }
    })
    .await;
    let mut stream = rig.gateway.subscribe("").await;
    let (mut sizes, mut come) = (Vec::new(), 0);
    while come < DATAGRAMS {
        let message = stream.message().await.expect("goes on").expect("goes on");
        let lens = message.envelopes.iter().filter_map(|envelope| match &envelope.detail {
            Some(Detail::Data(data)) => match data.payload.as_ref()? {
                proto::data::Payload::Datagram(datagram) => match datagram.payload.as_ref()? {
                    proto::datagram::Payload::Bytes(bytes) => Some(bytes.len()),
                    proto::datagram::Payload::Text(text) => Some(text.len()),
                },
                other => panic!("not a datagram: {other:?}"),
            },
            _ => None,
        });
        let lens: Vec<usize> = lens.collect();
        come += lens.len();
        sizes.push((message.envelopes.len(), lens.iter().sum()));
    }
    assert_eq!(come, DATAGRAMS, "none is missing");
    sizes
}

/// Reports that nobody fetches are dropped beyond the limit; their callers have them as answers, and the next report counts them.
pub async fn subscriber_reports(rig: &Rig) {
    rig.low(|limits| {
        limits.subscriber_reports = 4;
        // Nobody holds it while its reports pile up.
        limits.subscriber_idle_timeout = std::time::Duration::from_secs(300);
    });
    let mut sockets = rig.sockets().await;
    for _ in 0..10 {
        let failed = sockets.tcp_send(send_as("reports", "nobody", "x")).await;
        fails(failed, Code::NotFound, "SESSION_NOT_FOUND");
    }
    let waits = look_at_subscriber(&mut rig.sessions().await, "reports").await.expect("it lives");
    assert_eq!(waits.backlog_envelopes, 4);
    let mut stream = rig.gateway.subscribe("reports").await;
    for _ in 0..4 {
        stream.error("SESSION_NOT_FOUND").await;
    }
    fails(sockets.tcp_send(send_as("reports", "nobody", "x")).await, Code::NotFound, "SESSION_NOT_FOUND");
    assert_eq!(stream.error("SESSION_NOT_FOUND").await.dropped_before, 6);
}

/// Bytes of a flood that nobody takes wait in the kernel, in a buffer of about this size, and not in one that grows to megabytes.
pub async fn socket_receive_buffer_bytes(rig: &Rig) {
    let mut taken = Vec::new();
    for buffer in [4 * KIB, 1024 * KIB] {
        rig.low(|limits| (limits.socket_receive_buffer_bytes, limits.session_backlog_bytes) = (buffer, 8 * KIB));
        let (mut sockets, (peer, mut connections)) = (rig.sockets().await, Peer::handing_over().await);
        let id = connected(&mut sockets, connect_to(peer.addr)).await;
        let mut far = within(connections.recv()).await.expect("the connection");
        // What the far end's own buffer holds is the same with both.
        socket2::SockRef::from(&far).set_send_buffer_size(4 * KIB).expect("a buffer");
        let (mut all, piece) = (0, vec![0; 4 * KIB]);
        while let Ok(written) = tokio::time::timeout(std::time::Duration::from_secs(1), far.write(&piece)).await {
            all += written.expect("it lives");
        }
        taken.push(all);
        let request = proto::TcpDisconnectRequest { abort: true, ..disconnect(&id) };
        sockets.tcp_disconnect(request).await.expect("ends");
    }
    assert!(taken[0] < 256 * KIB && taken[1] > 2 * taken[0], "{taken:?}");
}

/// One session may still read a little while the backlog of its subscriber is full of another's.
pub async fn full_backlog_read_bytes(rig: &Rig) {
    rig.low(|limits| {
        (limits.subscriber_backlog_bytes, limits.session_backlog_bytes) = (64 * KIB, 64 * KIB);
        limits.full_backlog_read_bytes = KIB;
    });
    let (mut sockets, flood) = (rig.sockets().await, Peer::floods(KIB * KIB).await);
    connected(&mut sockets, connect_to(flood.addr)).await;
    let full = || async {
        let seen = look_at_subscriber(&mut rig.sessions().await, "default").await;
        seen.is_some_and(|seen| seen.paused_sessions == 1)
    };
    eventually("the backlog is full", full).await;
    let second = connected(&mut sockets, connect_to(flood.addr)).await;
    let read = || {
        let id = second.clone();
        async move { look(&mut rig.sessions().await, &id).await }
    };
    eventually("the second is read and paused", || async { read().await.read_paused }).await;
    let received = read().await.bytes_received as usize;
    assert!((1..=KIB).contains(&received), "{received}");
}

pub async fn grpc_message_bytes(rig: &Rig) {
    rig.low(|limits| limits.payload_bytes = 1 << 30);
    let mut sockets = rig.sockets().await;
    let id = connected(&mut sockets, connect_to(rig.echo.addr)).await;
    let most = socket_gateway::limits::Limits::default().grpc_message_bytes;
    let refused = within(sockets.tcp_send(send_bytes(&id, vec![0; most]))).await.expect_err("the message is larger");
    assert_eq!(refused.code(), Code::OutOfRange, "{refused:?}");
    assert_eq!(look(&mut rig.sessions().await, &id).await.bytes_sent, 0);
    let fits = proto::TcpSendRequest { payload: vec![bytes(vec![0; most - KIB])], ..send(&id, "") };
    within(sockets.tcp_send(fits)).await.expect("one that fits is served");
}
