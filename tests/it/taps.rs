use std::{sync::Arc, time::Duration};

use serde_json::Value;
use socket_gateway::{
    api::proto::{self, CloseReason, TapDirection, TapFormat},
    audit::Target,
    error::Reason,
    gateway::{Gateway, TapSpec},
    identity::{Caller, Role},
    limits::Limits,
};
use tonic::{Code, Streaming};

use crate::support::{
    TestGateway, bytes,
    calls::{connected, fails},
    connect_to, disconnect, eventually, look, pattern,
    peers::Peer,
    send, within,
};

struct TapReader {
    stream: Streaming<proto::TapResponse>,
    records: Vec<proto::TapRecord>,
    end: Option<proto::TapEnd>,
}

fn tap_of(session_id: &str, format: TapFormat) -> proto::TapRequest {
    proto::TapRequest { session_id: session_id.into(), format: format.into(), ..Default::default() }
}

impl TapReader {
    /// Begins; the session has been shown.
    async fn open(gateway: &TestGateway, request: proto::TapRequest) -> Self {
        let session = request.session_id.clone();
        let mut stream = gateway.sessions().await.tap(request).await.expect("taps").into_inner();
        let first = within(stream.message()).await.expect("goes on").expect("a message");
        assert_eq!(first.session.expect("the session").session_id, session);
        Self { stream, records: Vec::new(), end: None }
    }

    /// Reads the next message; false at the end of the stream.
    async fn more(&mut self) -> bool {
        let Some(message) = within(self.stream.message()).await.expect("goes on") else { return false };
        self.records.extend(message.records);
        self.end = message.end.or(self.end);
        true
    }

    fn of(&self, direction: TapDirection) -> Vec<u8> {
        let mut joined = Vec::new();
        for record in self.records.iter().filter(|record| record.direction() == direction) {
            assert_eq!(record.offset, joined.len() as u64, "records join up");
            assert_eq!(record.size as usize, record.bytes.len());
            joined.extend_from_slice(&record.bytes);
        }
        joined
    }

    async fn until(&mut self, direction: TapDirection, count: usize) -> Vec<u8> {
        loop {
            let seen = self.of(direction);
            if seen.len() >= count {
                return seen;
            }
            assert!(self.more().await, "the tap goes on");
        }
    }
}

#[tokio::test]
async fn a_tap_shows_the_exact_bytes_of_both_directions_and_the_end() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    let mut events = gateway.subscribe("").await;
    let peer = Peer::echo().await;
    let session = connected(&mut sockets, connect_to(peer.addr)).await;
    let mut tap = TapReader::open(&gateway, tap_of(&session, TapFormat::Bytes)).await;
    let sent = pattern(0, 300_000);
    for chunk in sent.chunks(70_000) {
        // Several items, some far longer than a record.
        let payload = vec![bytes(&chunk[..10]), bytes(&chunk[10..])];
        let request = proto::TcpSendRequest { session_id: session.clone(), payload, ..Default::default() };
        sockets.tcp_send(request).await.expect("sends");
        // In step, so that the tap's queue has room.
        tap.until(TapDirection::Sent, tap.of(TapDirection::Sent).len() + chunk.len()).await;
        tap.until(TapDirection::Received, tap.of(TapDirection::Sent).len()).await;
    }
    assert_eq!(events.bytes(sent.len()).await, sent);
    assert!(tap.of(TapDirection::Sent) == sent && tap.of(TapDirection::Received) == sent);
    assert!(tap.records.iter().all(|record| record.size <= 4096 && record.lost_records == 0));
    sockets.tcp_disconnect(disconnect(&session)).await.expect("disconnects");
    while tap.more().await {}
    assert_eq!(tap.end.expect("an end").reason(), CloseReason::ByRequest);
    gateway.released().await;
}

#[tokio::test]
async fn people_read_hex_and_text_and_only_what_comes_after_they_began() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    let mut events = gateway.subscribe("").await;
    let peer = Peer::echo().await;
    let session = connected(&mut sockets, connect_to(peer.addr)).await;
    sockets.tcp_send(send(&session, "before")).await.expect("sends");
    assert_eq!(events.bytes(6).await, b"before");
    let mut tap = TapReader::open(&gateway, tap_of(&session, TapFormat::Unspecified)).await;
    sockets.tcp_send(send(&session, "hi\u{1b}[2J\r\n")).await.expect("sends");
    while tap.records.len() < 2 {
        assert!(tap.more().await);
    }
    for record in &tap.records {
        assert_eq!((record.text.as_str(), record.hex.as_str()), (r"hi\x1b[2J\r\n", "68 69 1b 5b 32 4a 0d 0a"));
        assert_eq!((record.offset, record.size, record.bytes.len()), (6, 8, 0));
        assert!(record.time.is_some());
    }
    let directions: Vec<_> = tap.records.iter().map(proto::TapRecord::direction).collect();
    assert!(directions.contains(&TapDirection::Sent) && directions.contains(&TapDirection::Received));
}

#[tokio::test]
async fn datagrams_are_shown_with_their_other_side() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    let request = proto::UdpInRequest { host: "127.0.0.1".into(), session_id: "udp".into(), ..Default::default() };
    let bound = sockets.udp_in(request).await.expect("binds").into_inner();
    let port = bound.listening.expect("an address").local_port;
    let far = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    let far_port = u32::from(far.local_addr().expect("an address").port());
    let mut tap = TapReader::open(&gateway, tap_of("udp", TapFormat::Bytes)).await;
    far.send_to(b"ping", ("127.0.0.1", u16::try_from(port).expect("a port"))).await.expect("sends");
    assert_eq!(tap.until(TapDirection::Received, 4).await, b"ping");
    let out = proto::UdpOutRequest {
        host: "127.0.0.1".into(),
        port: far_port,
        payload: Some(bytes(*b"pong!")),
        session_id: "udp".into(),
        ..Default::default()
    };
    sockets.udp_out(out).await.expect("sends");
    assert_eq!(tap.until(TapDirection::Sent, 5).await, b"pong!");
    assert!(tap.records.iter().all(|record| (record.peer_host.as_str(), record.peer_port) == ("127.0.0.1", far_port)));
}

#[tokio::test]
async fn a_tapper_that_does_not_read_loses_records_and_the_session_nothing() {
    const FLOOD: usize = 16 * 1024 * 1024;
    let gateway = TestGateway::with(|limits| limits.tap_queue_bytes = 64 * 1024).await;
    let admin = gateway.admin().await;
    let mut sockets = gateway.sockets().await;
    let mut events = gateway.subscribe("").await;
    let peer = Peer::floods(FLOOD).await;
    // Until somebody takes the backlog, the flood waits for the tap.
    let session = connected(&mut sockets, connect_to(peer.addr)).await;
    let mut tap = TapReader::open(&gateway, tap_of(&session, TapFormat::Bytes)).await;
    let read = events.bytes(FLOOD).await;
    assert!(read == pattern(0, FLOOD), "the session's own subscriber has everything");
    assert_eq!(look(&mut gateway.sessions().await, &session).await.bytes_received, FLOOD as u64);
    assert!(admin.sample("socket_gateway_tap_records_dropped_total").await > 0.0);
    assert_eq!(admin.sample("socket_gateway_taps").await, 1.0);
    sockets.tcp_disconnect(disconnect(&session)).await.expect("disconnects");
    while tap.more().await {}
    let end = tap.end.expect("an end");
    let (mut at, mut lost_records) = (None, end.lost_records);
    for record in &tap.records {
        // What is missing between two records is what they say is missing.
        if let Some(at) = at {
            assert_eq!(record.offset, at + record.lost_bytes);
        }
        lost_records += record.lost_records;
        at = Some(record.offset + u64::from(record.size));
        assert!(record.bytes == pattern(record.offset as usize, record.size as usize));
    }
    assert_eq!(at.expect("some records") + end.lost_bytes, FLOOD as u64);
    assert!(lost_records > 0);
    eventually("the tap is gone", || async { admin.sample("socket_gateway_taps").await == 0.0 }).await;
}

#[tokio::test]
async fn taps_are_bounded_checked_and_free_their_place() {
    let gateway = TestGateway::with(|limits| limits.taps = 1).await;
    let mut sockets = gateway.sockets().await;
    let mut sessions = gateway.sessions().await;
    let peer = Peer::echo().await;
    let session = connected(&mut sockets, connect_to(peer.addr)).await;
    let missing = sessions.tap(tap_of("nobody", TapFormat::Text)).await;
    fails(missing, Code::NotFound, "SESSION_NOT_FOUND");
    let short = proto::TapRequest { max_record_bytes: 5, ..tap_of("", TapFormat::Text) };
    let status = sessions.tap(short).await.expect_err("is refused");
    assert_eq!(crate::support::bad_fields(&status), ["session_id", "max_record_bytes"]);
    let first = TapReader::open(&gateway, tap_of(&session, TapFormat::Text)).await;
    let metadata =
        fails(sessions.tap(tap_of(&session, TapFormat::Text)).await, Code::ResourceExhausted, "LIMIT_REACHED");
    assert_eq!(metadata["limit"], "taps");
    drop(first);
    eventually("its place is free", || {
        let (mut sessions, request) = (sessions.clone(), tap_of(&session, TapFormat::Text));
        async move { sessions.tap(request).await.is_ok() }
    })
    .await;
}

#[tokio::test]
async fn who_taps_is_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.jsonl");
    let gateway = TestGateway::of(Gateway::audited(Limits::default(), &Target::File(path.clone())).expect("opens"));
    let mut sockets = gateway.sockets().await;
    let peer = Peer::echo().await;
    let session = connected(&mut sockets, connect_to(peer.addr)).await;
    let mut tap = TapReader::open(&gateway, tap_of(&session, TapFormat::Bytes)).await;
    sockets.tcp_send(send(&session, "12345")).await.expect("sends");
    tap.until(TapDirection::Sent, 5).await;
    tap.until(TapDirection::Received, 5).await;
    drop(tap);
    let taps = || {
        gateway.gateway.audit.flush(Duration::from_secs(20));
        let text = std::fs::read_to_string(&path).expect("readable");
        let records = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a record"));
        records.filter(|record| record["event"].as_str().expect("a name").starts_with("tap_")).collect::<Vec<_>>()
    };
    eventually("the end of the tap is recorded", || async { taps().len() == 2 }).await;
    let [begun, ended] = &taps()[..] else { unreachable!() };
    for record in [begun, ended] {
        assert_eq!((&record["session"], &record["identity"]), (&(&*session).into(), &"local".into()));
        assert!(record["peer"].as_str().expect("where from").starts_with("127.0.0.1:"));
    }
    assert_eq!((&begun["event"], &begun["owner"]), (&"tap_started".into(), &"local".into()));
    assert_eq!((&ended["event"], &ended["records"], &ended["bytes"]), (&"tap_ended".into(), &2.into(), &10.into()));
}

#[tokio::test]
async fn only_operators_tap() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    let peer = Peer::echo().await;
    let session_id = connected(&mut sockets, connect_to(peer.addr)).await;
    for (role, may) in [(Role::User, false), (Role::Observer, false), (Role::Operator, true)] {
        let caller = Arc::new(Caller { identity: "somebody".into(), namespace: "".into(), role });
        let spec = TapSpec { session_id: session_id.clone(), record_bytes: 100 };
        let tapped = gateway.gateway.tap(&caller, &spec).map(|_| ()).map_err(|error| error.reason());
        assert_eq!(tapped, if may { Ok(()) } else { Err(Reason::RoleDenied) }, "{role:?}");
    }
}
