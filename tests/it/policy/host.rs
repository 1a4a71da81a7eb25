//! A host of the test's own, to which every address in the world leads.
//!
//! In a network namespace with a local route for everything, whatever is dialled arrives here: a policy that lets an address through
//! is caught by the connection itself. This needs root, as everything about network namespaces does.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use tokio::{
    net::{TcpListener, UdpSocket},
    task::JoinHandle,
};

/// An interface of that host with an IPv6 address of its link, and a network with a broadcast address.
pub const WIRE: &str = "wire";
pub const BROADCAST: &str = "10.77.0.255";

/// Names of the host's own, besides localhost.
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n10.0.0.1 inside.test\n\
                     169.254.169.254 metadata.google.internal metadata sneaky.test\n::ffff:10.0.0.1 mapped.test\n\
                     1.1.1.1 outside.test\n0.0.0.0 nowhere.test\n64:ff9b::a00:1 translated.test\n1.1.1.1 both.test\n\
                     192.168.0.1 both.test\n";

/// Runs a test in a host of its own.
pub fn alone<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let run = || {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
            .expect("namespaces need root; run scripts/test as root");
        // What is mounted here is nobody else's.
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("mounts of one's own");
        let folder = tempfile::tempdir().expect("a scratch folder");
        let resolver = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";
        for (name, text) in [("hosts", HOSTS), ("resolv.conf", resolver)] {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("a scratch file");
            mount(Some(&path), &*format!("/etc/{name}"), none, MsFlags::MS_BIND, none).expect("a file of one's own");
        }
        for arguments in [
            "link set lo up",
            "link add wire type veth peer name far",
            "link set wire up",
            "link set far up",
            "addr add 10.77.0.1/24 brd + dev wire",
            "addr add fe80::77/64 dev wire nodad",
            "route add local default dev lo",
            "-6 route add local ::/0 dev lo",
        ] {
            let output = Command::new("ip").args(arguments.split(' ')).output().expect("ip runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "ip {arguments}: {said}");
        }
        // Threads of this runtime are made here, and live in these namespaces.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("threads").block_on(test());
    };
    // A namespace is entered by one thread: this one ends with the test.
    if let Err(panic) = thread::spawn(run).join() {
        std::panic::resume_unwind(panic);
    }
}

/// Real sockets at one port of all addresses; what arrives is noted.
pub struct Everywhere {
    pub port: u16,
    arrived: Arc<Mutex<Vec<(&'static str, IpAddr)>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Everywhere {
    pub async fn listen() -> Self {
        let tcp = TcpListener::bind("[::]:0").await.expect("a free port");
        let port = tcp.local_addr().expect("an address").port();
        let udp = UdpSocket::bind(("::", port)).await.expect("the port is free for UDP as well");
        let arrived: Arc<Mutex<Vec<_>>> = Arc::default();
        let note = |arrived: &Arc<Mutex<Vec<_>>>, how, address: SocketAddr| {
            arrived.lock().expect("no panic").push((how, address.ip().to_canonical()));
        };
        let accepting = tokio::spawn({
            let arrived = Arc::clone(&arrived);
            let mut kept = Vec::new();
            async move {
                while let Ok((stream, _)) = tcp.accept().await {
                    note(&arrived, "tcp", stream.local_addr().expect("an address"));
                    kept.push(stream);
                }
            }
        });
        let receiving = tokio::spawn({
            let arrived = Arc::clone(&arrived);
            async move {
                let mut buffer = [0; 64];
                while let Ok((_, from)) = udp.recv_from(&mut buffer).await {
                    note(&arrived, "udp", from);
                }
            }
        });
        Self { port, arrived, tasks: vec![accepting, receiving] }
    }

    /// By which protocol and (TCP) at which address something arrived, in order.
    pub fn arrived(&self) -> Vec<(&'static str, IpAddr)> {
        self.arrived.lock().expect("no panic").clone()
    }
}

impl Drop for Everywhere {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
