//! Two identities of one gateway: what one may use is its own bound, told as such and given back, and the other goes on undisturbed.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use socket_gateway::api::proto;
use tonic::Status;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_types::StatusExt;

use crate::{
    callers::{Caller, token},
    process::{File, Running, channel, eventually, limit, within},
    support::{
        connect_to, listen_for, pattern,
        peers::{Peer, Unanswering},
        send_bytes,
    },
};

const KIB: usize = 1024;

/// A gateway with these quotas, and its two callers.
struct Two {
    file: File,
    gateway: Running,
    address: SocketAddr,
    alice: Caller,
    bob: Caller,
}

fn text(quotas: &str) -> String {
    let identities = ["alice", "bob"].map(token).concat();
    format!(
        "[policy]\nprofile = \"dev\"\n[limits]\nsubscriber_idle_timeout = \"200ms\"\n[quota]\n{quotas}\n{identities}"
    )
}

impl Two {
    async fn with(quotas: &str) -> Self {
        let file = File::new(&text(quotas));
        let (gateway, address) = Running::start(&["--config", file.path()]);
        let (alice, bob) = (Caller::new(address, "alice").await, Caller::new(address, "bob").await);
        Self { file, gateway, address, alice, bob }
    }

    /// Other quotas, by SIGHUP.
    fn reload(&self, quotas: &str) {
        self.file.write(&text(quotas));
        self.gateway.signal("HUP");
        self.gateway.line("reloaded");
    }

    /// Nothing of either is left, and both are served.
    async fn is_healthy(&mut self) {
        self.reload("");
        let mut health = HealthClient::new(channel(self.address).await);
        let said = within(health.check(HealthCheckRequest::default())).await.expect("health answers").into_inner();
        assert_eq!(said.status(), ServingStatus::Serving);
        let echo = Peer::echo().await;
        for caller in [&mut self.alice, &mut self.bob] {
            for session in caller.looks().await.expect("lists") {
                let request =
                    proto::TcpDisconnectRequest { abort: true, ..crate::support::disconnect(&session.session_id) };
                // It may have come to its end by itself.
                let _ = within(caller.sockets.tcp_disconnect(request)).await;
            }
            let mut stream = caller.subscribe("after").await.expect("subscribes");
            let session = caller.dial(echo.addr, "after").await.expect("connects");
            within(caller.sockets.tcp_send(send_bytes(&session, "there and back"))).await.expect("sends");
            assert_eq!(stream.bytes(14).await, b"there and back");
            caller.cut(&session).await;
            let gone = || {
                let mut caller = caller.clone();
                async move { caller.looks().await.expect("lists").is_empty() }
            };
            eventually("nothing is left", gone).await;
        }
    }
}

/// The quota that a call ran into.
#[track_caller]
fn own(status: &Status) -> String {
    let details = status.get_error_details();
    let scope = details.error_info().and_then(|info| info.metadata.get("scope").cloned());
    assert_eq!(scope.as_deref(), Some("identity"), "{status:?}");
    limit(status)
}

/// Waits until it is allowed again.
async fn until_allowed<T, F: Future<Output = Result<T, Status>>>(what: &str, mut call: impl FnMut() -> F) {
    eventually(what, || {
        let call = call();
        async move { call.await.is_ok() }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_refused_to_the_identity_that_has_them_all_and_to_no_other() {
    let quotas = "sessions = 2\nlisteners = 1\nsubscribers = 2\nstreams = 1\n";
    let mut two = Two::with(quotas).await;
    let Two { alice, bob, .. } = &mut two;
    let first = alice.udp_in().await.expect("the first");
    alice.udp_in().await.expect("the second");
    assert_eq!(own(&alice.udp_in().await.expect_err("a third")), "quota.sessions");
    let echo = Peer::echo().await;
    assert_eq!(own(&alice.dial(echo.addr, "").await.expect_err("nor by a dial")), "quota.sessions");

    let listening = within(alice.sockets.tcp_listen(listen_for(""))).await.expect("the first").into_inner();
    let refused = within(alice.sockets.tcp_listen(listen_for(""))).await.expect_err("a second");
    assert_eq!(own(&refused), "quota.listeners");

    // What she opened, and what failed, is her "default" subscriber's.
    let stream = alice.subscribe("another").await.expect("the first stream, and the second subscriber");
    assert_eq!(own(&alice.subscribe("another").await.expect_err("a second stream")), "quota.streams");
    let refused = alice.dial(echo.addr, "a third").await.expect_err("a third subscriber");
    assert_eq!(own(&refused), "quota.subscribers");

    // All of it is Bob's as well.
    let his = [bob.udp_in().await.expect("his"), bob.dial(echo.addr, "").await.expect("his")];
    let listener = within(bob.sockets.tcp_listen(listen_for(""))).await.expect("his").into_inner().listener_id;
    let his_stream = bob.subscribe("another").await.expect("his");
    for session in &his {
        bob.cut(session).await;
    }
    let unlisten = |listener_id| proto::TcpUnlistenRequest { listener_id, ..Default::default() };
    within(bob.sockets.tcp_unlisten(unlisten(listener))).await.expect("ends");
    drop(his_stream);

    // What she gives back she may have again.
    alice.cut(&first).await;
    until_allowed("a session's place is free", || {
        let mut alice = alice.clone();
        async move { alice.udp_in().await }
    })
    .await;
    within(alice.sockets.tcp_unlisten(unlisten(listening.listener_id))).await.expect("ends");
    until_allowed("a listener's place is free", || {
        let mut alice = alice.clone();
        async move { alice.sockets.tcp_listen(listen_for("")).await }
    })
    .await;
    drop(stream);
    until_allowed("a stream's place is free, and a subscriber's once nobody uses it", || {
        let mut alice = alice.clone();
        async move { alice.subscribe("a third").await }
    })
    .await;

    // More may be had without a restart.
    assert_eq!(own(&alice.udp_in().await.expect_err("a third")), "quota.sessions");
    two.reload("sessions = 3\n");
    two.alice.udp_in().await.expect("a third");
    let listed = within(two.alice.sessions.list_listeners(proto::ListListenersRequest::default())).await;
    for listener in listed.expect("lists").into_inner().listeners {
        within(two.alice.sockets.tcp_unlisten(unlisten(listener.listener_id))).await.expect("ends");
    }
    two.is_healthy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dials_are_refused_beyond_their_number_and_their_rate() {
    let mut two = Two::with("pending_connects = 1\ndials_per_second = 2\n").await;
    let Two { alice, bob, .. } = &mut two;
    let (echo, nobody) = (Peer::echo().await, Unanswering::start().await);
    let dial = proto::TcpConnectRequest { no_wait: true, ..connect_to(nobody.addr) };
    let pending = alice.connect(dial).await.expect("begins");
    assert_eq!(own(&alice.dial(echo.addr, "").await.expect_err("one is pending")), "quota.pending_connects");
    bob.dial(echo.addr, "").await.expect("his own");
    alice.cut(&pending).await;
    eventually("it is given up", || {
        let mut alice = alice.clone();
        async move { alice.looks().await.expect("lists").is_empty() }
    })
    .await;

    let refused = loop {
        if let Err(refused) = alice.dial(echo.addr, "").await {
            break refused;
        }
    };
    assert_eq!(own(&refused), "quota.dials_per_second");
    let details = refused.get_error_details();
    let retry = &details.error_info().expect("details").metadata["retryAfter"];
    assert!(humantime::parse_duration(retry).expect("a time") <= Duration::from_secs(1), "{retry}");
    bob.dial(echo.addr, "").await.expect("his own rate");
    until_allowed("she may dial again", || {
        let mut alice = alice.clone();
        async move { alice.dial(echo.addr, "").await }
    })
    .await;
    two.is_healthy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_pauses_the_reading_of_its_own_identity_alone() {
    const FLOOD: usize = 2048 * KIB;
    let mut two = Two::with("backlog_bytes = 200000\n").await;
    let Two { alice, bob, .. } = &mut two;
    let flood = Peer::floods(FLOOD).await;
    alice.dial(flood.addr, "0").await.expect("connects");
    // Each session may have 256 KiB of its own, so one reaches the quota; whatever comes after gets the least there is.
    let mut subscribers = vec!["0".to_owned()];
    loop {
        let subscriber = subscribers.len().to_string();
        let session = alice.dial(flood.addr, &subscriber).await.expect("what is new is still opened");
        subscribers.push(subscriber);
        eventually("it is paused", || {
            let (mut alice, session) = (alice.clone(), session.clone());
            async move { alice.look(&session).await.read_paused }
        })
        .await;
        if alice.look(&session).await.bytes_received <= 4096 {
            break;
        }
        assert!(subscribers.len() < 100, "the quota is never felt");
    }
    let mut stream = bob.subscribe("").await.expect("subscribes");
    bob.dial(flood.addr, "").await.expect("connects");
    assert!(stream.bytes(FLOOD).await == pattern(0, FLOOD), "Bob has all of his");
    // And so has she once she reads.
    for subscriber in &subscribers {
        let mut stream = alice.subscribe(subscriber).await.expect("subscribes");
        assert!(stream.bytes(FLOOD).await == pattern(0, FLOOD), "{subscriber}");
    }
    two.is_healthy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_come_and_go_at_the_rate_of_their_own_identity() {
    const RATE: usize = 100 * KIB;
    let quotas = format!("received_bytes_per_second = {RATE}\nsent_bytes_per_second = {RATE}\n");
    let mut two = Two::with(&quotas).await;
    let Two { alice, bob, .. } = &mut two;
    let flood = Peer::floods(8192 * KIB).await;
    let mut hers = alice.subscribe("").await.expect("subscribes");
    let started = Instant::now();
    let session = alice.dial(flood.addr, "").await.expect("connects");
    assert!(hers.bytes(200 * KIB).await.starts_with(&pattern(0, 200 * KIB)));
    // A second's worth comes at once, and the last read may be a debt.
    let most = |took: Duration| (RATE as f64 * (took.as_secs_f64() + 1.0)) as u64 + 64 * KIB as u64;
    assert!(alice.look(&session).await.bytes_received <= most(started.elapsed()), "received faster than the rate");
    // Her debt is not his.
    let little = Peer::floods(50 * KIB).await;
    let mut his = bob.subscribe("").await.expect("subscribes");
    bob.dial(little.addr, "").await.expect("connects");
    assert!(his.bytes(50 * KIB).await == pattern(0, 50 * KIB));
    assert!(alice.look(&session).await.bytes_received <= most(started.elapsed()), "received faster than the rate");
    alice.cut(&session).await;

    let sink = Peer::serve(|mut stream| async move {
        crate::support::peers::drain(&mut stream).await;
    })
    .await;
    let session = alice.dial(sink.addr, "").await.expect("connects");
    let started = Instant::now();
    for _ in 0..6 {
        within(alice.sockets.tcp_send(send_bytes(&session, vec![0; 50 * KIB]))).await.expect("waits and is sent");
    }
    assert!(started.elapsed() >= Duration::from_millis(1200), "{:?}", started.elapsed());
    let far = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let datagram = || proto::UdpOutRequest {
        host: "127.0.0.1".into(),
        port: far.local_addr().expect("bound").port().into(),
        payload: Some(crate::support::bytes(vec![7; 20 * KIB])),
        ..Default::default()
    };
    let refused = loop {
        if let Err(refused) = within(alice.sockets.udp_out(datagram())).await {
            break refused;
        }
    };
    assert_eq!(own(&refused), "quota.sent_bytes_per_second");
    within(bob.sockets.udp_out(datagram())).await.expect("his own rate");
    two.is_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_with_quotas_of_its_own_is_held_to_those_until_a_reload_changes_them() {
    let mut two = Two::with("sessions = 3\n[[quota.identities]]\nidentity = \"bob\"\nsessions = 1").await;
    let echo = Peer::echo().await;
    let alices = fill(&mut two.alice, echo.addr).await;
    let bobs = fill(&mut two.bob, echo.addr).await;
    assert_eq!((alices, bobs), (3, 1));
    two.reload("sessions = 3\n[[quota.identities]]\nidentity = \"bob\"\nsessions = 5");
    assert_eq!(fill(&mut two.bob, echo.addr).await, 4, "four more than before");
    assert_eq!(fill(&mut two.alice, echo.addr).await, 0, "she has as many as she may");
    two.is_healthy().await;
}

/// Dials until the quota of sessions says no; how often it did not.
async fn fill(caller: &mut Caller, peer: SocketAddr) -> usize {
    for count in 0.. {
        if let Err(status) = caller.dial(peer, "many").await {
            assert_eq!(own(&status), "quota.sessions");
            return count;
        }
    }
    unreachable!("the quota is finite")
}
