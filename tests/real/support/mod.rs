//! A gateway to test, grpcurl as its client, real servers as its peers, and patience.

pub mod binary;
pub mod grpcurl;
pub mod namespaces;
pub mod programs;

use std::{
    net::SocketAddr,
    sync::mpsc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use socket_gateway::{gateway::Gateway, limits::Limits, server::Server};
use tokio_util::sync::CancellationToken;

/// How long a condition may take to become true. Generous: it is only waited out where a test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway on a port of its own, served by a thread of its own, so that tests can wait for processes. Ends with the test.
pub struct TestGateway {
    pub addr: SocketAddr,
    kill: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

impl TestGateway {
    pub fn start() -> Self {
        let kill = CancellationToken::new();
        let (tell, told) = mpsc::channel();
        let serving = std::thread::spawn({
            let kill = kill.clone();
            move || {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build()
                    .expect("a runtime");
                runtime.block_on(async {
                    let gateway = Gateway::new(Limits::default());
                    let server = Server::bind(gateway, ([127, 0, 0, 1], 0).into()).expect("a free port");
                    tell.send(server.local_addr()).expect("the test waits for it");
                    server.serve(kill.clone(), kill).await.expect("the server runs");
                });
            }
        });
        let addr = told.recv().expect("the server binds");
        Self { addr, kill, serving: Some(serving) }
    }

    /// grpcurl, pointed at it.
    pub fn grpcurl(&self) -> grpcurl::Grpcurl {
        grpcurl::Grpcurl::to(self.addr)
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        self.kill.cancel();
        let ended = self.serving.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            ended.expect("once").expect("the gateway ends without a panic");
        }
    }
}

/// Waits for a condition; fails the test when it does not come.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
