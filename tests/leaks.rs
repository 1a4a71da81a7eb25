//! Descriptors and tasks: everything that was opened is closed again, and running out of descriptors is survived.
//!
//! A binary of its own, because descriptors, their limit and the processor's time belong to the whole process; for the same reason
//! one test runs at a time.

#![allow(
    clippy::disallowed_methods,
    reason = "tests play the peers and the clients, with sockets and tasks of their own"
)]
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no callers")]

#[allow(dead_code, reason = "shared with the integration tests")]
#[path = "it/support/mod.rs"]
mod support;

use std::{
    fs::File,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use socket_gateway::{
    api::proto::{self, Event},
    gateway::Gateway,
};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};

use crate::support::{
    Sockets, TestGateway, connect_to, disconnect, eventually, listen_for,
    peers::{Peer, drain, nobody},
    reason, send, within,
};

static ALONE: Mutex<()> = Mutex::new(());

/// Runs a test with nothing else in the process.
fn alone(test: impl Future<Output = ()>) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(test);
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("the list of descriptors").count()
}

async fn descriptors_are(count: usize) {
    eventually("the descriptors are back", || async {
        let now = descriptors();
        if now != count {
            // Closing happens on other threads; what never comes back fails with its number.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        now == count
    })
    .await;
}

/// Processor time of this process so far.
fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("usage");
    let one = |time: nix::sys::time::TimeVal| Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1000);
    one(usage.user_time()) + one(usage.system_time())
}

/// Sessions whose first and whose last envelope came.
#[derive(Default)]
struct Lives {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

impl Lives {
    fn get(&self) -> (usize, usize) {
        (self.begun.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed))
    }
}

/// Takes everything a subscriber gets, and counts lives.
async fn count_lives(mut sockets: Sockets) -> (tokio::task::JoinHandle<()>, Arc<Lives>) {
    let mut stream = sockets.subscribe(proto::SubscribeRequest::default()).await.expect("subscribes").into_inner();
    let lives = Arc::new(Lives::default());
    let counted = Arc::clone(&lives);
    let task = tokio::spawn(async move {
        while let Ok(Some(message)) = stream.message().await {
            for envelope in message.envelopes {
                match envelope.event() {
                    Event::Connecting => counted.begun.fetch_add(1, Ordering::Relaxed),
                    Event::Connected if !envelope.listener_id.is_empty() => {
                        counted.begun.fetch_add(1, Ordering::Relaxed)
                    }
                    Event::Disconnected => counted.ended.fetch_add(1, Ordering::Relaxed),
                    _ => 0,
                };
            }
        }
    });
    (task, lives)
}

async fn listening(sockets: &mut Sockets) -> (String, SocketAddr) {
    let opened = sockets.tcp_listen(listen_for("")).await.expect("listens").into_inner();
    let port = opened.listening.expect("is told").local_port as u16;
    (opened.listener_id, ([127, 0, 0, 1], port).into())
}

fn reset(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("lingers");
}

/// Where sessions live and end.
#[derive(Clone)]
struct World {
    gateway: Arc<Gateway>,
    sockets: Sockets,
    echo: SocketAddr,
    nowhere: SocketAddr,
    listener: SocketAddr,
    /// Does not answer.
    full: SocketAddr,
}

/// One life of a session, of each kind in turn.
async fn live_and_end(world: World, n: usize) {
    let World { gateway, mut sockets, echo, nowhere, listener, full } = world;
    match n % 8 {
        // Dialled: ended by FIN, by RST, by the peer's end, by the peer's RST.
        0 | 1 => {
            let session = sockets.tcp_connect(connect_to(echo)).await.expect("connects").into_inner().session_id;
            sockets.tcp_send(send(&session, "hello")).await.expect("sends");
            let ending = proto::TcpDisconnectRequest { abort: n % 8 == 1, ..disconnect(&session) };
            sockets.tcp_disconnect(ending).await.expect("disconnects");
        }
        // Accepted: ended by the peer's FIN, by its RST, and by its RST with bytes under way.
        2 => drop(TcpStream::connect(listener).await.expect("connects")),
        3 => reset(&TcpStream::connect(listener).await.expect("connects")),
        4 => {
            let mut peer = TcpStream::connect(listener).await.expect("connects");
            peer.write_all(b"half a word").await.expect("writes");
            reset(&peer);
        }
        // Accepted and read to its end.
        5 => {
            let mut peer = TcpStream::connect(listener).await.expect("connects");
            peer.write_all(b"goodbye").await.expect("writes");
            peer.shutdown().await.expect("ends");
            within(drain(&mut peer)).await;
        }
        6 => {
            let refused = sockets.tcp_connect(connect_to(nowhere)).await.expect_err("nobody listens");
            assert_eq!(reason(&refused).0, "CONNECT_FAILED");
        }
        // Given up by its caller while the far end does not answer.
        _ => {
            let id = format!("given up {n}");
            let request = proto::TcpConnectRequest { session_id: id.clone(), ..connect_to(full) };
            let dial = tokio::spawn(async move { sockets.tcp_connect(request).await });
            eventually("it dials", || async { gateway.registry.session("", &id).is_ok() }).await;
            dial.abort();
            let _ = dial.await;
        }
    }
}

#[test]
fn sessions_that_come_and_go_leave_nothing_behind() {
    const LIVES: usize = 2400;
    const AT_ONCE: usize = 16;
    alone(async {
        let gateway = TestGateway::start().await;
        let (echo, nowhere) = (Peer::echo().await, nobody().await);
        let mut sockets = gateway.sockets().await;
        let (listener, address) = listening(&mut sockets).await;
        let (counting, lives) = count_lives(sockets.clone()).await;
        // Its queue is full: whoever dials it waits.
        let full = TcpSocket::new_v4().expect("a socket");
        full.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let full = full.listen(0).expect("listens");
        let full_address = full.local_addr().expect("an address");
        let _filling = TcpStream::connect(full_address).await.expect("the first has room");
        let world = World {
            gateway: Arc::clone(&gateway.gateway),
            sockets: sockets.clone(),
            echo: echo.addr,
            nowhere,
            listener: address,
            full: full_address,
        };
        let live = |n| live_and_end(world.clone(), n);
        for n in 0..8 {
            live(n).await;
        }
        let gone = || async { gateway.gateway.registry.sessions().is_empty() };
        eventually("the first sessions are gone", gone).await;
        // Of the listener, the stream's and the server's own.
        let (tasks, (begun, _)) = (gateway.gateway.registry.tasks(), lives.get());
        let before = {
            let mut settled = descriptors();
            eventually("the descriptors settle", || {
                let now = descriptors();
                let same = std::mem::replace(&mut settled, now) == now;
                async move {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    same
                }
            })
            .await;
            settled
        };
        let mut living = JoinSet::new();
        for n in 0..LIVES {
            if living.len() == AT_ONCE {
                living.join_next().await.expect("one runs").expect("no panic");
            }
            living.spawn(live(n));
        }
        living.join_all().await;
        eventually("the sessions are gone", gone).await;
        eventually("the tasks are back", || async { gateway.gateway.registry.tasks() == tasks }).await;
        descriptors_are(before).await;
        // A peer that resets at once may be gone before it is accepted: that is no session.
        let at_least = begun + LIVES - 2 * LIVES / 8;
        eventually("every end was told", || async {
            let (begun, ended) = lives.get();
            begun == ended && begun >= at_least
        })
        .await;

        let unlisten = proto::TcpUnlistenRequest { listener_id: listener, ..Default::default() };
        sockets.tcp_unlisten(unlisten).await.expect("closes");
        gateway.released().await;
        gateway.shut_down().await;
        within(counting).await.expect("the stream ends");
    });
}

#[test]
fn without_descriptors_accepting_rests_and_what_is_open_goes_on() {
    const PEERS: usize = 40;
    const SPARE: usize = 3;
    alone(async {
        let gateway = TestGateway::start().await;
        let echo = Peer::echo().await;
        let mut sockets = gateway.sockets().await;
        let (listener, address) = listening(&mut sockets).await;
        let mut stream = gateway.subscribe("").await;
        let session = sockets.tcp_connect(connect_to(echo.addr)).await.expect("connects").into_inner().session_id;
        stream.until(Event::Connected).await;
        // The peers' own descriptors, and as many that others can have later.
        let peers: Vec<TcpSocket> = (0..PEERS).map(|_| TcpSocket::new_v4().expect("a socket")).collect();
        let held: Vec<File> = (0..PEERS + 8).map(|_| File::open("/dev/null").expect("opens")).collect();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        setrlimit(Resource::RLIMIT_NOFILE, (descriptors() - 1 + SPARE) as u64, hard).expect("a lower limit");

        let mut connected = Vec::new();
        for peer in peers {
            connected.push(peer.connect(address).await.expect("the kernel answers"));
        }
        let accepted = || gateway.gateway.registry.listeners()[0].accepted() as usize;
        eventually("the last descriptors are used", || async {
            accepted() >= SPARE - 1 && File::open("/dev/null").is_err()
        })
        .await;
        let used = accepted();
        assert!(used < PEERS, "{used} of {PEERS} were accepted");
        // A measurement takes its time: accepting is tried again all the while.
        let (started, spent) = (Instant::now(), processor_time());
        tokio::time::sleep(Duration::from_secs(2)).await;
        let spent = processor_time() - spent;
        assert!(spent < started.elapsed() / 10, "{spent:?} of processor time for resting");

        sockets.tcp_send(send(&session, "still here")).await.expect("sends");
        assert_eq!(stream.bytes(10).await, b"still here");
        assert_eq!(accepted(), used);
        let refused = sockets.tcp_connect(connect_to(echo.addr)).await.expect_err("no descriptor for it");
        assert_eq!((reason(&refused).0.as_str(), reason(&refused).1["errno"].as_str()), ("CONNECT_FAILED", "EMFILE"));

        drop(held);
        eventually("accepting goes on", || async { accepted() == PEERS }).await;
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("the limit from before");
        for peer in &mut connected {
            peer.write_all(b"x").await.expect("writes");
        }
        stream.bytes(PEERS).await;
        drop(connected);
        let unlisten = proto::TcpUnlistenRequest { listener_id: listener, close_sessions: true, ..Default::default() };
        sockets.tcp_unlisten(unlisten).await.expect("closes");
        sockets.tcp_disconnect(disconnect(&session)).await.expect("disconnects");
        gateway.released().await;
    });
}

#[test]
fn thousands_of_open_sessions_are_held_and_released_whole() {
    alone(async {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("may be raised to it");
        // Both ends of each are in this process.
        let count = 9_000.min((hard as usize).saturating_sub(500) / 2);
        let gateway = TestGateway::with(|limits| limits.sessions = count).await;
        let (peer, mut taken) = Peer::handing_over().await;
        let mut sockets = gateway.sockets().await;
        let (listener, address) = listening(&mut sockets).await;
        let (counting, lives) = count_lives(sockets.clone()).await;
        let before = descriptors();

        let mut far = Vec::new();
        for _ in 0..count / 2 {
            sockets.tcp_connect(connect_to(peer.addr)).await.expect("connects");
            far.push(within(taken.recv()).await.expect("the other end"));
        }
        let mut accepted = Vec::new();
        for _ in 0..count - count / 2 {
            accepted.push(TcpStream::connect(address).await.expect("connects"));
        }
        let sessions = || gateway.gateway.registry.sessions();
        eventually("all are open", || async { sessions().len() == count }).await;
        assert_eq!(descriptors(), before + 2 * count);
        let refused = sockets.tcp_connect(connect_to(peer.addr)).await.expect_err("one more");
        assert_eq!(reason(&refused).1["limit"], "sessions");
        for (n, session) in sessions().iter().enumerate().step_by(count / 100) {
            let sent = sockets.tcp_send(send(session.core().id.as_str(), "alive")).await;
            assert_eq!(sent.unwrap_or_else(|error| panic!("session {n}: {error}")).into_inner().write_offset, 5);
        }

        // One half by the peers, the other by request.
        drop(accepted);
        let mut closing = JoinSet::new();
        for session in sessions() {
            let (mut sockets, id) = (sockets.clone(), session.core().id.to_string());
            // The peers' ends may have come first.
            closing.spawn(async move { sockets.tcp_disconnect(disconnect(&id)).await.map(drop).unwrap_or_default() });
            if closing.len() == 64 {
                closing.join_next().await.expect("one runs").expect("no panic");
            }
        }
        closing.join_all().await;
        for stream in &mut far {
            let mut rest = Vec::new();
            within(stream.read_to_end(&mut rest)).await.expect("the gateway's FIN");
        }
        drop(far);
        eventually("all are gone", || async { sessions().is_empty() }).await;
        eventually("every end was told", || async { lives.get() == (count, count) }).await;
        descriptors_are(before).await;
        let unlisten = proto::TcpUnlistenRequest { listener_id: listener, ..Default::default() };
        sockets.tcp_unlisten(unlisten).await.expect("closes");
        gateway.released().await;
        gateway.shut_down().await;
        within(counting).await.expect("the stream ends");
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("the limit from before");
    });
}
