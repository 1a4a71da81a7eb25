//! A name server that takes its time: lookups are bounded, what waits for one gives up in time, and addresses do not wait at all.
//!
//! The gateway has a mount namespace of its own, in which `/etc/resolv.conf` names a server of the test (this needs root).

use std::net::{Ipv4Addr, SocketAddr};

use socket_gateway::api::proto;
use tokio::net::UdpSocket;
use tonic::{Code, Status};

use crate::{
    process::{Running, Sockets, sockets, within},
    support::{connect_to, disconnect, peers::Peer, reason, seconds},
};

/// Of resolv.conf(5) the longest time, so that nothing is asked twice.
const OPTIONS: &str = "options timeout:30 attempts:1\n";

/// A name server that answers when the test likes. Resolvers ask port 53 alone, so the address is what is its own.
struct NameServer(UdpSocket);

/// A question: the name, and what is needed to answer.
struct Question {
    name: String,
    bytes: Vec<u8>,
    from: SocketAddr,
}

impl NameServer {
    async fn start() -> (Self, Ipv4Addr) {
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, high | 128, middle, low);
        (Self(UdpSocket::bind((address, 53)).await.expect("an address of loopback that nobody uses")), address)
    }

    async fn asked(&self) -> Question {
        let mut bytes = vec![0; 512];
        let (count, from) = within(self.0.recv_from(&mut bytes)).await.expect("a question");
        bytes.truncate(count);
        // The name begins after the header of 12 bytes, each label after its length (RFC 1035, section 4.1).
        let (mut labels, mut at) = (Vec::new(), 12);
        while bytes[at] != 0 {
            let end = at + 1 + usize::from(bytes[at]);
            labels.push(String::from_utf8_lossy(&bytes[at + 1..end]).into_owned());
            at = end;
        }
        bytes.truncate(at + 5);
        Question { name: labels.join("."), bytes, from }
    }

    /// Both questions of one lookup: its IPv4 addresses and its IPv6 addresses.
    async fn both(&self, name: &str) -> [Question; 2] {
        let both = [self.asked().await, self.asked().await];
        assert_eq!([both[0].name.as_str(), both[1].name.as_str()], [name, name]);
        both
    }

    /// Its IPv4 address is 127.0.0.1, and it has no IPv6 address.
    async fn answer(&self, questions: [Question; 2]) {
        for Question { mut bytes, from, .. } in questions {
            let is_v4 = bytes[bytes.len() - 3] == 1;
            bytes[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_v4), 0, 0, 0, 0]);
            if is_v4 {
                bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
            }
            self.0.send_to(&bytes, from).await.expect("is sent");
        }
    }
}

async fn dial(mut sockets: Sockets, host: &str, to: SocketAddr, timeout: f64) -> Result<String, Status> {
    let request = proto::TcpConnectRequest { host: host.into(), connect_timeout: seconds(timeout), ..connect_to(to) };
    within(sockets.tcp_connect(request)).await.map(|connected| connected.into_inner().session_id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lookups_beyond_the_limit_wait_and_addresses_do_not_wait_with_them() {
    let (server, address) = NameServer::start().await;
    let folder = tempfile::tempdir().expect("a scratch folder");
    let resolv = folder.path().join("resolv.conf");
    std::fs::write(&resolv, format!("nameserver {address}\n{OPTIONS}")).expect("a scratch file");
    let mut command = crate::process::unshared("mount --bind \"$RESOLV\" /etc/resolv.conf && exec \"$0\" \"$@\"");
    command.env("RESOLV", &resolv).args(["--listen", "127.0.0.1:0", "--set", "limits.name_lookups=1"]);
    let gateway = Running::spawn(&mut command);
    let mut client = sockets(gateway.ready()).await;
    let echo = Peer::echo().await;

    let first = tokio::spawn(dial(client.clone(), "first.lookups.test", echo.addr, 60.0));
    let questions = server.both("first.lookups.test").await;
    // The only place is taken: the next one gives up at its own timeout, and its name is never asked for.
    let late = dial(client.clone(), "second.lookups.test", echo.addr, 0.3).await.expect_err("it waits in vain");
    assert_eq!((late.code(), reason(&late).0.as_str()), (Code::DeadlineExceeded, "CONNECT_FAILED"), "{late:?}");
    // Who needs no lookup is served at once.
    let plain = dial(client.clone(), "127.0.0.1", echo.addr, 60.0).await.expect("needs no lookup");
    let third = tokio::spawn(dial(client.clone(), "third.lookups.test", echo.addr, 60.0));
    server.answer(questions).await;
    let first = within(first).await.expect("no panic").expect("connects");
    let questions = server.both("third.lookups.test").await;
    server.answer(questions).await;
    let third = within(third).await.expect("no panic").expect("connects");
    for id in [plain, first, third] {
        within(client.tcp_disconnect(disconnect(&id))).await.expect("all of them live");
    }
}
