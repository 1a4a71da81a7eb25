//! Set and get at memcached by exchanges whose ends the protocol tells.

use std::{path::Path, process::Command};

use serde_json::json;

use crate::support::{
    TestGateway,
    programs::{RealServer, accepts, command, id},
};

fn memcached(_: &Path, port: u16) -> Command {
    let mut memcached = command("memcached");
    memcached.args(["-u", &id("-un"), "-l", "127.0.0.1", "-p", &port.to_string(), "-U", "0", "-m", "16", "-t", "1"]);
    memcached
}

#[test]
fn what_is_set_is_got_back_in_one_exchange_each() {
    let memcached = RealServer::start(memcached, accepts);
    let gateway = TestGateway::start();
    let grpcurl = gateway.grpcurl();
    grpcurl.call(
        "TcpConnect",
        &json!({ "host": "127.0.0.1", "port": memcached.port, "session_id": "cache", "mode": "TCP_MODE_LINE" }),
    );

    let stored = grpcurl.exchange("cache", "set fruit 0 0 5\r\napple", "^(END|STORED)$");
    assert_eq!(stored["match"]["text"], "STORED");
    assert_eq!(stored["frames"], json!(null), "nothing came before");

    let got = grpcurl.exchange("cache", "get fruit", "^(END|STORED)$");
    assert_eq!(got["match"]["text"], "END");
    assert_eq!(got["frames"], json!([{ "text": "VALUE fruit 0 5" }, { "text": "apple" }]));

    let missing = grpcurl.exchange("cache", "get vegetable", "^(END|STORED)$");
    assert_eq!(missing["frames"], json!(null), "{missing}");
}

#[test]
fn many_callers_of_one_session_each_get_their_own_answer() {
    let memcached = RealServer::start(memcached, accepts);
    let gateway = TestGateway::start();
    let grpcurl = gateway.grpcurl();
    grpcurl.call(
        "TcpConnect",
        &json!({ "host": "127.0.0.1", "port": memcached.port, "session_id": "cache", "mode": "TCP_MODE_LINE" }),
    );
    std::thread::scope(|scope| {
        for caller in 0..8 {
            let grpcurl = grpcurl.clone();
            scope.spawn(move || {
                let set = format!("set key-{caller} 0 0 1\r\n{caller}");
                assert_eq!(grpcurl.exchange("cache", &set, "^(END|STORED)$")["match"]["text"], "STORED");
                let got = grpcurl.exchange("cache", &format!("get key-{caller}"), "^(END|STORED)$");
                assert_eq!(got["frames"][1]["text"], caller.to_string(), "{got}");
            });
        }
    });
}
