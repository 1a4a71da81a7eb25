//! The commands that use a gateway, as a person in a shell runs them.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread::JoinHandle,
};

use serde_json::{Value, json};

use crate::support::{TestGateway, binary, eventually};

/// A command of the binary, pointed at this gateway.
fn command(gateway: &TestGateway, words: &[&str]) -> Command {
    let mut command = Command::new(binary::PATH);
    command.args(words).env("SOCKET_GATEWAY_TARGET", gateway.addr.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(gateway: &TestGateway, words: &[&str]) -> Output {
    command(gateway, words).output().expect("the binary runs")
}

/// Runs a command with this standard input, to its end.
fn feed(gateway: &TestGateway, words: &[&str], input: Vec<u8>) -> Output {
    let mut child = command(gateway, words).stdin(Stdio::piped()).spawn().expect("the binary runs");
    let mut stdin = child.stdin.take().expect("piped");
    let feeding = std::thread::spawn(move || {
        // It may have ended before it read all.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("it is ours");
    feeding.join().expect("does not panic");
    output
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// The exit code, with something said about it.
fn fails(output: &Output) -> (Option<i32>, String) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.starts_with("socket-gateway: ") || said.starts_with("error: "), "{output:?}");
    (output.status.code(), said)
}

/// A peer for one visitor.
fn peer<T: Send + 'static>(serve: impl FnOnce(TcpStream) -> T + Send + 'static) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    (address, std::thread::spawn(move || serve(listener.accept().expect("a visitor").0)))
}

fn echo(mut visitor: TcpStream) {
    std::io::copy(&mut visitor.try_clone().expect("a second handle"), &mut visitor).expect("echoes");
}

fn words<'a>(first: &[&'a str], address: &'a (String, String), last: &[&'a str]) -> Vec<&'a str> {
    [first, &[address.0.as_str(), address.1.as_str()], last].concat()
}

fn named(address: SocketAddr) -> (String, String) {
    (address.ip().to_string(), address.port().to_string())
}

#[test]
fn a_pipe_through_connect_is_byte_exact_both_ways_and_ends_when_the_peer_has_ended() {
    let gateway = TestGateway::start();
    let (address, serving) = peer(echo);
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let output = feed(&gateway, &words(&["connect"], &named(address), &[]), bytes.clone());
    assert!(output.status.success(), "{:?}", output.stderr);
    assert!(output.stdout == bytes, "{} of {} bytes", output.stdout.len(), bytes.len());
    serving.join().expect("the peer has seen the end");
}

#[test]
fn the_answer_to_the_end_of_input_is_still_printed() {
    let gateway = TestGateway::start();
    let (address, serving) = peer(|mut visitor| {
        let mut question = Vec::new();
        visitor.read_to_end(&mut question).expect("reads to the end");
        visitor.write_all(format!("{} bytes", question.len()).as_bytes()).expect("answers");
    });
    let output = feed(&gateway, &words(&["connect"], &named(address), &[]), b"question".to_vec());
    assert_eq!(out(&output), "8 bytes");
    serving.join().expect("does not panic");
}

#[test]
fn lines_go_out_with_their_terminator_and_come_in_without_theirs() {
    let gateway = TestGateway::start();
    let (address, serving) = peer(|mut visitor| {
        let mut said = Vec::new();
        visitor.read_to_end(&mut said).expect("reads to the end");
        visitor.write_all(b"one\r\ntwo\rcaf\xe9\nrest").expect("answers");
        said
    });
    let last = ["--line", "--terminator", "crlf"];
    let output = feed(&gateway, &words(&["connect"], &named(address), &last), b"hello\nworld".to_vec());
    assert_eq!(output.stdout, b"one\ntwo\ncaf\xe9\nrest\n", "{output:?}");
    assert_eq!(serving.join().expect("does not panic"), b"hello\r\nworld\r\n");
}

#[test]
fn a_dump_shows_what_cannot_be_printed() {
    let gateway = TestGateway::start();
    let (address, _serving) = peer(|mut visitor| visitor.write_all(b"\x00A\xff").expect("writes"));
    let output = run(&gateway, &words(&["connect", "--hex"], &named(address), &[]));
    assert_eq!(out(&output), "00000000  00 41 ff                                          |.A.|\n");
}

#[test]
fn json_tells_what_happened_an_object_a_line() {
    let gateway = TestGateway::start();
    let (address, _serving) = peer(|mut visitor| visitor.write_all(b"hi\xff").expect("writes"));
    let output = run(&gateway, &words(&["connect", "-o", "json"], &named(address), &[]));
    let lines: Vec<Value> = out(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().expect("an event")).collect();
    assert_eq!(events, ["connected", "data", "disconnected"]);
    assert_eq!(lines[1]["bytes"], "aGn/");
}

#[test]
fn listen_serves_one_visitor_and_ends_or_with_keep_the_next_one_as_well() {
    let gateway = TestGateway::start();
    for (keep, visitors) in [(false, 1), (true, 3)] {
        let mut words = vec!["listen", "--host", "127.0.0.1", "-o", "json", "0"];
        if keep {
            words.push("--keep");
        }
        let mut child = command(&gateway, &words).spawn().expect("the binary runs");
        let stdout = child.stdout.take().expect("piped");
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in std::io::BufRead::lines(std::io::BufReader::new(stdout)).map_while(Result::ok) {
                // The test may have seen enough.
                let _ = tell.send(serde_json::from_str::<Value>(&line).expect("JSON"));
            }
        });
        let next = |event: &str| loop {
            let line = told.recv_timeout(crate::support::PATIENCE).expect("goes on");
            if line["event"] == event {
                return line;
            }
        };
        let port = next("listening")["port"].as_u64().expect("a port") as u16;
        for number in 0..visitors {
            let mut visitor = TcpStream::connect(("127.0.0.1", port)).expect("connects");
            visitor.write_all(format!("visitor {number}").as_bytes()).expect("writes");
            assert_eq!(next("data")["text"], format!("visitor {number}"));
            drop(visitor);
            next("disconnected");
        }
        if keep {
            child.kill().expect("it is ours");
        }
        let end = child.wait().expect("it is ours");
        assert_eq!(end.success(), !keep);
    }
}

#[test]
fn sessions_are_listed_sent_on_asked_and_closed() {
    let gateway = TestGateway::start();
    let (address, serving) = peer(echo);
    let connect = json!({
        "host": "127.0.0.1", "port": address.port(), "session_id": "shop", "mode": "TCP_MODE_LINE", "orphan_timeout": "0s",
    });
    gateway.grpcurl().call("TcpConnect", &connect);
    let listed = out(&run(&gateway, &["sessions"]));
    assert!(listed.lines().count() == 2 && listed.contains("shop") && listed.contains("connected"), "{listed}");
    let listed: Value = serde_json::from_str(&out(&run(&gateway, &["sessions", "-o", "json"]))).expect("JSON");
    assert_eq!((&listed["sessionId"], &listed["state"]), (&"shop".into(), &"SESSION_STATE_CONNECTED".into()));
    let table = out(&run(&gateway, &["top"]));
    assert!(table.contains("shop") && table.contains("IN/s"), "{table}");

    assert_eq!(out(&run(&gateway, &["exchange", "shop", "question", "--wait-for", "quest"])), "question\n");
    assert!(out(&run(&gateway, &["send", "shop", "one", "two"])).contains("sent"));
    let seen = out(&run(&gateway, &["subscribe", "--data", "-n", "2"]));
    assert!(seen.lines().zip(["one", "two"]).all(|(line, said)| line.ends_with(said)), "{seen}");
    let (code, said) = fails(&run(&gateway, &["exchange", "shop", "x", "-e", "never", "--timeout", "100ms"]));
    assert_eq!(code, Some(75), "{said}");

    assert!(out(&run(&gateway, &["close", "shop"])).contains("closing"));
    serving.join().expect("the peer has seen the end");
    eventually("the session is gone", || out(&run(&gateway, &["sessions"])).lines().count() == 1);
    assert_eq!(fails(&run(&gateway, &["close", "shop"])).0, Some(66));
}

#[test]
fn listeners_are_listed_and_closed() {
    let gateway = TestGateway::start();
    gateway.grpcurl().call("TcpListen", &json!({"host": "127.0.0.1", "subscriber": "shop"}));
    let listed: Value = serde_json::from_str(&out(&run(&gateway, &["sessions", "-l", "-o", "json"]))).expect("JSON");
    let id = listed["listenerId"].as_str().expect("an id");
    assert!(out(&run(&gateway, &["close", id])).contains("closed"));
    assert_eq!(fails(&run(&gateway, &["close", id])).0, Some(66));
}

#[test]
fn datagrams_are_sent_and_printed() {
    let gateway = TestGateway::start();
    let own = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let port = own.local_addr().expect("an address").port().to_string();
    assert!(out(&run(&gateway, &["udp-out", "127.0.0.1", &port, "21.5"])).contains("4 bytes"));
    let mut buffer = [0; 16];
    let (count, _) = own.recv_from(&mut buffer).expect("receives");
    assert_eq!(&buffer[..count], b"21.5");

    let mut child = command(&gateway, &["udp-in", "0", "--host", "127.0.0.1", "-n", "2", "-o", "json"])
        .spawn()
        .expect("the binary runs");
    let stdout = child.stdout.take().expect("piped");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stdout));
    let mut next = || serde_json::from_str::<Value>(&lines.next().expect("goes on").expect("text")).expect("JSON");
    let bound = next()["port"].as_u64().expect("a port") as u16;
    own.send_to("grüß".as_bytes(), ("127.0.0.1", bound)).expect("sends");
    own.send_to(b"\xff", ("127.0.0.1", bound)).expect("sends");
    assert_eq!(next()["text"], "grüß");
    assert_eq!(next()["bytes"], "/w==");
    assert!(child.wait().expect("it is ours").success());
}

#[test]
fn exit_codes_tell_scripts_what_went_wrong() {
    let gateway = TestGateway::start();
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
    let (code, said) = fails(&run(&gateway, &words(&["connect"], &named(nobody), &[])));
    assert_eq!(code, Some(1));
    assert!(said.contains("CONNECT_FAILED") && said.contains("refused"), "{said}");
    assert_eq!(fails(&run(&gateway, &["connect", "127.0.0.1", "0"])).0, Some(64));
    assert_eq!(fails(&run(&gateway, &["send", "nobody", "x"])).0, Some(66));
    assert_eq!(fails(&run(&gateway, &["connect", "somewhere", "no-port"])).0, Some(64));
    let (code, said) = fails(&run(&gateway, &["--gateway", &nobody.to_string(), "sessions"]));
    assert_eq!(code, Some(64), "the option follows its command: {said}");
    let (code, said) = fails(&run(&gateway, &["sessions", "--gateway", &nobody.to_string()]));
    assert_eq!(code, Some(69));
    assert!(said.contains("--gateway"), "says what to do: {said}");
    let (address, serving) = peer(|mut visitor| visitor.read_to_end(&mut Vec::new()));
    let mut silent = command(&gateway, &words(&["connect", "-w", "200ms"], &named(address), &[]));
    let mut silent = silent.stdin(Stdio::piped()).spawn().expect("the binary runs");
    // Its end would be taken for the wish to end.
    let _stdin = silent.stdin.take();
    assert_eq!(silent.wait().expect("it is ours").code(), Some(75));
    serving.join().expect("does not panic").expect("the peer has seen the end");
}

#[test]
fn a_shell_can_complete_the_command_line() {
    for (shell, expected) in
        [("bash", "complete -F"), ("zsh", "#compdef socket-gateway"), ("fish", "complete -c socket-gateway")]
    {
        let output = Command::new(binary::PATH).args(["completion", shell]).output().expect("the binary runs");
        assert!(out(&output).contains(expected), "{shell}");
    }
}
