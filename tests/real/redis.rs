//! A pipeline to redis: several commands in one send, the answers line by line on a subscription.

use std::{path::Path, process::Command};

use serde_json::json;

use crate::support::{
    TestGateway,
    programs::{RealServer, accepts, command},
};

pub fn redis(folder: &Path, port: u16) -> Command {
    let mut redis = command("redis-server");
    redis.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"]);
    redis.args(["--save", "", "--appendonly", "no", "--dir"]).arg(folder);
    redis
}

#[test]
fn a_pipeline_in_one_send_is_answered_line_by_line() {
    let redis = RealServer::start(redis, accepts);
    let gateway = TestGateway::start();
    let grpcurl = gateway.grpcurl();
    let mut envelopes = grpcurl.subscribe(&json!({ "payload_format": "PAYLOAD_FORMAT_TEXT" }));
    grpcurl.call(
        "TcpConnect",
        &json!({ "host": "localhost", "port": redis.port, "session_id": "redis", "mode": "TCP_MODE_LINE" }),
    );
    let commands = ["SET fruit apple", "APPEND fruit s", "GET fruit", "LRANGE none 0 -1", "NONSENSE", "PING"];
    let items: Vec<_> = commands.iter().map(|command| json!({ "text": command })).collect();
    let sent = grpcurl.call(
        "TcpSend",
        &json!({ "session_id": "redis", "payload": items, "line_terminator": "LINE_TERMINATOR_CRLF" }),
    );
    assert_eq!(sent["chunkCount"], commands.len());

    let lines = ["+OK", ":6", "$6", "apples", "*0"];
    for line in lines {
        assert_eq!(envelopes.text(), line);
    }
    assert!(envelopes.text().starts_with("-ERR unknown command 'NONSENSE'"));
    assert_eq!(envelopes.text(), "+PONG");

    grpcurl.call("TcpDisconnect", &json!({ "session_id": "redis" }));
    let ended = envelopes.until("DISCONNECTED");
    assert_eq!(ended["disconnected"]["reason"], "CLOSE_REASON_BY_REQUEST");
}
