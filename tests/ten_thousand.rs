//! Ten thousand sessions in the real binary, held and released without a trace.

#![allow(
    clippy::disallowed_methods,
    reason = "a test plays the peers and the client, with sockets and tasks of its own"
)]

use std::{
    fs,
    future::Future,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket_gateway::api::proto::{
    ListSessionsRequest, TcpConnectRequest, TcpListenRequest, session_service_client::SessionServiceClient,
    socket_gateway_service_client::SocketGatewayServiceClient,
};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::Channel;

const DIALLED: usize = 5_000;
const ACCEPTED: usize = 5_000;

/// How long a condition may take to become true. Generous: it is only waited out where a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary, killed when dropped.
struct Gateway(Child);

impl Gateway {
    /// Starts it as most shells would, with a soft limit of 1024 file descriptors, which it has to raise.
    fn start() -> (Self, SocketAddr) {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -Sn 1024 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_socket-gateway")]);
        command.args(["--listen", "127.0.0.1:0", "--log-format", "json"]);
        let mut child = command.env_clear().stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut log = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let addr = log.by_ref().find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line).ok()?;
            line["address"].as_str()?.parse().ok()
        });
        // Read on, so that it can always write.
        std::thread::spawn(move || log.for_each(drop));
        (Self(child), addr.expect("the gateway tells its address"))
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.0.id())).expect("it lives").count()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself, which is what a test that failed tells then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "in vain: {what}");
}

async fn open_sessions(channel: &Channel) -> usize {
    let request = ListSessionsRequest { page_size: 1, ..Default::default() };
    let listed = SessionServiceClient::new(channel.clone()).list_sessions(request).await.expect("lists");
    listed.into_inner().total_size as usize
}

#[tokio::test]
async fn ten_thousand_sessions_are_held_and_leave_no_descriptor_behind() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    assert!(
        hard as usize > DIALLED + ACCEPTED + 500,
        "needs a hard limit of 10,500 file descriptors (ulimit -Hn): {hard}"
    );
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("may be raised to it");
    let (gateway, addr) = Gateway::start();
    let channel = Channel::from_shared(format!("http://{addr}")).expect("address").connect().await.expect("connects");
    let mut sockets = SocketGatewayServiceClient::new(channel.clone());
    let request = TcpListenRequest { host: "127.0.0.1".into(), ..Default::default() };
    let listening = sockets.tcp_listen(request).await.expect("listens").into_inner().listening.expect("its address");
    let inbound = SocketAddr::new(listening.local_host.parse().expect("an address"), listening.local_port as u16);
    let far = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let outbound = far.local_addr().expect("an address");
    let before = gateway.descriptors();

    let mut ends = Vec::with_capacity(DIALLED + ACCEPTED);
    for _ in 0..DIALLED {
        let request =
            TcpConnectRequest { host: outbound.ip().to_string(), port: outbound.port().into(), ..Default::default() };
        sockets.tcp_connect(request).await.expect("connects");
        ends.push(far.accept().await.expect("the other end").0);
    }
    for _ in 0..ACCEPTED {
        ends.push(TcpStream::connect(inbound).await.expect("connects"));
    }
    eventually("all are sessions", || async { open_sessions(&channel).await == DIALLED + ACCEPTED }).await;
    assert_eq!(gateway.descriptors(), before + DIALLED + ACCEPTED);

    drop(ends);
    eventually("all have ended", || async { open_sessions(&channel).await == 0 }).await;
    eventually("every descriptor is back", || async { gateway.descriptors() == before }).await;
}
