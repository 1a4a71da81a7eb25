//! A control group that is nearly used up: nothing more is opened, then nothing more is read, what lives goes on, and all of it comes
//! back. Needs root, and control groups that count memory (version 1 or 2).

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use socket_gateway::api::proto::{self, ListSubscribersRequest};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tonic::Status;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_types::StatusExt;

use crate::{
    process::{PATIENCE, Running, Sessions, Sockets, channel, eventually, limit, sessions, shell, sockets, within},
    support::{connect_to, listen_for, look, peers::Peer, send, stream::Envelopes},
};

const MIB: usize = 1 << 20;
const MEMORY: usize = 256 * MIB;

/// What one session may have waiting: little enough that nothing outgrows the group between two looks at its memory.
const SHARE: usize = 8 * MIB;

/// A control group with a memory limit; removed when dropped, after what ran in it has ended.
struct Group(PathBuf);

impl Group {
    fn new(bytes: usize) -> Self {
        let mounted = Path::new("/sys/fs/cgroup");
        let (parent, file) = match mounted.join("memory").exists() {
            true => (mounted.join("memory"), "memory.limit_in_bytes"),
            false => (mounted.to_owned(), "memory.max"),
        };
        let group = Self(parent.join(format!("socket-gateway-test-{}", std::process::id())));
        fs::create_dir(&group.0).expect("a control group can be made: run as root");
        fs::write(group.0.join(file), bytes.to_string()).expect("it counts memory");
        group
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel lets go of a process that was killed a moment after it is waited for.
        for _ in 0..500 {
            match fs::remove_dir(&self.0) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    std::thread::sleep(Duration::from_millis(10))
                }
                _ => return,
            }
        }
    }
}

struct Clients {
    sockets: Sockets,
    sessions: Sessions,
}

impl Clients {
    async fn dial(&mut self, to: SocketAddr, subscriber: &str) -> Result<String, Status> {
        let request = proto::TcpConnectRequest { subscriber: subscriber.into(), ..connect_to(to) };
        within(self.sockets.tcp_connect(request)).await.map(|connected| connected.into_inner().session_id)
    }

    /// Waits until a session is not read any more; gives what it has read.
    async fn paused(&mut self, session: &str) -> usize {
        eventually("it is paused", || {
            let (mut sessions, session) = (self.sessions.clone(), session.to_owned());
            async move { look(&mut sessions, &session).await.read_paused }
        })
        .await;
        look(&mut self.sessions, session).await.bytes_received as usize
    }

    /// There and back on a session that lives, to its stream.
    async fn round_trip(&mut self, session: &str, stream: &mut Envelopes) {
        within(self.sockets.tcp_send(send(session, "there and back"))).await.expect("sends");
        assert_eq!(stream.bytes(14).await, b"there and back");
    }
}

async fn subscribe(address: SocketAddr, subscriber: &str) -> Result<Envelopes, Status> {
    let request = proto::SubscribeRequest { subscriber: subscriber.into(), ..Default::default() };
    within(Envelopes::open(sockets(address).await, request)).await
}

#[track_caller]
fn refused_for_memory<T>(answer: Result<T, Status>) {
    let status = answer.map(drop).expect_err("no memory for it");
    assert_eq!(limit(&status), "memory_refuse_percent");
    let details = status.get_error_details();
    assert_eq!(details.error_info().expect("details").metadata["scope"], "global");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn near_the_end_of_its_control_group_nothing_is_opened_and_what_lives_goes_on() {
    let group = Group::new(MEMORY);
    let mut command = shell("echo $$ > \"$GROUP/cgroup.procs\" && exec \"$0\" \"$@\"");
    command.env("GROUP", &group.0).args(["--listen", "127.0.0.1:0"]);
    for setting in [
        format!("limits.session_backlog_bytes={SHARE}"),
        format!("limits.subscriber_backlog_bytes={MEMORY}"),
        "limits.stall_timeout=1h".to_owned(),
        "limits.memory_refuse_percent=70".to_owned(),
        "limits.memory_pause_percent=80".to_owned(),
    ] {
        command.args(["--set", &setting]);
    }
    let mut gateway = Running::spawn(&mut command);
    let address = gateway.ready();
    let mut clients = Clients { sockets: sockets(address).await, sessions: sessions(address).await };

    // What lives: a session with its stream, a listener, and sessions whose peers will have much to say later.
    let (echo, (later, mut connections)) = (Peer::echo().await, Peer::handing_over().await);
    let mut alive = subscribe(address, "alive").await.expect("subscribes");
    let living = clients.dial(echo.addr, "alive").await.expect("connects");
    clients.round_trip(&living, &mut alive).await;
    let listening = within(clients.sockets.tcp_listen(listen_for("alive"))).await.expect("listens").into_inner();
    let door = crate::support::calls::address(&listening.listening.expect("an address"));
    let mut quiet: Vec<(String, TcpStream)> = Vec::new();
    for _ in 0..24 {
        let session = clients.dial(later.addr, "later").await.expect("connects");
        quiet.push((session, within(connections.recv()).await.expect("the connection")));
    }

    // Floods that nobody takes, one after the other, until nothing more is opened.
    let flood = Peer::serve(|mut stream| async move {
        let _ = stream.write_all(&vec![7; SHARE]).await;
        crate::support::peers::drain(&mut stream).await;
    })
    .await;
    let mut floods = 0;
    let refused = loop {
        match clients.dial(flood.addr, "floods").await {
            Ok(session) => {
                clients.paused(&session).await;
                floods += 1;
            }
            Err(status) => break status,
        }
        assert!(floods * SHARE < MEMORY, "it is never refused");
    };
    refused_for_memory::<()>(Err(refused));
    gateway.line("memory is nearly used up: nothing more is opened");
    refused_for_memory(within(clients.sockets.udp_in(proto::UdpInRequest::default())).await);
    refused_for_memory(within(clients.sockets.tcp_listen(listen_for(""))).await);
    refused_for_memory(subscribe(address, "new").await);
    let mut peer = within(TcpStream::connect(door)).await.expect("waits in the kernel's queue");
    // What lives goes on, and who only looks is served.
    clients.round_trip(&living, &mut alive).await;
    within(clients.sessions.list_subscribers(ListSubscribersRequest::default())).await.expect("lists");

    // What is open already may read on, until there is too little even for that.
    let mut read = Vec::new();
    for (session, mut far) in quiet {
        let writing = tokio::spawn(async move {
            // It comes to its end once somebody reads.
            let _ = far.write_all(&vec![7; SHARE]).await;
            far
        });
        let received = clients.paused(&session).await;
        read.push((session, writing));
        if received < SHARE / 2 {
            break;
        }
        assert!(read.len() < 24, "reading never pauses");
    }
    gateway.line("memory is all but used up: nothing more is read");
    clients.round_trip(&living, &mut alive).await;
    let mut health = HealthClient::new(channel(address).await);
    let said = within(health.check(HealthCheckRequest::default())).await.expect("health answers").into_inner();
    assert_eq!(said.status(), ServingStatus::Serving);

    // Whoever comes for what waits is let in: it makes room. Nothing of it is lost.
    println!("{floods} floods, {} that read on", read.len());
    refused_for_memory(subscribe(address, "new").await);
    let mut stream = subscribe(address, "floods").await.expect("its subscriber is there");
    stream.bytes(floods * SHARE).await;
    drop(stream);
    let mut stream = subscribe(address, "later").await.expect("its subscriber is there");
    stream.bytes(read.len() * SHARE).await;
    gateway.line("there is memory again");
    let greeting = tokio::time::timeout(PATIENCE, async {
        peer.write_all(b"at last").await.expect("takes it");
        alive.bytes(7).await
    });
    assert_eq!(greeting.await.expect("the peer at the door is let in"), b"at last");
    clients.dial(echo.addr, "alive").await.expect("connects again");
    clients.round_trip(&living, &mut alive).await;
    drop((stream, alive, clients, peer));
    gateway.signal("TERM");
    assert_eq!(gateway.ended().0, Some(0));
    drop(gateway);
    let path = group.0.clone();
    drop(group);
    assert!(!path.exists(), "the group is removed");
}
