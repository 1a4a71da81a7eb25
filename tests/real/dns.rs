//! A DNS query to dnsmasq from the socket of a UDP session, answered to that socket.

use std::{net::UdpSocket, path::Path, process::Command, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;

use crate::support::{
    TestGateway,
    programs::{RealServer, command},
};

/// Asks for the A record of gateway.test: id 4711, recursion desired.
const QUERY: &[u8] = b"\x12\x67\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07gateway\x04test\x00\x00\x01\x00\x01";

fn dnsmasq(_: &Path, port: u16) -> Command {
    let mut dnsmasq = command("dnsmasq");
    dnsmasq.args(["--conf-file=/dev/null", "--keep-in-foreground", "--log-facility=-", "--port", &port.to_string()]);
    dnsmasq.args([
        "--listen-address=127.0.0.1",
        "--bind-interfaces",
        "--no-resolv",
        "--no-hosts",
        "--pid-file=",
        "--user=",
    ]);
    dnsmasq.args(["--host-record=gateway.test,192.0.2.7", "--local=/test/"]);
    dnsmasq
}

fn answers(port: u16) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    socket.connect(("127.0.0.1", port)).expect("an address");
    socket.send(QUERY).is_ok() && socket.recv(&mut [0; 512]).is_ok()
}

#[test]
fn a_query_from_a_udp_session_is_answered_to_it() {
    let dnsmasq = RealServer::start(dnsmasq, answers);
    let gateway = TestGateway::start();
    let grpcurl = gateway.grpcurl();
    let bound = grpcurl.call("UdpIn", &json!({ "host": "127.0.0.1", "port": 0, "session_id": "resolver" }));
    assert_ne!(bound["listening"]["localPort"], json!(null), "{bound}");
    let mut envelopes = grpcurl.subscribe(&json!({}));
    envelopes.expect("LISTENING");

    let sent = grpcurl.call(
        "UdpOut",
        &json!({
            "session_id": "resolver", "host": "127.0.0.1", "port": dnsmasq.port,
            "payload": { "bytes": BASE64.encode(QUERY) },
        }),
    );
    assert_eq!(sent["bytes"], QUERY.len());

    let answer = envelopes.datagram();
    assert_eq!((&answer["remoteHost"], &answer["remotePort"]), (&json!("127.0.0.1"), &json!(dnsmasq.port)));
    let bytes = BASE64.decode(answer["bytes"].as_str().expect("bytes")).expect("base64");
    assert_eq!(bytes[..2], QUERY[..2], "the answer has the query's id");
    assert_eq!(bytes[bytes.len() - 4..], [192, 0, 2, 7]);
}
