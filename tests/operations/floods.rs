//! HTTP/2 attacks, each with a good client beside it that must go on being served, and a bound on the gateway's memory.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use socket_gateway::api::proto::{ListSessionsRequest, ListSubscribersRequest, SubscribeRequest};
use tokio::task::JoinHandle;

use crate::{
    h2::{self, connect, flood, frame, header, rest, says},
    process::{PATIENCE, Running, eventually, resident_bytes, sessions, sockets, within},
};

const CALL: &str = "/tcpip.v1.SessionService/ListSessions";

/// Far above what a flood may cost, far below what it sends or would pile up.
const MEMORY: u64 = 64 << 20;

/// More frames than any of these floods should get to send.
const MOST: usize = 2_000_000;

/// A client that calls without a pause.
struct Good {
    over: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Good {
    async fn start(address: SocketAddr) -> Self {
        let (over, calls) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut client = sessions(address).await;
        let task = tokio::spawn({
            let (over, calls) = (Arc::clone(&over), Arc::clone(&calls));
            async move {
                while !over.load(Ordering::Relaxed) {
                    let answer = client.list_sessions(ListSessionsRequest::default());
                    tokio::time::timeout(PATIENCE, answer).await.expect("in time").expect("it is served");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { over, calls, task }
    }

    /// It was served all along, and still is.
    async fn was_served(self) {
        let before = self.calls.load(Ordering::Relaxed);
        eventually("the good client is served", || async { self.calls.load(Ordering::Relaxed) > before + 10 }).await;
        self.over.store(true, Ordering::Relaxed);
        within(self.task).await.expect("every call was answered");
    }
}

/// Runs an attack against a gateway with a good client beside it.
async fn attack(arguments: &[&str], attack: impl Fn(SocketAddr) + Send + 'static) {
    let (gateway, address) = Running::start(arguments);
    let good = Good::start(address).await;
    let before = resident_bytes(gateway.pid());
    tokio::task::spawn_blocking(move || attack(address)).await.expect("the attack goes as expected");
    let after = resident_bytes(gateway.pid());
    assert!(after < before + MEMORY, "{before} bytes became {after}");
    good.was_served().await;
}

fn stream_id(n: usize) -> u32 {
    (2 * n + 1) as u32
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_reset_at_once_end_their_connection() {
    attack(&["--set", "limits.grpc_pending_resets=10"], |address| {
        for _ in 0..10 {
            let mut stream = connect(address);
            let headers = h2::call(CALL);
            let cut = flood(&mut stream, MOST, |n| {
                let mut frames = frame(h2::HEADERS, h2::END_HEADERS, stream_id(n), &headers);
                frames.extend(frame(h2::RST_STREAM, 0, stream_id(n), &8_u32.to_be_bytes()));
                frames
            });
            assert!(cut, "rapid reset (CVE-2023-44487)");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_without_an_end_end_their_connection() {
    attack(&[], |address| {
        for _ in 0..5 {
            let mut stream = connect(address);
            stream.write_all(&frame(h2::HEADERS, 0, 1, &h2::call(CALL))).expect("taken");
            let more = header("x", &"y".repeat(4000));
            assert!(flood(&mut stream, MOST, |_| frame(h2::CONTINUATION, 0, 1, &more)), "CONTINUATION flood");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_frames_without_an_end_cost_nothing_that_grows() {
    attack(&[], |address| {
        for _ in 0..5 {
            let mut stream = connect(address);
            let headers = h2::call("/tcpip.v1.SocketGatewayService/Attach");
            stream.write_all(&frame(h2::HEADERS, h2::END_HEADERS, 1, &headers)).expect("taken");
            let empty = frame(h2::DATA, 0, 1, &[]).repeat(50);
            flood(&mut stream, 20_000, |_| empty.clone());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_on_stream_after_stream_end_their_connection() {
    attack(&[], |address| {
        for _ in 0..10 {
            let mut stream = connect(address);
            let headers = h2::call(CALL);
            let cut = flood(&mut stream, MOST, |n| {
                let mut frames = frame(h2::HEADERS, h2::END_HEADERS, stream_id(n), &headers);
                // A window that grows by nothing is an error of the stream (RFC 9113, section 6.9).
                frames.extend(frame(h2::WINDOW_UPDATE, 0, stream_id(n), &0_u32.to_be_bytes()));
                frames
            });
            assert!(cut, "made-you-reset");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_and_settings_whose_answers_are_not_read_cost_nothing_that_grows() {
    attack(&[], |address| {
        let ping = frame(h2::PING, 0, 0, &[7; 8]).repeat(100);
        let settings = frame(h2::SETTINGS, 0, 0, &[]).repeat(100);
        for frames in [ping, settings] {
            // It is cut, or not read from any more, long before it has sent all.
            flood(&mut connect(address), MOST / 100, |_| frames.clone());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_headers_are_refused() {
    attack(&["--set", "limits.grpc_header_bytes=8192"], |address| {
        for _ in 0..20 {
            let mut stream = connect(address);
            let mut headers = h2::call(CALL);
            for n in 0..64 {
                headers.extend(header(&format!("x-{n}"), &"y".repeat(1000)));
            }
            let mut parts = headers.chunks(16_000).peekable();
            let (mut kind, mut refused) = (h2::HEADERS, false);
            while let Some(part) = parts.next() {
                let flags = if parts.peek().is_none() { h2::END_HEADERS } else { 0 };
                refused |= stream.write_all(&frame(kind, flags, 1, part)).is_err();
                kind = h2::CONTINUATION;
            }
            // ":status: 431" (RFC 6585), a stream's end, or the connection's.
            let answer = |kind: u8, payload: &[u8]| {
                (kind == h2::HEADERS && payload.windows(3).any(|text| text == b"431"))
                    || [h2::RST_STREAM, h2::GOAWAY].contains(&kind)
            };
            assert!(refused || says(&mut stream, answer), "it is answered by a refusal");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preface_that_drips_is_cut_at_its_deadline_and_does_not_keep_good_clients_out() {
    let flags = ["--set", "limits.grpc_preface_timeout=2s", "--set", "limits.grpc_handshakes=8"];
    let (gateway, address) = Running::start(&flags);
    // The oldest of the silent ones make room, so that a flood of them keeps nobody out.
    let silent: Vec<_> = (0..100).map(|_| TcpStream::connect(address).expect("connects")).collect();
    let good = Good::start(address).await;
    let mut dripping = TcpStream::connect(address).expect("connects");
    let cut = tokio::task::spawn_blocking(move || {
        for byte in h2::PREFACE {
            if dripping.write_all(&[*byte]).is_err() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        false
    });
    assert!(cut.await.expect("no panic"), "a byte at a time is too slow");
    good.was_served().await;
    drop((silent, gateway));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_cannot_hold_unlimited_streams() {
    let (gateway, address) = Running::start(&["--set", "limits.grpc_streams_per_connection=20"]);
    let good = Good::start(address).await;
    let mut greedy = connect(address);
    let headers = h2::call("/tcpip.v1.SocketGatewayService/Subscribe");
    for n in 0..200 {
        // The request is an empty message: compressed no, length 0.
        let mut frames = frame(h2::HEADERS, h2::END_HEADERS, stream_id(n), &headers);
        frames.extend(frame(h2::DATA, h2::END_STREAM, stream_id(n), &[0; 5]));
        if greedy.write_all(&frames).is_err() {
            break;
        }
    }
    let refused = tokio::task::spawn_blocking(move || {
        let refused = says(&mut greedy, |kind, _| [h2::RST_STREAM, h2::GOAWAY].contains(&kind));
        (refused, greedy)
    });
    let (refused, greedy) = refused.await.expect("no panic");
    assert!(refused, "beyond the limit streams are refused");
    let mut client = sessions(address).await;
    let listed = client.list_subscribers(ListSubscribersRequest::default()).await.expect("lists").into_inner();
    let streams: u32 = listed.subscribers.iter().map(|subscriber| subscriber.streams).sum();
    assert!(streams <= 20, "{streams}");
    drop(greedy);
    eventually("its streams go with it", || {
        let mut client = client.clone();
        async move {
            let listed = client.list_subscribers(ListSubscribersRequest::default()).await.expect("lists").into_inner();
            listed.subscribers.iter().all(|subscriber| subscriber.streams == 0)
        }
    })
    .await;
    good.was_served().await;
    drop(gateway);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_too_many_is_closed_at_once_and_its_place_comes_back() {
    let flags = ["--set", "limits.grpc_connections=4", "--set", "limits.grpc_connections_per_peer=3"];
    let (_gateway, address) = Running::start(&flags);
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(sockets(address).await);
    }
    let mut one_too_many = TcpStream::connect(address).expect("the kernel connects it");
    one_too_many.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    assert_eq!(one_too_many.read(&mut [0; 1]).expect("an end"), 0, "it is closed without a word");
    kept.pop();
    eventually("there is room again", || async {
        let Ok(mut client) = sockets_or_not(address).await else { return false };
        client.subscribe(SubscribeRequest::default()).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_all_addresses_together_are_bounded() {
    let (_gateway, address) = Running::start(&["--set", "limits.grpc_connections=3"]);
    // Held by nobody but the test: each address has fewer than one address may have.
    let from = |host: u8| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, host], 0)).into()).expect("an address of loopback");
        socket.connect(&address.into()).expect("the kernel connects it");
        TcpStream::from(socket)
    };
    let mut kept: Vec<_> = [2, 3, 4].map(from).into();
    for stream in &mut kept {
        stream.write_all(h2::PREFACE).expect("taken");
        stream.write_all(&frame(h2::SETTINGS, 0, 0, &[])).expect("taken");
        assert!(says(stream, |kind, _| kind == h2::SETTINGS), "it is served");
    }
    let mut one_too_many = from(5);
    one_too_many.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    assert_eq!(one_too_many.read(&mut [0; 1]).expect("an end"), 0, "it is closed without a word");
    kept.pop();
    eventually("there is room again", || async {
        let Ok(mut client) = sockets_or_not(address).await else { return false };
        client.subscribe(SubscribeRequest::default()).await.is_ok()
    })
    .await;
}

async fn sockets_or_not(address: SocketAddr) -> Result<crate::process::Sockets, tonic::transport::Error> {
    crate::process::Sockets::connect(format!("http://{address}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_connection_is_told_to_go_and_cut_when_it_does_not() {
    let flags = ["--set", "limits.grpc_connection_age=1s", "--set", "limits.grpc_connection_age_grace=2s"];
    let (_gateway, address) = Running::start(&flags);
    let started = Instant::now();
    let (said, lived) = tokio::task::spawn_blocking(move || {
        let mut stream = connect(address);
        let headers = h2::call("/tcpip.v1.SocketGatewayService/Subscribe");
        stream.write_all(&frame(h2::HEADERS, h2::END_HEADERS, 1, &headers)).expect("taken");
        stream.write_all(&frame(h2::DATA, h2::END_STREAM, 1, &[0; 5])).expect("taken");
        let mut said = false;
        loop {
            let frames = rest(&mut stream);
            said |= frames.iter().any(|(kind, _)| *kind == h2::GOAWAY);
            // Its own PING answers are missing, and its stream goes on: only the cut ends it.
            if stream.write_all(&frame(h2::PING, 0, 0, &[1; 8])).is_err() || started.elapsed() > Duration::from_secs(30)
            {
                return (said, started.elapsed());
            }
        }
    })
    .await
    .expect("no panic");
    assert!(said, "GOAWAY comes first");
    assert!(lived >= Duration::from_secs(2) && lived < Duration::from_secs(30), "{lived:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2load_does_not_keep_a_good_client_from_being_served() {
    attack(&[], |address| {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let body = folder.path().join("body");
        std::fs::write(&body, [0, 0, 0, 0, 0]).expect("a scratch file");
        let mut h2load = Command::new("h2load");
        h2load.args([
            "-n",
            "2000",
            "-c",
            "20",
            "-m",
            "50",
            "-H",
            "content-type: application/grpc",
            "-H",
            "te: trailers",
        ]);
        h2load.arg("-d").arg(&body).arg(format!("http://{address}{CALL}"));
        let output = h2load.output().expect("h2load runs: scripts/install-test-tools brings it");
        let said = String::from_utf8_lossy(&output.stdout);
        // It counts HTTP answers, not what gRPC says in them.
        assert!(said.contains("2000 total") && said.contains(" 0 failed") && said.contains(" 0 timeout"), "{said}");
    })
    .await;
}
