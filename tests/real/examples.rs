//! The examples run as programs and print what their headers promise.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::mpsc::{self, Receiver},
};

use crate::support::{
    PATIENCE, TestGateway,
    programs::{Process, built_example, free_port},
};

/// An example that runs, and what it prints.
struct Example {
    name: &'static str,
    process: Process,
    lines: Receiver<String>,
}

impl Example {
    fn start(gateway: &TestGateway, name: &'static str, args: &[&str]) -> Self {
        let mut command = Command::new(built_example(name));
        command.args(args).env("GATEWAY", format!("http://{}", gateway.addr));
        let mut process = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let output = process.child().stdout.take().expect("piped");
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The test may have seen enough.
                let _ = tell.send(line);
            }
        });
        Self { name, process, lines }
    }

    fn prints(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{} prints nothing more: {error}", self.name))
    }

    fn types(&mut self, line: &str) {
        let input = self.process.child().stdin.as_mut().expect("piped");
        input.write_all(format!("{line}\n").as_bytes()).expect("it reads");
    }

    /// What it prints until its end, which is a good one.
    fn rest(mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            lines.push(line);
        }
        let end = self.process.child().wait().expect("it is ours");
        assert!(end.success(), "{} ended with {end} after {lines:?}", self.name);
        lines
    }
}

#[test]
fn the_server_greets_answers_in_upper_case_and_ends_on_bye() {
    let gateway = TestGateway::start();
    let server = Example::start(&gateway, "tcp_server", &["0"]);
    let address = server.prints();
    let (_, port) = address.rsplit_once(':').expect("an address");

    let mut client = Example::start(&gateway, "tcp_client", &["127.0.0.1", port]);
    assert_eq!(client.prints(), format!("connected to 127.0.0.1:{port}"));
    assert!(client.prints().starts_with("Hello."));
    assert!(server.prints().contains(": connected from 127.0.0.1:"));
    for (typed, printed) in [("hello", "HELLO"), ("", ""), ("grüße", "GRÜSSE")] {
        client.types(typed);
        assert_eq!(client.prints(), printed);
    }
    client.types("bye");
    assert_eq!(client.rest(), ["BYE", "disconnected: CLOSE_REASON_PEER_CLOSED"]);
    assert!(server.prints().ends_with(": CLOSE_REASON_BY_REQUEST"));
}

#[test]
fn a_restarted_server_gets_its_listener_back() {
    let gateway = TestGateway::start();
    let port = free_port().to_string();
    for _ in 0..2 {
        // The first ends without a word when it is dropped.
        let server = Example::start(&gateway, "tcp_server", &[&port]);
        assert_eq!(server.prints(), format!("listening on 127.0.0.1:{port}"));
    }
}

#[test]
fn the_client_hangs_up_when_nothing_more_is_typed() {
    let gateway = TestGateway::start();
    let server = Example::start(&gateway, "tcp_server", &["0"]);
    let address = server.prints();
    let (_, port) = address.rsplit_once(':').expect("an address");
    let mut client = Example::start(&gateway, "tcp_client", &["127.0.0.1", port]);
    client.prints();
    client.prints();
    drop(client.process.child().stdin.take());
    assert_eq!(client.rest(), ["disconnected: CLOSE_REASON_BY_REQUEST"]);
}

#[test]
fn the_board_is_spoken_to_by_exchanges_from_prompt_to_prompt() {
    let gateway = TestGateway::start();
    let dialogue = Example::start(&gateway, "bbs", &[]).rest();
    let expected = [
        "WELCOME TO THE SMALL BOARD",
        "2 messages are new",
        "> LIST",
        "1  ann  Modem for sale",
        "2  bob  Meeting on Friday",
        "> READ 2",
        "From bob: At eight, as always.",
        "Bring cables.",
        "> QUIT",
        "GOODBYE",
        "the board has hung up",
    ];
    assert_eq!(dialogue, expected);
}

#[test]
fn inactivity_is_reported_and_closes_but_not_while_something_is_sent() {
    let gateway = TestGateway::start();
    let lines = Example::start(&gateway, "inactivity_timeout", &["2"]).rest();
    let expected = [
        "sent",
        "sent",
        "sent",
        "sent",
        "sent",
        "EVENT_CONNECTING",
        "EVENT_CONNECTED",
        "EVENT_TIMEOUT",
        "  TIMEOUT: no traffic for 2s",
        "EVENT_DISCONNECTED",
        "  CLOSE_REASON_TIMEOUT",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_is_sent_to_a_group_is_received() {
    let gateway = TestGateway::start();
    let port = free_port().to_string();
    let receiver = Example::start(&gateway, "multicast", &["receive", "239.255.42.99", &port, "lo"]);
    assert_eq!(receiver.prints(), format!("listening on port {port}, groups [\"239.255.42.99\"]"));
    let sender = Example::start(&gateway, "multicast", &["send", "239.255.42.99", &port, "lo", "hello, group"]);
    assert_eq!(sender.rest(), [format!("12 bytes sent to 239.255.42.99:{port}")]);
    assert_eq!(receiver.prints(), "127.0.0.1: hello, group");
}
