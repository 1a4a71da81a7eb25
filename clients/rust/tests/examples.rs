//! The examples, each as its users run it, against simulated peers or the test's own sockets.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::{LazyLock, Mutex, PoisonError},
};

use serde_json::Value;

const NAMES: [&str; 11] = [
    "bbs",
    "echo_client",
    "echo_server",
    "gps_tracker",
    "modbus",
    "multicast",
    "request_response",
    "scpi",
    "smtp",
    "syslog",
    "timeout",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A process that ends with the test.
struct Running {
    process: Child,
    lines: BufReader<Box<dyn Read + Send>>,
    _stdin: Option<ChildStdin>,
}

impl Running {
    fn start(command: &mut Command, stderr: bool) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let command = if stderr { command.stderr(Stdio::piped()) } else { command };
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output: Box<dyn Read + Send> = match stderr {
            true => Box::new(process.stderr.take().expect("piped")),
            false => Box::new(process.stdout.take().expect("piped")),
        };
        let _stdin = process.stdin.take();
        Self { process, lines: BufReader::new(output), _stdin }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("text");
        assert!(!line.is_empty(), "it ended");
        line.trim_end().to_owned()
    }

    /// The last number of its next line, and the one before.
    fn ports(&mut self) -> Vec<u16> {
        let line = self.line();
        line.split(|c: char| !c.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .filter(|port| *port > 1000)
            .collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The gateway and the peers of all tests.
struct World {
    gateway: String,
    ports: Value,
    _running: Vec<Mutex<Running>>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let binary =
        env::var_os("SOCKET_GATEWAY_BIN").map_or_else(|| root().join("target/debug/socket-gateway"), PathBuf::from);
    // Nothing is dropped at the end of a test binary; but its end of this pipe closes, and with it the gateway ends.
    let mut command = Command::new("sh");
    command.args(["-c", "\"$0\" \"$@\" </dev/null & cat >/dev/null; kill $!"]).arg(binary);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOCKET_GATEWAY_")) {
        command.env_remove(name);
    }
    let mut server = Running::start(command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]), true);
    let gateway = loop {
        let line = server.line();
        let ready = line.contains("socket-gateway is ready").then(|| line.split("\"address\":\"").nth(1)).flatten();
        if let Some(address) = ready.and_then(|rest| rest.split('"').next()) {
            break address.to_owned();
        }
    };
    let mut peers = Running::start(Command::new("python3").arg(root().join("examples/peers.py")), false);
    let ports = serde_json::from_str(&peers.line()).expect("JSON");
    World { gateway, ports, _running: vec![Mutex::new(server), Mutex::new(peers)] }
});

fn port(peer: &str) -> String {
    WORLD.ports[peer].to_string()
}

/// Cargo builds the examples for `cargo test`, beside the tests.
fn example(name: &str, arguments: &[&str]) -> Command {
    let this = env::current_exe().expect("a path");
    let built = this.ancestors().nth(2).expect("target/PROFILE/deps").join("examples").join(format!("client_{name}"));
    let mut command = Command::new(built);
    command.args(arguments).env("GATEWAY", &WORLD.gateway);
    command
}

fn run(name: &str, arguments: &[&str]) -> Output {
    example(name, arguments).output().expect("is built")
}

fn prints(name: &str, arguments: &[&str]) -> Vec<String> {
    let output = run(name, arguments);
    assert!(output.status.success(), "{name}: {output:?}");
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

/// Those that serve run one at a time: two might want the same group.
static GROUP: Mutex<()> = Mutex::new(());

#[test]
fn every_example_has_help_and_a_file_and_no_file_is_forgotten() {
    let files = std::fs::read_dir(root().join("examples/rust")).expect("the folder");
    let mut files: Vec<String> = files
        .map(|file| file.expect("readable").path().file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(files, NAMES);
    for name in NAMES {
        assert!(prints(name, &["--help"]).iter().any(|line| line.contains("--gateway")), "{name}");
    }
}

#[test]
fn the_echo_server_serves_its_client_and_anybody_else() {
    let mut server = Running::start(&mut example("echo_server", &["--port", "0"]), false);
    let port = server.ports()[0];
    let said = prints("echo_client", &["--port", &port.to_string(), "one", "two", "bye"]);
    assert_eq!(said, ["Hello. I repeat what you say, until bye.", "one", "two", "Good bye."]);
    let mut visitor = TcpStream::connect(("127.0.0.1", port)).expect("connects");
    visitor.write_all(b"plain\r\n").expect("writes");
    let mut lines = BufReader::new(visitor).lines().map_while(Result::ok);
    assert_eq!(lines.nth(1).as_deref(), Some("plain"));
    let said = prints("request_response", &["--port", &port.to_string(), "--callers", "3"]);
    let expected = [1, 2, 3].map(|n| format!("\"question {n}\" was answered by \"question {n}\""));
    assert_eq!(said, expected);
}

#[test]
fn the_board_is_talked_with() {
    let said = prints("bbs", &["--port", &port("bbs")]);
    assert_eq!(said[0], "*** THE BOARD ***");
    let read = said.iter().position(|line| line == "> READ 2").expect("the command");
    assert_eq!(said[read + 1], "The lighthouse is closed in winter");
    assert_eq!(said[said.len() - 2..], ["> QUIT", "GOOD BYE"]);
}

#[test]
fn silence_is_reported() {
    let said = prints("timeout", &["--port", &port("silent"), "--after", "0.3"]);
    assert!(said[0].starts_with("kept: ") && said[0].ends_with("the session is open"), "{said:?}");
    assert_eq!(said[1].split(" (").next(), Some("closed: it was inactive for its timeout"));
}

#[test]
fn a_group_is_sent_to_and_received_from() {
    let _alone = GROUP.lock().unwrap_or_else(PoisonError::into_inner);
    let mut receiver =
        Running::start(&mut example("multicast", &["--port", "0", "--interface", "127.0.0.1", "receive"]), false);
    let port = receiver.ports()[0].to_string();
    let sent = prints("multicast", &["--port", &port, "--interface", "127.0.0.1", "send", "to all"]);
    assert_eq!(sent, [format!("sent 6 bytes to 239.255.42.99:{port}")]);
    assert!(receiver.line().ends_with(": to all"));
}

#[test]
fn an_instrument_answers() {
    let said = prints("scpi", &["127.0.0.1", "--port", &port("scpi")]);
    assert_eq!(said, ["*IDN? -> ACME,DMM-9000,SN00042,1.7", "MEAS:VOLT:DC? -> +4.99713E+00", "errors: 0,\"No error\""]);
    let said = prints("scpi", &["127.0.0.1", "--port", &port("scpi"), "--ask", "NONSENSE"]);
    assert_eq!(said, ["errors: -113,\"Undefined header\""]);
}

#[test]
fn registers_are_read() {
    let said = prints("modbus", &["127.0.0.1", "--port", &port("modbus"), "--first", "7", "--count", "2"]);
    assert_eq!(said, ["register 7: 1007", "register 8: 1008"]);
    let refused = run("modbus", &["127.0.0.1", "--port", &port("modbus"), "--first", "99", "--count", "2"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("illegal data address"));
}

#[test]
fn trackers_are_followed() {
    let mut server = Running::start(&mut example("gps_tracker", &["--port", "0"]), false);
    let mut tracker = TcpStream::connect(("127.0.0.1", server.ports()[0])).expect("connects");
    // Cut in the middle, as it comes over the air.
    tracker.write_all(b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,").expect("writes");
    tracker.write_all(b"0.9,545.4,M,46.9,M,,*47\r\n$GPGGA,1,2*00\r\n").expect("writes");
    assert!(server.line().ends_with("at 48.11730 11.51667, 08 satellites"));
    assert!(server.line().ends_with("wrong checksum"));
}

#[test]
fn syslog_is_collected_over_both() {
    let mut server = Running::start(&mut example("syslog", &["--port", "0"]), false);
    let ports = server.ports();
    let own = UdpSocket::bind("127.0.0.1:0").expect("binds");
    own.send_to(b"<34>Oct 11 22:14:15 mymachine su: it failed", ("127.0.0.1", ports[0])).expect("sends");
    assert_eq!(server.line(), "udp 127.0.0.1 facility 4 critical: Oct 11 22:14:15 mymachine su: it failed");
    let mut sender = TcpStream::connect(("127.0.0.1", ports[1])).expect("connects");
    sender.write_all(b"<165>one\n<13>two\nthree\n").expect("writes");
    for said in ["facility 20 notice: one", "facility 1 notice: two", "no syslog: \"three\""] {
        assert_eq!(server.line(), format!("tcp 127.0.0.1 {said}"));
    }
}

#[test]
fn mail_is_taken() {
    let arguments = ["--port", &port("smtp"), "--to", "you@example.org", "--subject", "Hello", "How are you?\n.\nBye"];
    assert_eq!(prints("smtp", &arguments), ["127.0.0.1 took the mail"]);
}
