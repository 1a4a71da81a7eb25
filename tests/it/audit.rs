use std::{
    fs,
    io::Read,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use socket_gateway::{api::proto, audit::Target, gateway::Gateway, limits::Limits};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{
    TestGateway, bytes,
    calls::{connected, listening},
    connect_to, disconnect, eventually, listen_for,
    peers::{Peer, nobody},
    send,
};

struct Audited {
    gateway: TestGateway,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Audited {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.jsonl");
        let gateway = Gateway::audited(Limits::default(), &Target::File(path.clone())).expect("opens");
        Self { gateway: TestGateway::of(gateway), path, _folder: folder }
    }

    /// All records so far.
    fn records(&self) -> Vec<Value> {
        assert!(self.gateway.gateway.audit.flush(Duration::from_secs(20)), "the log is written");
        read(&self.path)
    }

    fn of(&self, event: &str) -> Vec<Value> {
        self.records().into_iter().filter(|record| record["event"] == event).collect()
    }
}

/// Every line is a whole record.
fn read(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("readable");
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[tokio::test]
async fn a_session_is_recorded_with_who_asked_for_what_where_it_went_and_how_it_ended() {
    let audited = Audited::start().await;
    let channel = audited.gateway.channel().await;
    let mut sockets = crate::support::Sockets::new(channel);
    let peer = Peer::echo().await;
    let mut events = audited.gateway.subscribe("me").await;
    let request = proto::TcpConnectRequest {
        host: "localhost".into(),
        port: peer.addr.port().into(),
        session_id: "s1".into(),
        subscriber: "me".into(),
        ..Default::default()
    };
    connected(&mut sockets, request).await;
    let payload = vec![bytes(*b"twelve bytes")];
    let send = proto::TcpSendRequest { session_id: "s1".into(), payload, ..Default::default() };
    sockets.tcp_send(send).await.expect("sends");
    assert_eq!(events.bytes(12).await.len(), 12);
    sockets.tcp_disconnect(disconnect("s1")).await.expect("disconnects");
    events.end_of("s1").await;

    let records = audited.records();
    let names: Vec<_> = records.iter().map(|record| record["event"].as_str().expect("a name")).collect();
    assert_eq!(names, ["session_opened", "disconnect_requested", "session_closed"]);
    let sequences: Vec<_> = records.iter().map(|record| record["sequence"].as_u64().expect("a number")).collect();
    assert_eq!(sequences, [1, 2, 3]);
    let [opened, asked, closed] = &records[..] else { unreachable!() };
    assert_eq!((&opened["host"], &opened["port"]), (&"localhost".into(), &peer.addr.port().into()));
    assert_eq!(opened["remote"], peer.addr.to_string());
    assert_eq!((&opened["session"], &opened["kind"]), (&"s1".into(), &"tcp_outbound".into()));
    for record in &records {
        assert_eq!((&record["identity"], &record["role"]), (&"local".into(), &"operator".into()));
        let from: std::net::SocketAddr = record["peer"].as_str().expect("the caller's address").parse().expect("one");
        assert!(from.ip().is_loopback() && from.port() != audited.gateway.addr.port());
        chrono::DateTime::parse_from_rfc3339(record["time"].as_str().expect("a time")).expect("in RFC 3339");
    }
    assert_eq!((&asked["session"], &asked["abort"]), (&"s1".into(), &false.into()));
    assert_eq!(closed["reason"], "by_request");
    assert_eq!((&closed["bytes_received"], &closed["bytes_sent"]), (&12.into(), &12.into()));
    assert!(closed["seconds"].as_f64().expect("a number") > 0.0);
}

#[tokio::test]
async fn failures_denials_listeners_datagrams_and_moved_claims_are_recorded() {
    let audited = Audited::start().await;
    let mut sockets = audited.gateway.sockets().await;
    let mut sessions = audited.gateway.sessions().await;
    let refused = nobody().await;
    sockets.tcp_connect(connect_to(refused)).await.expect_err("is refused");
    sockets.tcp_connect(connect_to(([169, 254, 169, 254], 80).into())).await.expect_err("is denied");
    let (listener, addr) = listening(&mut sockets, listen_for("me")).await;
    let mut events = audited.gateway.subscribe("me").await;
    let mut peer = TcpStream::connect(addr).await.expect("connects");
    peer.write_all(b"x").await.expect("writes");
    let accepted = events.until(proto::Event::Data).await.session_id;
    let claim =
        proto::ClaimDataRequest { session_id: accepted.clone(), subscriber: "other".into(), ..Default::default() };
    sessions.claim_data(claim).await.expect("moves");
    drop(peer);
    events.until(proto::Event::Disconnected).await;
    sockets
        .tcp_unlisten(proto::TcpUnlistenRequest { listener_id: listener.clone(), ..Default::default() })
        .await
        .expect("unlistens");
    let datagram = proto::UdpOutRequest {
        host: "127.0.0.1".into(),
        port: refused.port().into(),
        payload: Some(bytes(*b"12345")),
        ..Default::default()
    };
    sockets.udp_out(datagram).await.expect("sends");

    let one = |event: &str| {
        let mut found = audited.of(event);
        assert_eq!(found.len(), 1, "{event}");
        found.remove(0)
    };
    let failed = audited.of("connect_failed");
    assert_eq!(failed[0]["error"], "CONNECT_FAILED");
    assert_eq!((failed[1]["error"].as_str(), failed.len()), (Some("POLICY_DENIED"), 2));
    let denied = one("denied");
    assert_eq!((&denied["action"], &denied["address"]), (&"dial".into(), &"169.254.169.254:80".into()));
    assert!(!denied["rule"].as_str().expect("a rule").is_empty());
    let opened = one("listener_opened");
    assert_eq!((&opened["listener"], &opened["local"]), (&(&*listener).into(), &addr.to_string().into()));
    assert_eq!(one("listener_closed")["accepted"], 1);
    let session = one("session_opened");
    assert_eq!((&session["kind"], &session["listener"]), (&"tcp_inbound".into(), &(&*listener).into()));
    let moved = one("claim_moved");
    assert_eq!(
        (&moved["session"], &moved["from"], &moved["to"]),
        (&(&*accepted).into(), &"me".into(), &"other".into())
    );
    let sent = one("datagram_sent");
    assert_eq!((&sent["remote"], &sent["bytes"]), (&refused.to_string().into(), &5.into()));
    assert_eq!(one("session_closed")["reason"], "peer_closed");
}

#[tokio::test]
async fn no_payload_and_no_name_can_forge_a_record() {
    let audited = Audited::start().await;
    let mut sockets = audited.gateway.sockets().await;
    let peer = Peer::echo().await;
    let forged = "{\"event\":\"forged\"}";
    let hostile = [
        format!("a\n{forged}\n"),
        format!("\",{}", &forged[1..]),
        "\u{1b}[2J\u{1b}]0;owned\u{7}".to_owned(),
        format!("x\u{2028}{forged}\u{2029}\u{85}{forged}"),
        "\u{202e}gnp.exe".to_owned(),
    ];
    for name in &hostile {
        // Refused or not, as host, as ids and as names; what is refused opens nothing.
        let calls = [
            proto::TcpConnectRequest { host: name.clone(), port: 1, ..Default::default() },
            proto::TcpConnectRequest { session_id: name.clone(), ..connect_to(peer.addr) },
            proto::TcpConnectRequest { subscriber: name.clone(), ..connect_to(peer.addr) },
        ];
        for call in calls {
            if let Ok(opened) = sockets.tcp_connect(call).await {
                let session = opened.into_inner().session_id;
                sockets.tcp_send(send(&session, name)).await.expect("sends");
                sockets.tcp_disconnect(disconnect(&session)).await.expect("disconnects");
            }
        }
    }
    audited.gateway.released().await;
    let records = audited.records();
    assert!(records.iter().all(|record| record["event"] != "forged"));
    assert!(records.iter().any(|record| record["subscriber"] == hostile[4]), "some get through, escaped");
    let raw = fs::read(&audited.path).expect("readable");
    assert!(raw.iter().all(|byte| *byte == b'\n' || (b' '..b'\x7f').contains(byte)), "nothing but plain ASCII");
}

#[tokio::test]
async fn the_file_is_opened_anew_after_it_was_moved_away_and_only_its_owner_reads_it() {
    let audited = Audited::start().await;
    let mut sockets = audited.gateway.sockets().await;
    let refused = nobody().await;
    let mode = fs::metadata(&audited.path).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    sockets.tcp_connect(connect_to(refused)).await.expect_err("is refused");
    assert_eq!(audited.records().len(), 1);
    let moved = audited.path.with_extension("1");
    fs::rename(&audited.path, &moved).expect("moves");
    audited.gateway.gateway.audit.prepare_reopen().expect("opens")();
    sockets.tcp_connect(connect_to(refused)).await.expect_err("is refused");
    assert_eq!((audited.records().len(), read(&moved).len()), (1, 1));

    // Where it cannot be opened, the one in use goes on.
    fs::rename(&audited.path, audited.path.with_extension("2")).expect("moves");
    fs::create_dir(&audited.path).expect("in its place");
    assert!(audited.gateway.gateway.audit.prepare_reopen().map(|_| ()).is_err());
    sockets.tcp_connect(connect_to(refused)).await.expect_err("is refused");
    assert!(audited.gateway.gateway.audit.flush(Duration::from_secs(20)));
    assert_eq!(read(&audited.path.with_extension("2")).len(), 2);
}

#[tokio::test]
async fn a_pipe_that_nobody_empties_holds_up_nobody_and_what_is_lost_is_counted_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let target = Target::File(path.clone());
    let limits = Limits { audit_queue_records: 4, ..Limits::default() };
    assert!(Gateway::audited(limits.clone(), &target).is_err(), "a pipe without a reader is refused at once");
    let mut reader = fs::OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(&path).expect("opens");
    let gateway = TestGateway::of(Gateway::audited(limits, &target).expect("opens"));
    let admin = gateway.admin().await;
    let mut sockets = gateway.sockets().await;
    let refused = nobody().await;
    // A pipe holds 64 KiB, each record some 300 bytes.
    let lost = "socket_gateway_audit_records_dropped_total";
    let mut calls = 0;
    while admin.sample(lost).await < 10.0 {
        sockets.tcp_connect(connect_to(refused)).await.expect_err("is refused, and at once");
        calls += 1;
        assert!(calls < 2000, "the pipe never fills");
    }
    assert!(!gateway.gateway.audit.flush(Duration::from_millis(50)), "the end does not wait for ever");

    // Somebody reads again: the log says what it lacks, and goes on.
    let mut text = Vec::new();
    let mut told = 0;
    eventually("the log tells what was lost", || {
        let mut chunk = [0; 65_536];
        while let Ok(read @ 1..) = reader.read(&mut chunk) {
            text.extend_from_slice(&chunk[..read]);
        }
        let lines: Vec<Value> = String::from_utf8_lossy(&text)
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect();
        let gaps = lines.iter().filter(|line| line["event"] == "records_lost");
        told = gaps.filter_map(|line| line["records"].as_u64()).sum();
        let (mut sockets, enough) = (sockets.clone(), told >= 10);
        async move {
            // A record behind the loss makes it known.
            sockets.tcp_connect(connect_to(refused)).await.expect_err("is refused");
            enough
        }
    })
    .await;
    assert!(admin.sample("socket_gateway_audit_records_total").await > 10.0);
}

#[tokio::test]
async fn a_disk_that_takes_nothing_loses_records_and_nothing_else() {
    // Every write to it fails with ENOSPC.
    let gateway = Gateway::audited(Limits::default(), &Target::File("/dev/full".into())).expect("opens");
    let gateway = TestGateway::of(gateway);
    let admin = gateway.admin().await;
    let mut sockets = gateway.sockets().await;
    let refused = nobody().await;
    for _ in 0..5 {
        sockets.tcp_connect(connect_to(refused)).await.expect_err("is refused");
    }
    assert!(gateway.gateway.audit.flush(Duration::from_secs(20)));
    assert_eq!(admin.sample("socket_gateway_audit_records_dropped_total").await, 5.0);
    assert_eq!(admin.sample("socket_gateway_audit_records_total").await, 0.0);
}
