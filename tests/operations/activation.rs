//! Sockets that a service manager hands over, and what it is told. The test is the manager: it keeps the sockets while gateways come
//! and go.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use socket_gateway::api::proto::ListSessionsRequest;
use tokio::task::JoinSet;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::process::{File, PATIENCE, Running, address, channel, eventually, sessions, shell, within};

fn socket() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("bound");
    (socket, address)
}

/// As systemd does it: the sockets are descriptors 3 and up, the variables tell how many and for whom. A shell gets them by its own
/// standard streams, so that no other child of this process inherits them.
fn with_sockets(names: &str, sockets: &[&TcpListener], arguments: &[&str]) -> Running {
    let handle = |at: usize| Stdio::from(OwnedFd::from(sockets[at].try_clone().expect("a handle")));
    let (count, second) = match sockets.len() {
        1 => (1, ""),
        _ => (2, "exec 4<&1 1>&2;"),
    };
    let script = format!(
        "exec 3<&0 0</dev/null; {second} export LISTEN_FDS={count} LISTEN_PID=$$ LISTEN_FDNAMES={names}; exec \"$0\" \"$@\""
    );
    let mut command = shell(&script);
    command.stdin(handle(0)).args(arguments);
    if sockets.len() > 1 {
        command.stdout(handle(1));
    }
    Running::spawn(&mut command)
}

async fn serves(address: SocketAddr) {
    let mut health = HealthClient::new(channel(address).await);
    let answer = within(health.check(HealthCheckRequest::default())).await.expect("health answers");
    assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_loses_no_connection_attempt() {
    const ATTEMPTS: usize = 50;
    let (grpc, at) = socket();
    let (front, front_at) = socket();
    let file = File::new("[[tcp_listen]]\nname = \"front\"\nsubscriber = \"a\"\nhost = \"127.0.0.1\"\nport = 0\n");
    let start = || with_sockets("grpc:front", &[&grpc, &front], &["--config", file.path()]);

    let mut gateway = start();
    assert_eq!(address(&gateway.line("opened at start")), front_at);
    assert_eq!(gateway.ready(), at);
    serves(at).await;

    // All through three restarts somebody connects.
    let over = Arc::new(AtomicBool::new(false));
    let connected = Arc::new(AtomicUsize::new(0));
    let connecting = thread::spawn({
        let (over, connected) = (Arc::clone(&over), Arc::clone(&connected));
        move || {
            while !over.load(Ordering::Relaxed) {
                for address in [at, front_at] {
                    TcpStream::connect(address).expect("no attempt is refused");
                    connected.fetch_add(1, Ordering::Relaxed);
                }
                thread::sleep(std::time::Duration::from_millis(5));
            }
        }
    });
    for _ in 0..3 {
        gateway.signal("TERM");
        assert_eq!(gateway.ended().0, Some(0));
        // Nobody serves now: who comes waits.
        let mut waiting = JoinSet::new();
        for _ in 0..ATTEMPTS {
            waiting.spawn(serves(at));
        }
        let peers: Vec<_> = (0..ATTEMPTS).map(|_| TcpStream::connect(front_at).expect("it is queued")).collect();
        gateway = start();
        gateway.ready();
        within(waiting.join_all()).await;
        let wanted: Vec<_> = peers.iter().map(|peer| u32::from(peer.local_addr().expect("open").port())).collect();
        eventually("every peer has its session", || async {
            let request = ListSessionsRequest { page_size: 1000, ..Default::default() };
            let listed = sessions(at).await.list_sessions(request).await.expect("lists").into_inner().sessions;
            let ports: Vec<_> = listed.iter().map(|session| session.remote_port).collect();
            wanted.iter().all(|port| ports.contains(port))
        })
        .await;
        drop(peers);
    }
    over.store(true, Ordering::Relaxed);
    connecting.join().expect("no attempt was refused");
    assert!(connected.load(Ordering::Relaxed) > 6);
}

#[tokio::test]
async fn a_single_socket_is_the_grpc_port_whatever_its_name() {
    let (socket, at) = socket();
    let gateway = with_sockets("socket-gateway.socket", &[&socket], &["--listen", "127.0.0.1:1"]);
    assert_eq!(gateway.ready(), at, "the socket counts, not the setting");
    serves(at).await;
}

#[test]
fn a_socket_that_nothing_serves_is_refused_by_its_name() {
    let ((grpc, _), (other, other_at)) = (socket(), socket());
    let mut gateway = with_sockets("grpc:fornt", &[&grpc, &other], &[]);
    let (code, said) = gateway.ended();
    assert_eq!(code, Some(1));
    let said = said.join("\n");
    assert!(
        said.contains("\"fornt\"") && said.contains(&other_at.to_string()) && said.contains("FileDescriptorName="),
        "{said}"
    );
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let (socket, at) = socket();
    let mut command = shell("exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=1; exec \"$0\" \"$@\"");
    command.stdin(Stdio::from(OwnedFd::from(socket))).args(["--listen", "127.0.0.1:0"]);
    assert_ne!(Running::spawn(&mut command).ready(), at);
}

#[tokio::test]
async fn systemd_socket_activate_starts_it_and_the_connection_that_did_is_served() {
    // It tells its own address nowhere: the port is free a moment before.
    let at = socket().1;
    let mut command = Command::new("systemd-socket-activate");
    command.env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
    command.args(["--listen", &at.to_string(), "--fdname=grpc", env!("CARGO_BIN_EXE_socket-gateway")]);
    let gateway = Running::spawn(&mut command);
    eventually("it listens", || async { TcpStream::connect(at).is_ok() }).await;
    assert_eq!(gateway.ready(), at);
    serves(at).await;
}

#[test]
fn the_service_manager_is_told_of_readiness_reload_and_stop() {
    let file = File::new("");
    let path = file.folder().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let told = || {
        let mut buffer = [0; 1024];
        let read = socket.recv(&mut buffer).expect("it is told");
        String::from_utf8_lossy(&buffer[..read]).into_owned()
    };
    let mut command = crate::process::binary();
    command.env("NOTIFY_SOCKET", &path).args(["--listen", "127.0.0.1:0", "--config", file.path()]);
    let mut gateway = Running::spawn(&mut command);
    assert_eq!(told(), "READY=1\n");
    gateway.ready();
    gateway.signal("HUP");
    let reloading = told();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(told(), "READY=1\n");
    gateway.line("reloaded");
    gateway.signal("TERM");
    let stopping = told();
    assert!(stopping.starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000\n"), "{stopping}");
    assert_eq!(gateway.ended().0, Some(0));
}
