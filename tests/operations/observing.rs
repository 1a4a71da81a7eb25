//! What operators see of the binary: its admin port, its audit log, and log lines that say which session they are about.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
};

use serde_json::Value;
use socket_gateway::api::proto::{TcpConnectRequest, TcpDisconnectRequest};

use crate::process::{File, Running, address, eventually, sockets};

fn get(admin: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(admin).expect("connects");
    let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("asks");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answers");
    answer
}

fn connect(peer: SocketAddr) -> TcpConnectRequest {
    TcpConnectRequest {
        host: peer.ip().to_string(),
        port: peer.port().into(),
        session_id: "mine".into(),
        subscriber: "me".into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn the_admin_port_is_off_by_default_and_serves_where_it_is_asked_for_until_the_end() {
    let (mut gateway, _) = Running::start(&[]);
    gateway.signal("TERM");
    let (code, said) = gateway.ended();
    assert_eq!(code, Some(0));
    assert!(!said.iter().any(|line| line.contains("admin")), "{said:?}");

    let (mut gateway, _) = Running::start(&["--set", "admin.listen=127.0.0.1:0"]);
    let admin = address(&gateway.line("the admin server is ready"));
    assert!(get(admin, "/readyz").starts_with("HTTP/1.1 200"));
    assert!(get(admin, "/metrics").contains("\nsocket_gateway_sessions_opened_total{kind=\"udp\"} 0\n"));
    gateway.signal("TERM");
    assert_eq!(gateway.ended().0, Some(0));
    TcpListener::bind(admin).expect("the port is free");
}

#[tokio::test]
async fn an_admin_port_or_an_audit_file_that_cannot_be_had_is_told_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
    let _taken = TcpListener::bind(taken).expect("still free");
    let mut gateway = Running::spawn(crate::process::binary().args([
        "--listen",
        "127.0.0.1:0",
        "--set",
        &format!("admin.listen={taken}"),
    ]));
    let (code, said) = gateway.ended();
    assert!(code == Some(1) && said.concat().contains("--set admin.listen="), "{code:?} {said:?}");
    let mut gateway = Running::spawn(crate::process::binary().args([
        "--listen",
        "127.0.0.1:0",
        "--set",
        "audit.file=/nowhere/audit.jsonl",
    ]));
    let (code, said) = gateway.ended();
    assert!(code == Some(1) && said.concat().contains("audit.file: /nowhere/audit.jsonl cannot be opened"), "{said:?}");
}

#[tokio::test]
async fn log_lines_of_a_session_name_it_its_subscriber_and_its_identity() {
    let peer = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let (gateway, grpc) = Running::start(&["--log-filter", "info,socket_gateway=debug"]);
    let mut sockets = sockets(grpc).await;
    sockets.tcp_connect(connect(peer.local_addr().expect("an address"))).await.expect("connects");
    let end = TcpDisconnectRequest { session_id: "mine".into(), abort: true, ..Default::default() };
    sockets.tcp_disconnect(end).await.expect("ends");
    let opened = gateway.line("session opened");
    let ended = gateway.line("session ended");
    for line in [&opened, &ended] {
        let names = ["session", "subscriber", "identity", "kind"].map(|name| line[name].as_str().expect("named"));
        assert_eq!(names, ["mine", "me", "local", "tcp_outbound"], "{line}");
    }
    assert_eq!((&ended["close_reason"], &ended["bytes_sent"]), (&"abort".into(), &0.into()));
}

#[tokio::test]
async fn the_audit_log_is_opened_anew_on_sighup_and_whole_at_the_end() {
    let file = File::new("");
    let audit = file.folder().join("audit.jsonl");
    let setting = format!("audit.file={}", audit.display());
    let (mut gateway, grpc) = Running::start(&["--config", file.path(), "--set", &setting]);
    let peer = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut sockets = sockets(grpc).await;
    sockets.tcp_connect(connect(peer.local_addr().expect("an address"))).await.expect("connects");
    let moved = audit.with_extension("1");
    eventually("the opening is written", || async { fs::read_to_string(&audit).expect("readable").contains("mine") })
        .await;
    fs::rename(&audit, &moved).expect("moves");
    gateway.signal("HUP");
    gateway.line("reloaded");
    drop(sockets);
    gateway.signal("TERM");
    assert_eq!(gateway.ended().0, Some(0));
    let events = |path| {
        let text = fs::read_to_string(path).expect("readable");
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a record")["event"].clone());
        events.collect::<Vec<_>>()
    };
    assert_eq!((events(&moved), events(&audit)), (vec!["session_opened".into()], vec!["session_closed".into()]));
}
