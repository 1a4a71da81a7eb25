//! Addresses of both families: dialled, bound, shown, and raced where a name has several.

use socket_gateway::api::proto::{
    Event, PayloadItem, TcpConnectRequest, TcpListenRequest, UdpInRequest, UdpOutRequest, data::Payload,
    envelope::Detail,
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
use tonic::Code;

use crate::support::{
    TestGateway,
    calls::{address, connected, fails, listen_anywhere, listening},
    connect_to, disconnect, send, text, within,
};

fn connect_name(host: &str, port: u16) -> TcpConnectRequest {
    TcpConnectRequest { host: host.into(), port: port.into(), ..Default::default() }
}

#[tokio::test]
async fn an_ipv6_peer_is_dialled_and_shown_without_brackets() {
    let gateway = TestGateway::start().await;
    let listener = TcpListener::bind("[::1]:0").await.expect("a port");
    let mut sockets = gateway.sockets().await;
    let port = listener.local_addr().expect("an address").port();
    let answer = sockets.tcp_connect(connect_name("::1", port)).await.expect("connects").into_inner();
    let ends = answer.connected.expect("ends");
    assert_eq!((ends.remote_host.as_str(), ends.local_host.as_str()), ("::1", "::1"));
    sockets.tcp_disconnect(disconnect(&answer.session_id)).await.expect("disconnects");
    drop(listener);
    gateway.released().await;
}

#[tokio::test]
async fn an_ipv6_listener_accepts_ipv6_peers() {
    let gateway = TestGateway::start().await;
    let mut envelopes = gateway.subscribe("").await;
    let request = TcpListenRequest { host: "::1".into(), ..Default::default() };
    let (_, addr) = listening(&mut gateway.sockets().await, request).await;
    let mut peer = TcpStream::connect(addr).await.expect("connects");
    peer.write_all(b"six").await.expect("writes");
    let Some(Detail::Connected(ends)) = envelopes.until(Event::Connected).await.detail else { panic!() };
    assert_eq!(ends.remote_host, "::1");
    assert_eq!(envelopes.data().await, Payload::Bytes("six".into()));
}

#[tokio::test]
async fn a_dual_stack_listener_shows_ipv4_peers_as_ipv4() {
    let gateway = TestGateway::start().await;
    let mut envelopes = gateway.subscribe("").await;
    let request = TcpListenRequest { host: "::".into(), ..Default::default() };
    let (_, addr) = listening(&mut gateway.sockets().await, request).await;
    for (from, shown) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1")] {
        let _peer = TcpStream::connect((from, addr.port())).await.expect("connects");
        let Some(Detail::Connected(ends)) = envelopes.until(Event::Connected).await.detail else { panic!() };
        assert_eq!((ends.remote_host.as_str(), ends.local_host.as_str()), (shown, shown));
    }
}

#[tokio::test]
async fn an_ipv4_listener_beside_an_ipv6_one_of_the_same_port_is_possible() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    let (_, v4) = listening(&mut sockets, listen_anywhere()).await;
    let request = TcpListenRequest { host: "::1".into(), port: v4.port().into(), ..Default::default() };
    let (_, v6) = listening(&mut sockets, request).await;
    assert_eq!(v4.port(), v6.port());
}

#[tokio::test]
async fn localhost_is_reached_where_only_one_family_listens() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    for host in ["127.0.0.1", "[::1]"] {
        let listener = TcpListener::bind(format!("{host}:0")).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        if let Err(status) = sockets.tcp_connect(connect_name("localhost", port)).await {
            let known: Vec<_> = tokio::net::lookup_host(("localhost", port)).await.expect("resolves").collect();
            let listed = known.contains(&listener.local_addr().expect("an address"));
            assert!(!listed, "localhost is {known:?}, {host} listens: {status}");
        }
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_fails_and_says_so() {
    let gateway = TestGateway::start().await;
    let mut sockets = gateway.sockets().await;
    let failed = sockets.tcp_connect(connect_name("no-such-host.invalid", 1)).await;
    let status = failed.as_ref().expect_err("must fail");
    assert!(status.message().contains("no-such-host.invalid"), "{status}");
    // Where the machine's resolver is silent the connect timeout ends it.
    if status.code() != Code::DeadlineExceeded {
        let metadata = fails(failed, Code::FailedPrecondition, "CONNECT_FAILED");
        assert_eq!((metadata["phase"].as_str(), metadata["host"].as_str()), ("resolve", "no-such-host.invalid"));
    }
    gateway.released().await;
}

#[tokio::test]
async fn udp_works_over_ipv6_and_dual_stack_sockets_show_ipv4_senders_as_ipv4() {
    let gateway = TestGateway::start().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let v6 = sockets.udp_in(UdpInRequest { host: "::1".into(), ..Default::default() }).await;
    let v6 = v6.expect("binds").into_inner();
    let both = sockets.udp_in(UdpInRequest { host: "::".into(), ..Default::default() }).await;
    let both = both.expect("binds").into_inner();
    let ports = [&v6, &both].map(|bound| address(bound.listening.as_ref().expect("an address")).port());
    for (from, host, port) in [(&both, "::1", ports[0]), (&v6, "::1", ports[1]), (&both, "127.0.0.1", ports[1])] {
        let request = UdpOutRequest {
            host: host.into(),
            port: port.into(),
            payload: Some(text("over")),
            session_id: from.session_id.clone(),
            ..Default::default()
        };
        sockets.udp_out(request).await.expect("sends");
        let envelope = envelopes.until(Event::Data).await;
        let Payload::Datagram(datagram) = crate::support::stream::payload(envelope) else { panic!() };
        assert_eq!(datagram.remote_host, host);
    }
    for bound in [v6, both] {
        sockets.tcp_disconnect(disconnect(&bound.session_id)).await.expect("disconnects");
    }
    gateway.released().await;
}

#[tokio::test]
async fn a_large_item_goes_whole_over_ipv6() {
    let gateway = TestGateway::start().await;
    let (_, addr) = listening(
        &mut gateway.sockets().await,
        TcpListenRequest { host: "::1".into(), subscriber: "far".into(), ..Default::default() },
    )
    .await;
    let mut far = gateway.subscribe("far").await;
    let mut sockets = gateway.sockets().await;
    let id = connected(&mut sockets, connect_to(addr)).await;
    let item = PayloadItem { item: text(&"x".repeat(1 << 20)).item };
    let request = socket_gateway::api::proto::TcpSendRequest { payload: vec![item], ..send(&id, "") };
    let (sent, received) = tokio::join!(sockets.tcp_send(request), within(far.bytes(1 << 20)));
    assert_eq!((sent.expect("sends").into_inner().write_offset, received.len()), (1 << 20, 1 << 20));
}
