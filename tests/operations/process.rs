//! A gateway as a process of its own, its log lines and its clients.

use std::{
    fs,
    future::Future,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use serde_json::Value;
use socket_gateway::api::proto::{
    session_service_client::SessionServiceClient, socket_gateway_service_client::SocketGatewayServiceClient,
};
use tempfile::TempDir;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;

/// Longer than anything takes that works.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub type Sockets = SocketGatewayServiceClient<Channel>;
pub type Sessions = SessionServiceClient<Channel>;

/// The binary, apart from what the machine's environment happens to set.
pub fn binary() -> Command {
    cleared(Command::new(env!("CARGO_BIN_EXE_socket-gateway")))
}

/// A shell that runs a script with the binary as `$0` and further arguments.
pub fn shell(script: &str) -> Command {
    let mut command = cleared(Command::new("/bin/sh"));
    command.args(["-c", script, env!("CARGO_BIN_EXE_socket-gateway")]);
    command
}

/// As `shell`, in a mount namespace of its own. Needs root.
pub fn unshared(script: &str) -> Command {
    let mut command = cleared(Command::new("unshare"));
    command.args(["--mount", "/bin/sh", "-c", script, env!("CARGO_BIN_EXE_socket-gateway")]);
    command
}

fn cleared(mut command: Command) -> Command {
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").stdin(Stdio::null());
    command
}

/// A configuration file in a folder of its own.
pub struct File {
    folder: TempDir,
    path: PathBuf,
}

impl File {
    pub fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("gateway.toml");
        fs::write(&path, text).expect("a scratch file");
        Self { folder, path }
    }

    pub fn write(&self, text: &str) {
        fs::write(&self.path, text).expect("a scratch file");
    }

    pub fn path(&self) -> &str {
        self.path.to_str().expect("a plain path")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A gateway that runs. Ended when dropped.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    /// A gateway at a free port of loopback, and its address.
    pub fn start(arguments: &[&str]) -> (Self, SocketAddr) {
        let gateway = Self::spawn(binary().args(["--listen", "127.0.0.1:0"]).args(arguments));
        let address = gateway.ready();
        (gateway, address)
    }

    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.args(["--log-format", "json"]).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let stderr = child.stderr.take().expect("stderr is piped");
        let (told, lines) = mpsc::channel();
        thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| told.send(line))
        });
        Self { child, lines }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next log line with this message.
    pub fn line(&self, message: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line says \"{message}\""));
            // What is said before the log begins, or after it ended, is plain text.
            let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
            if line["message"].as_str().is_some_and(|text| text.starts_with(message)) {
                return line;
            }
        }
    }

    pub fn ready(&self) -> SocketAddr {
        address(&self.line("socket-gateway is ready"))
    }

    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.pid());
        assert!(Command::new("/bin/sh").args(["-c", &kill]).status().expect("sh runs").success());
    }

    /// The exit code and what was logged last, once the process has ended by itself.
    pub fn ended(&mut self) -> (Option<i32>, Vec<String>) {
        let mut last = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => last.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the gateway does not end; it said {last:#?}"),
            }
        }
        (self.child.wait().expect("a child can be waited for").code(), last)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in a log line.
pub fn address(line: &Value) -> SocketAddr {
    line["address"].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no address in {line}"))
}

pub async fn channel(address: SocketAddr) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{address}")).expect("an address");
    within(endpoint.connect()).await.expect("connects")
}

pub async fn sockets(address: SocketAddr) -> Sockets {
    SocketGatewayServiceClient::new(channel(address).await)
}

pub async fn sessions(address: SocketAddr) -> Sessions {
    SessionServiceClient::new(channel(address).await)
}

/// Awaits something that must come.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("came in time")
}

/// Waits for a condition; fails the test when it does not come.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "in vain: {what}");
}

/// What a process occupies of memory now.
pub fn resident_bytes(pid: u32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).expect("it runs");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second is resident");
    pages * 4096
}

/// The limit that a call ran into.
pub fn limit(status: &Status) -> String {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.reason, "LIMIT_REACHED");
    info.metadata["limit"].clone()
}
