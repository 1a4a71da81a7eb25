//! The binary as its users meet it: `check`, exit codes, what is said at start, declarations and signals.

#![allow(clippy::disallowed_methods, reason = "a test plays the peers, which own their sockets and clocks")]

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(60);

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_socket-gateway"));
    // What the machine happens to set is no part of a test.
    command.env_clear().stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    binary().args(arguments).output().expect("the binary runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A configuration file in a folder of its own.
struct File {
    _folder: TempDir,
    path: PathBuf,
}

impl File {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("gateway.toml");
        fs::write(&path, text).expect("a scratch file");
        Self { _folder: folder, path }
    }

    fn path(&self) -> &str {
        self.path.to_str().expect("a plain path")
    }
}

/// A gateway that runs, and its log lines. Ended when dropped.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    /// A gateway at a free port of loopback.
    fn start(arguments: &[&str]) -> Self {
        Self::spawn(binary().args(["--listen", "127.0.0.1:0"]).args(arguments))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.args(["--log-format", "json"]).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let stderr = child.stderr.take().expect("stderr is piped");
        let (told, lines) = mpsc::channel();
        thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| told.send(line))
        });
        Self { child, lines }
    }

    /// The next log line with this message.
    fn line(&self, message: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line says \"{message}\""));
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("a line is no JSON: {line}"));
            if line["message"].as_str().is_some_and(|text| text.starts_with(message)) {
                return line;
            }
        }
    }

    fn ready(&self) -> SocketAddr {
        address(&self.line("socket-gateway is ready"))
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("sh runs").success());
    }

    /// The exit code, once the process has ended by itself.
    fn exit_code(&mut self) -> Option<i32> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the gateway does not end"),
            }
        }
        self.child.wait().expect("a child can be waited for").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(line: &Value) -> SocketAddr {
    line["address"].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no address in {line}"))
}

#[test]
fn check_says_ok_and_what_would_be_opened() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gateway.toml");
    let output = run(&["check", example.to_str().expect("a plain path")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.ends_with("gateway.toml: ok: 1 listener, 1 UDP socket, 1 connection\n"), "{said}");
}

#[test]
fn check_tells_every_fault_with_file_and_line_and_exits_with_1() {
    let file = File::new("[limits]\nsesions = 1\n\n[[tcp_listen]]\nsubscriber = \"a\"\nport = 70000\n");
    let output = run(&["check", file.path()]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(
        lines[0].starts_with(&format!("{}:2: limits.sesions: no such setting; did you mean", file.path())),
        "{said}"
    );
    assert!(lines[1].starts_with(&format!("{}:6: tcp_listen.port: 70000 is no port", file.path())), "{said}");
}

#[test]
fn a_bad_configuration_or_command_line_exits_with_64_and_help_with_0() {
    let file = File::new("[[tcp_listen]]\nport = 0\n");
    let output = run(&["--config", file.path(), "--set", "limits.sessions=0", "--listen", "here"]);
    assert_eq!(output.status.code(), Some(64));
    let said = stderr(&output);
    let starts = [&format!("{}:1: ", file.path()), "--listen: ", "--set limits.sessions=0: "];
    assert!(said.lines().zip(starts).all(|(line, start)| line.starts_with(start)), "{said}");
    assert_eq!(said.lines().count(), 3, "{said}");
    assert_eq!(run(&["--no-such-flag"]).status.code(), Some(64));
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    assert_eq!(run(&["--version"]).stdout, format!("socket-gateway {}\n", env!("CARGO_PKG_VERSION")).into_bytes());
}

#[test]
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let file = File::new("listen = \"127.0.0.2:0\"\n");
    let address = |environment: &[(&str, &str)], flags: &[&str]| {
        let mut command = binary();
        let gateway = Running::spawn(command.envs(environment.iter().copied()).args(flags));
        gateway.ready().ip().to_string()
    };
    let named = ("SOCKET_GATEWAY_CONFIG", file.path());
    assert_eq!(address(&[named], &[]), "127.0.0.2");
    assert_eq!(address(&[named, ("SOCKET_GATEWAY_LISTEN", "127.0.0.3:0")], &[]), "127.0.0.3");
    let flag = ["serve", "--listen", "127.0.0.4:0"];
    assert_eq!(address(&[named, ("SOCKET_GATEWAY_LISTEN", "127.0.0.3:0")], &flag), "127.0.0.4");
}

#[test]
fn settings_prints_the_table() {
    assert_eq!(run(&["settings"]).stdout, socket_gateway::config::markdown().into_bytes());
}

#[test]
fn sigterm_ends_a_gateway_with_exit_code_0() {
    let mut gateway = Running::start(&[]);
    TcpStream::connect(gateway.ready()).expect("it listens where it says");
    gateway.signal("TERM");
    assert_eq!(gateway.exit_code(), Some(0));
}

#[test]
fn a_second_interrupt_ends_at_once_what_would_take_its_time() {
    let peer = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = peer.local_addr().expect("bound").port();
    let file = File::new(&format!(
        "limits.close_timeout = \"1h\"\nlimits.shutdown_timeout = \"1h\"\n\
         [[tcp_connect]]\nsubscriber = \"a\"\nhost = \"127.0.0.1\"\nport = {port}\n"
    ));
    let mut gateway = Running::start(&["--config", file.path()]);
    gateway.ready();
    // A peer that never ends its side: an orderly end waits for it.
    let (_connection, _) = peer.accept().expect("the gateway dials");
    gateway.signal("INT");
    gateway.line("stopping");
    gateway.signal("INT");
    gateway.line("ending at once");
    assert_eq!(gateway.exit_code(), Some(0));
}

#[test]
fn what_is_declared_is_open_when_the_gateway_is_ready() {
    let file = File::new(
        "[[tcp_listen]]\nname = \"front\"\nsubscriber = \"a\"\nhost = \"127.0.0.1\"\nport = 0\n\
         [[udp_in]]\nsubscriber = \"b\"\nhost = \"127.0.0.1\"\nport = 0\n",
    );
    let gateway = Running::start(&["--config", file.path()]);
    let listener = gateway.line("opened at start");
    assert_eq!((listener["kind"].as_str(), listener["name"].as_str()), (Some("tcp_listen"), Some("front")));
    assert_eq!(gateway.line("opened at start")["kind"].as_str(), Some("udp_in"));
    gateway.ready();
    TcpStream::connect(address(&listener)).expect("the declared listener is open");
}

#[test]
fn everything_that_cannot_be_bound_is_told_at_once_and_exits_with_1() {
    let taken: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    let address: Vec<_> = taken.iter().map(|one| one.local_addr().expect("bound")).collect();
    let declare = |address: &SocketAddr| {
        format!("[[tcp_listen]]\nsubscriber = \"a\"\nhost = \"127.0.0.1\"\nport = {}\n", address.port())
    };
    let file = File::new(&address[1..].iter().map(declare).collect::<String>());
    let output = run(&["--config", file.path(), "--listen", &address[0].to_string(), "--log-filter", "off"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    let own = format!("cannot listen on {}: address already in use; another program", address[0]);
    assert!(said.contains(&own) && said.contains("--listen"), "{said}");
    for (line, address) in [(1, address[1]), (5, address[2])] {
        let fault = format!("{}:{line}: tcp_listen: cannot listen on {address}: address already in use", file.path());
        assert!(said.contains(&fault), "{said}");
    }
}

#[test]
fn a_declared_connection_that_is_refused_does_not_keep_the_gateway_from_starting() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|peer| peer.local_addr()).expect("a free port");
    let file =
        File::new(&format!("[[tcp_connect]]\nsubscriber = \"a\"\nhost = \"127.0.0.1\"\nport = {}\n", free.port()));
    Running::start(&["--config", file.path()]).ready();
}
