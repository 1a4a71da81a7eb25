//! Memory stays within the product in the header of `src/limits.rs`: the binary, under a memory limit, with a thousand peers that
//! flood and a subscriber that does not read.
//!
//! The limit is RLIMIT_DATA: it needs neither root nor control groups, and beyond it an allocation fails, which ends the process. It
//! does not see the kernel's buffers, as control groups (version 2) do; those are looked at in `/proc/net/tcp`.

#![allow(
    clippy::disallowed_methods,
    reason = "a test plays the peers and the client, with sockets and tasks of its own"
)]

use std::{
    collections::HashMap,
    fs,
    future::Future,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket_gateway::{
    api::proto::{
        self, Envelope, ListSessionsRequest, ListSubscribersRequest, SubscribeRequest, SubscribeResponse,
        TcpConnectRequest, TcpListenRequest, TcpMode, data::Payload, envelope::Detail,
        session_service_client::SessionServiceClient, socket_gateway_service_client::SocketGatewayServiceClient,
    },
    limits::{ENVELOPE_OVERHEAD_BYTES, Limits},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};
use tonic::{Streaming, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const MEMORY: usize = 256 * MIB;

/// How long a condition may take to become true. Generous: it is only waited out where a test fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// Each test keeps a thousand sockets at both ends busy: one after the other.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The binary under its memory limit. Killed when dropped.
struct Gateway {
    child: Child,
    addr: SocketAddr,
    channel: Channel,
    /// What it held when it was ready.
    idle_bytes: usize,
}

impl Gateway {
    async fn start() -> Self {
        raise_file_limit();
        let limited = format!("ulimit -d {} && exec \"$0\" \"$@\"", MEMORY / KIB);
        let mut command = Command::new("sh");
        command.args(["-c", &limited, env!("CARGO_BIN_EXE_socket-gateway")]);
        // A stream that reads nothing must stay for as long as the test takes.
        command.args(["--listen", "127.0.0.1:0", "--log-format", "json", "--set", "limits.stall_timeout=1h"]);
        command.env_clear().stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let mut log = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let ready = log.by_ref().inspect(|line| println!("{line}")).find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line).ok()?;
            line["address"].as_str()?.parse().ok()
        });
        // Read on, so that it can always write, and that a failed test shows it.
        std::thread::spawn(move || log.for_each(|line| println!("{line}")));
        let addr: SocketAddr = ready.expect("the gateway tells its address: it starts within the memory limit");
        let channel =
            Channel::from_shared(format!("http://{addr}")).expect("address").connect().await.expect("connects");
        let mut gateway = Self { child, addr, channel, idle_bytes: 0 };
        let limits = fs::read_to_string(format!("/proc/{}/limits", gateway.child.id())).expect("its limits");
        let limit = limits.lines().find_map(|line| line.strip_prefix("Max data size")).expect("a limit of data");
        assert_eq!(limit.split_whitespace().next(), Some(MEMORY.to_string().as_str()), "the memory limit is in force");
        gateway.idle_bytes = gateway.status("RssAnon");
        gateway
    }

    fn sockets(&self) -> SocketGatewayServiceClient<Channel> {
        SocketGatewayServiceClient::new(self.channel.clone())
    }

    /// A stream on a connection of its own; its start has been read.
    async fn subscribe(&self) -> Streaming<SubscribeResponse> {
        let channel = Channel::from_shared(format!("http://{}", self.addr)).expect("address").connect().await;
        let mut sockets = SocketGatewayServiceClient::new(channel.expect("connects"));
        let mut stream = sockets.subscribe(SubscribeRequest::default()).await.expect("subscribes").into_inner();
        stream.message().await.expect("the stream is open").expect("the start");
        stream
    }

    async fn subscriber(&self) -> proto::Subscriber {
        let request = ListSubscribersRequest::default();
        let all = SessionServiceClient::new(self.channel.clone()).list_subscribers(request).await.expect("lists");
        all.into_inner().subscribers.into_iter().next().expect("there is one")
    }

    async fn sessions(&self) -> Vec<proto::Session> {
        let request = ListSessionsRequest { page_size: 1000, ..Default::default() };
        let all = SessionServiceClient::new(self.channel.clone()).list_sessions(request).await.expect("lists");
        all.into_inner().sessions
    }

    async fn is_healthy(&self) -> bool {
        let mut client = HealthClient::new(self.channel.clone());
        let answer = client.check(HealthCheckRequest::default());
        let answer = tokio::time::timeout(Duration::from_secs(5), answer).await.expect("health answers at once");
        answer.expect("health answers").into_inner().status() == ServingStatus::Serving
    }

    /// A line of its status, in bytes.
    #[track_caller]
    fn status(&mut self, name: &str) -> usize {
        assert_eq!(self.child.try_wait().expect("a child can be looked at"), None, "the gateway has ended");
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("in every status");
        let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * KIB
    }

    /// Its memory is, and has always been, within the limit; what it holds by itself is within the product.
    #[track_caller]
    fn is_within(&mut self, when: &str, sessions: usize, mode: TcpMode) {
        // The pages of the program itself are no part of the product.
        let (held, most) = (self.status("RssAnon"), self.status("VmHWM"));
        let product = self.idle_bytes + product(sessions, mode);
        println!("{when}: {held} bytes, the product {product}; resident at most {most}");
        assert!(most <= MEMORY, "{when}: {most} bytes of {MEMORY}");
        assert!(held <= product, "{when}: {held} bytes, the product {product}");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The product in the header of `src/limits.rs`, for one subscriber and peers that send nothing that is held until it is complete.
fn product(sessions: usize, mode: TcpMode) -> usize {
    let limits = Limits::default();
    let data = 3 * (limits.subscriber_backlog_bytes + limits.subscriber_retained_bytes);
    let not_framed = if mode == TcpMode::Line { 64 * KIB } else { 0 };
    10 * MIB
        + data
        + limits.subscriber_events * 512
        + sessions * (6 * KIB + limits.full_backlog_read_bytes + not_framed)
}

/// This process holds the far end of every session.
fn raise_file_limit() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit of files");
    assert!(most >= 4096, "this test needs 4096 open files; the hard limit is {most}: raise it");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("up to the hard limit it is free");
}

async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "in vain: {what}");
}

/// What peers send, by its place in the stream: one period and a half of it.
fn content(mode: TcpMode) -> Vec<u8> {
    let byte = |at: usize| if mode == TcpMode::Line { b'\n' } else { (at % PERIOD) as u8 };
    (0..PERIOD + 64 * KIB).map(byte).collect()
}

const PERIOD: usize = 251;

/// Peers that send without end.
struct Flood {
    /// Where dialled sessions lead to.
    dialled: u16,
    /// Where accepted ones came to.
    listener: u16,
    sessions: usize,
    written: Arc<AtomicU64>,
    _peers: JoinSet<()>,
}

impl Flood {
    /// Half of the sessions are dialled and half accepted.
    async fn start(gateway: &Gateway, sessions: usize, mode: TcpMode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let dialled = listener.local_addr().expect("bound").port();
        let request = TcpListenRequest { host: "127.0.0.1".into(), mode: mode.into(), ..Default::default() };
        let listening = gateway.sockets().tcp_listen(request).await.expect("listens").into_inner().listening;
        let accepting = u16::try_from(listening.expect("an address").local_port).expect("a port");
        let (written, content) = (Arc::new(AtomicU64::new(0)), Arc::new(content(mode)));
        let mut peers = JoinSet::new();
        for _ in 0..sessions / 2 {
            let host = "127.0.0.1".into();
            let request = TcpConnectRequest { host, port: dialled.into(), mode: mode.into(), ..Default::default() };
            let mut sockets = gateway.sockets();
            let (connected, accepted) = tokio::join!(sockets.tcp_connect(request), listener.accept());
            connected.expect("connects");
            let near = TcpSocket::new_v4().expect("a socket");
            let near = near.connect(([127, 0, 0, 1], accepting).into()).await.expect("connects");
            for stream in [accepted.expect("accepts").0, near] {
                peers.spawn(flood(stream, Arc::clone(&content), Arc::clone(&written)));
            }
        }
        Self { dialled, listener: accepting, sessions, written, _peers: peers }
    }

    /// Every session is paused, and no peer gets rid of anything any more.
    async fn is_stuck(&self, gateway: &Gateway) {
        eventually("every session is paused", || async {
            gateway.subscriber().await.paused_sessions as usize == self.sessions
        })
        .await;
        let mut before = 0;
        while self.written.load(Ordering::Relaxed) != before {
            before = self.written.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// The receive queues of the gateway's sockets.
    fn receive_queues(&self) -> Vec<usize> {
        let table = fs::read_to_string("/proc/net/tcp").expect("Linux tells its connections");
        let port = |address: &str| u16::from_str_radix(&address[9..], 16).expect("a port");
        let rows = table.lines().skip(1).filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let (local, remote, state, queues) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
            let ours = port(local) == self.listener || port(remote) == self.dialled;
            (state == "01" && ours).then(|| usize::from_str_radix(&queues[9..], 16).expect("a length"))
        });
        rows.collect()
    }
}

async fn flood(mut stream: TcpStream, content: Arc<Vec<u8>>, written: Arc<AtomicU64>) {
    // What the peers' own kernel holds is no part of the test.
    socket2::SockRef::from(&stream).set_send_buffer_size(16 * KIB).expect("a small buffer");
    let mut at = 0;
    while let Ok(sent) = stream.write(&content[at..at + 16 * KIB]).await {
        written.fetch_add(sent as u64, Ordering::Relaxed);
        at = (at + sent) % PERIOD;
    }
}

/// Reads until every session has brought so many bytes, in order and without a hole.
async fn everything_flows(stream: &mut Streaming<SubscribeResponse>, sessions: usize, mode: TcpMode, bytes: u64) {
    let content = content(mode);
    let mut offsets: HashMap<String, u64> = HashMap::new();
    let mut flowing = 0;
    while flowing < sessions {
        let message = tokio::time::timeout(PATIENCE, stream.message()).await.expect("more comes");
        for envelope in message.expect("the stream goes on").expect("a message").envelopes {
            let Some((id, from, payload)) = data(envelope) else { continue };
            let offset = offsets.entry(id).or_default();
            assert_eq!(from, *offset, "the offsets go on");
            let before = *offset;
            *offset += match payload {
                Payload::Text(line) => {
                    assert_eq!((mode, line.as_str()), (TcpMode::Line, ""));
                    1
                }
                Payload::Bytes(chunk) => {
                    let at = from as usize % PERIOD;
                    assert!(chunk == content[at..at + chunk.len()], "at {from}");
                    chunk.len() as u64
                }
                other => panic!("neither a chunk nor a line: {other:?}"),
            };
            flowing += usize::from(before < bytes && *offset >= bytes);
        }
    }
}

fn data(envelope: Envelope) -> Option<(String, u64, Payload)> {
    match envelope.detail? {
        Detail::Data(data) => Some((envelope.session_id, data.offset, data.payload?)),
        _ => None,
    }
}

/// The whole story: the flood is held up within bounds, and goes on when somebody reads.
async fn is_held_up(sessions: usize, mode: TcpMode, attached: bool, further: u64) {
    let _alone = ALONE.lock().await;
    let mut gateway = Gateway::start().await;
    let mut stream = None;
    if attached {
        stream = Some(gateway.subscribe().await);
    }
    let flood = Flood::start(&gateway, sessions, mode).await;
    flood.is_stuck(&gateway).await;

    let limits = Limits::default();
    let backlog = gateway.subscriber().await.backlog_bytes as usize;
    // The session that fills the backlog may pass its end by what one read brings, on each of the threads.
    let more = 8 * (64 * KIB + ENVELOPE_OVERHEAD_BYTES);
    let most = limits.subscriber_backlog_bytes
        + sessions * (limits.full_backlog_read_bytes + 2 * ENVELOPE_OVERHEAD_BYTES)
        + more;
    assert!(backlog <= most, "{backlog} bytes wait, of {most}");
    let shown = gateway.sessions().await;
    assert_eq!(shown.len(), sessions);
    assert!(shown.iter().all(|session| session.read_paused), "every session is paused");
    let queues = flood.receive_queues();
    let (longest, total) = (queues.iter().max().copied().unwrap_or_default(), queues.iter().sum::<usize>());
    println!("backlog {backlog} of {most}; {} receive queues, longest {longest}, total {total}", queues.len());
    assert_eq!(queues.len(), sessions);
    assert!(longest > 0, "the kernel holds something, or this looks at the wrong sockets");
    assert!(longest <= 2 * limits.socket_receive_buffer_bytes + 64 * KIB, "a receive queue of {longest} bytes");
    assert!(gateway.is_healthy().await);
    gateway.is_within("held up", sessions, mode);

    let mut stream = match stream {
        Some(stream) => stream,
        None => gateway.subscribe().await,
    };
    everything_flows(&mut stream, sessions, mode, further).await;
    assert!(gateway.is_healthy().await);
    gateway.is_within("flowing", sessions, mode);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_floods_are_held_up_within_256_mib_while_no_stream_is_attached() {
    is_held_up(1000, TcpMode::Binary, false, 320 * KIB as u64).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_while_the_attached_stream_reads_nothing() {
    is_held_up(1000, TcpMode::Binary, true, 320 * KIB as u64).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_are_a_thousand_floods_of_empty_lines() {
    is_held_up(1000, TcpMode::Line, false, 2000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_those_while_the_attached_stream_reads_nothing() {
    is_held_up(1000, TcpMode::Line, true, 2000).await;
}
