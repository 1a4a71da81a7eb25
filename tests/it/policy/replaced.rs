//! Another policy in force: new dials go by it at once, and what is open stays open.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use socket_gateway::{
    api::proto::{self, Event},
    policy::{Action, DialRule, Policy, Profile},
};
use tokio::net::UdpSocket;

use super::{datagram, denied_by, dial, dial_rule, profile};
use crate::support::{
    TestGateway,
    calls::{address, connected, exchange},
    connect_to, eventually,
    peers::Peer,
    reason, within,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_dial_goes_by_one_policy_and_none_by_an_old_one() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut sockets = gateway.sockets().await;
    let open = connected(
        &mut sockets,
        proto::TcpConnectRequest { mode: proto::TcpMode::Line.into(), ..connect_to(echo.addr) },
    )
    .await;
    let policy = &gateway.gateway.policy;
    let rule = |action| vec![dial_rule("mine", action, &["127.0.0.0/8"])];
    let stop = Arc::new(AtomicBool::new(false));
    let (allowed, denied) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let dialling: Vec<_> = (0..8)
        .map(|_| {
            let (mut sockets, stop) = (sockets.clone(), Arc::clone(&stop));
            let (allowed, denied) = (Arc::clone(&allowed), Arc::clone(&denied));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    match sockets.tcp_connect(connect_to(echo.addr)).await {
                        Ok(opened) => {
                            allowed.fetch_add(1, Ordering::Relaxed);
                            let request = proto::TcpDisconnectRequest {
                                session_id: opened.into_inner().session_id,
                                abort: true,
                                ..Default::default()
                            };
                            sockets.tcp_disconnect(request).await.expect("it is open");
                        }
                        Err(status) => {
                            assert_eq!(reason(&status).1.get("rule").map(String::as_str), Some("mine"), "{status:?}");
                            denied.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            })
        })
        .collect();
    let busy = |counter: &Arc<AtomicUsize>, more: usize| {
        let (counter, wanted) = (Arc::clone(counter), counter.load(Ordering::Relaxed) + more);
        eventually("dials go on", move || {
            let counter = Arc::clone(&counter);
            async move { counter.load(Ordering::Relaxed) >= wanted }
        })
    };
    for _ in 0..20 {
        policy.replace(Arc::new(Policy::new(Profile::Internet, rule(Action::Deny), Vec::new())));
        // What began before may still get through; what begins now does not.
        denied_by(dial(&mut sockets.clone(), "127.0.0.1", echo.addr.port()).await);
        busy(&denied, 10).await;
        policy.replace(Arc::new(Policy::new(Profile::Internet, rule(Action::Allow), Vec::new())));
        dial(&mut sockets.clone(), "127.0.0.1", echo.addr.port()).await.expect("allowed from now on");
        busy(&allowed, 10).await;
    }
    policy.replace(Arc::new(Policy::new(Profile::Internet, rule(Action::Deny), Vec::new())));
    stop.store(true, Ordering::Relaxed);
    for dialling in dialling {
        within(dialling).await.expect("every dial was answered by a policy");
    }
    // What was open at the first has lived through all of them.
    let answer =
        sockets.tcp_exchange(exchange(&open, "still here\n", "still here")).await.expect("it lives").into_inner();
    assert!(answer.r#match.is_some());
}

#[tokio::test]
async fn datagrams_of_an_open_session_go_by_the_policy_of_their_time() {
    let gateway = TestGateway::start().await;
    let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let to = peer.local_addr().expect("an address");
    let mut sockets = gateway.sockets().await;
    let request = proto::UdpInRequest { host: "127.0.0.1".into(), ..Default::default() };
    let bound = sockets.udp_in(request).await.expect("binds").into_inner();
    let send = |host: &str| proto::UdpOutRequest { session_id: bound.session_id.clone(), ..datagram(host, to.port()) };
    let policy = &gateway.gateway.policy;
    let mut expected = 0;
    for round in 0..3 {
        // Twice: the second finds the verdict of the first.
        for _ in 0..2 {
            sockets.udp_out(send("127.0.0.1")).await.unwrap_or_else(|status| panic!("round {round}: {status:?}"));
            expected += 1;
        }
        policy.replace(Arc::new(profile(Profile::Internet)));
        for host in ["127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1"] {
            assert_eq!(denied_by(sockets.udp_out(send(host)).await), "profile.internet.loopback");
        }
        policy.replace(Arc::new(profile(Profile::Dev)));
    }
    let mut buffer = [0; 16];
    for _ in 0..expected {
        within(peer.recv_from(&mut buffer)).await.expect("came");
    }
    let nothing = tokio::time::timeout(Duration::from_millis(50), peer.recv_from(&mut buffer)).await;
    assert!(nothing.is_err(), "no denied one came: {nothing:?}");
    // The verdict that is kept is about one address and one way of sending.
    sockets.udp_out(send("127.0.0.1")).await.expect("may be sent");
    let rule = dial_rule("this-one", Action::Allow, &["127.0.0.1"]);
    policy.replace(Arc::new(Policy::new(Profile::Lan, vec![rule], Vec::new())));
    sockets.udp_out(send("127.0.0.1")).await.expect("the rule allows it");
    assert_eq!(denied_by(sockets.udp_out(send("127.0.0.2")).await), "profile.lan.loopback");
    let everybody = proto::UdpOutRequest { broadcast: true, ..send("127.0.0.1") };
    assert_eq!(denied_by(sockets.udp_out(everybody).await), "profile.lan.broadcast");
    assert_eq!(address(&bound.listening.expect("an address")).ip().to_string(), "127.0.0.1");
}

#[tokio::test]
async fn a_denied_dial_is_told_on_the_events_output_and_frees_its_id() {
    let gateway = TestGateway::start().await;
    gateway.gateway.policy.replace(Arc::new(profile(Profile::Internet)));
    let mut events = gateway.subscribe("caller").await;
    let mut sockets = gateway.sockets().await;
    for _ in 0..2 {
        let request = proto::TcpConnectRequest {
            host: "127.0.0.1".into(),
            port: 9,
            subscriber: "caller".into(),
            session_id: "mine".into(),
            ..Default::default()
        };
        let status = sockets.tcp_connect(request).await.expect_err("denied");
        let (why, metadata) = reason(&status);
        assert_eq!(why, "POLICY_DENIED");
        for (key, value) in [
            ("rule", "profile.internet.loopback"),
            ("direction", "dial"),
            ("protocol", "tcp"),
            ("host", "127.0.0.1"),
            ("port", "9"),
            ("sessionId", "mine"),
        ] {
            assert_eq!(metadata[key], value);
        }
        events.expect(Event::Connecting).await;
        assert_eq!(events.error("POLICY_DENIED").await.error_metadata, metadata);
        events.expect(Event::Disconnected).await;
    }
    gateway.released().await;
}

#[tokio::test]
async fn a_rule_that_wants_tls_denies_a_plain_dial_and_says_why() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let rule = DialRule { tls_required: true, ..dial_rule("only-tls", Action::Allow, &["127.0.0.0/8"]) };
    gateway.gateway.policy.replace(Arc::new(Policy::new(Profile::Dev, vec![rule], Vec::new())));
    let status = dial(&mut gateway.sockets().await, "127.0.0.1", echo.addr.port()).await.expect_err("plain");
    assert!(status.message().contains("over TLS only"), "{status:?}");
    assert_eq!(denied_by(Err::<(), _>(status)), "only-tls");
}
