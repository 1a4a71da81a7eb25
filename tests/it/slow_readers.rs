//! Readers that fall behind while little things come one at a time are waited for, not cut off.
//!
//! From 0.4.16 on h2, which every Rust client of gRPC is built on, closes a whole connection when too many DATA frames of less than
//! 256 bytes lie unread in it, and 0.4.16 is the strictest. Its client, `tests/h2_0_4_16`, has a tree of its own and is built here.

use std::{path::Path, process::Stdio, time::Duration};

use prost::Message;
use socket_gateway::api::proto::{
    AttachRequest, AttachResponse, AttachSubscribe, Envelope, SubscribeRequest, SubscribeResponse,
    attach_request::Command as Order,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{MissedTickBehavior, interval},
};

use crate::support::{TestGateway, calls::connected, connect_to, peers::Peer, stream::chunk, within};

/// Builds the client and gives its path.
async fn client() -> std::path::PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/h2_0_4_16/Cargo.toml");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("h2_0_4_16");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--locked", "--manifest-path"]).arg(manifest).arg("--target-dir").arg(&target);
    // The tests' own build may be special, for coverage for example; the client's is not.
    let output = build.env_remove("RUSTFLAGS").output().await.expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join("debug/h2-0-4-16-client")
}

/// A stream to a client that reads when it is told to.
struct Reader {
    process: Child,
    orders: ChildStdin,
    out: ChildStdout,
}

impl Reader {
    async fn start(gateway: &TestGateway, method: &str, request: &impl Message) -> Self {
        let mut command = Command::new(client().await);
        command.arg(gateway.addr.to_string()).arg(format!("/tcpip.v1.SocketGatewayService/{method}"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().expect("the client runs");
        let orders = process.stdin.take().expect("piped");
        let out = process.stdout.take().expect("piped");
        let mut reader = Self { process, orders, out };
        let hex: String = request.encode_to_vec().iter().map(|byte| format!("{byte:02x}")).collect();
        reader.order(&hex).await;
        reader
    }

    async fn order(&mut self, order: &str) {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.expect("the client listens");
    }

    /// The first message, which is a frame by itself.
    async fn first(&mut self) -> Vec<u8> {
        self.order("one").await;
        let mut head = [0; 5];
        within(self.out.read_exact(&mut head)).await.expect("the start");
        let mut message = vec![0; u32::from_be_bytes(head[1..].try_into().expect("four bytes")) as usize];
        within(self.out.read_exact(&mut message)).await.expect("the start");
        message
    }

    /// All further messages, once the stream has ended in order.
    async fn rest(mut self) -> Vec<Vec<u8>> {
        drop(self.orders);
        let mut all = Vec::new();
        within(self.out.read_to_end(&mut all)).await.expect("reads");
        let ended = within(self.process.wait_with_output()).await.expect("the client ends");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        let (mut messages, mut left) = (Vec::new(), all.as_slice());
        while let [_, a, b, c, d, more @ ..] = left {
            let (message, after) = more.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
            messages.push(message.to_vec());
            left = after;
        }
        assert!(left.is_empty(), "a torn message");
        messages
    }
}

/// The peer says one byte at a time, in this rhythm, to a reader that has stopped; later the reader reads them all.
async fn stalls<R: Message + Default>(
    method: &str,
    request: &impl Message,
    envelopes: impl Fn(R) -> Vec<Envelope>,
    bytes: usize,
    rhythm: Duration,
) {
    let gateway = TestGateway::start().await;
    let (peer, mut taken) = Peer::handing_over().await;
    let mut sockets = gateway.sockets().await;
    let mut reader = Reader::start(&gateway, method, request).await;
    assert!(envelopes(R::decode(&*reader.first().await).expect("a message")).is_empty());
    connected(&mut sockets, connect_to(peer.addr)).await;
    let mut far = within(taken.recv()).await.expect("the connection");
    let mut beat = interval(rhythm);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for at in 0..bytes {
        beat.tick().await;
        far.write_all(&[at as u8]).await.expect("the gateway takes it");
    }
    reader.order("all").await;
    drop(far);
    // The stream ends when everything in the backlog has gone out on it.
    let (messages, ()) = tokio::join!(reader.rest(), gateway.shut_down());
    let mut offset = 0;
    for message in &messages {
        for envelope in envelopes(R::decode(message.as_slice()).expect("a message")) {
            let Some((from, chunk)) = chunk(&envelope) else { continue };
            assert_eq!(from as usize, offset, "nothing is missing");
            assert!(chunk.iter().enumerate().all(|(at, byte)| *byte == (offset + at) as u8), "at {offset}");
            offset += chunk.len();
        }
    }
    assert_eq!(offset, bytes, "every byte has come");
}

#[tokio::test]
async fn a_subscriber_whose_client_is_an_h2_0_4_16_one_is_not_cut_off_while_it_does_not_read() {
    let envelopes = |response: SubscribeResponse| response.envelopes;
    stalls("Subscribe", &SubscribeRequest::default(), envelopes, 5000, Duration::from_millis(1)).await;
}

#[tokio::test]
async fn nor_is_it_while_a_peer_says_little_and_slowly() {
    let envelopes = |response: SubscribeResponse| response.envelopes;
    stalls("Subscribe", &SubscribeRequest::default(), envelopes, 500, Duration::from_millis(20)).await;
}

#[tokio::test]
async fn nor_is_an_attach_stream_with_such_a_client() {
    let subscribe = AttachSubscribe { subscription: Some(SubscribeRequest::default()), ..Default::default() };
    let request = AttachRequest { correlation_id: 0, command: Some(Order::Subscribe(subscribe)) };
    stalls("Attach", &request, |response: AttachResponse| response.envelopes, 1000, Duration::from_millis(5)).await;
}
