//! UDP: datagrams in and out, from the right socket, within the system's rules.

use socket_gateway::api::proto::{
    CloseReason, Event, PayloadItem, UdpInRequest, UdpMode, UdpOutRequest, data::Payload, datagram, envelope::Detail,
};
use tokio::net::UdpSocket;
use tonic::Code;

use crate::support::{
    Envelopes, TestGateway, bytes,
    calls::{address, ended, fails, session},
    connect_to, disconnect,
    peers::Peer,
    send, text, within,
};

fn bind() -> UdpInRequest {
    UdpInRequest { host: "127.0.0.1".into(), ..Default::default() }
}

fn datagram_to(addr: std::net::SocketAddr, payload: PayloadItem) -> UdpOutRequest {
    UdpOutRequest {
        host: addr.ip().to_string(),
        port: addr.port().into(),
        payload: Some(payload),
        ..Default::default()
    }
}

async fn bound(gateway: &TestGateway, request: UdpInRequest) -> (String, std::net::SocketAddr) {
    let answer = gateway.sockets().await.udp_in(request).await.expect("binds").into_inner();
    assert_eq!(answer.event(), Event::Listening);
    (answer.session_id, address(&answer.listening.expect("an address")))
}

async fn next_datagram(envelopes: &mut Envelopes) -> socket_gateway::api::proto::Datagram {
    match crate::support::stream::payload(envelopes.until(Event::Data).await) {
        Payload::Datagram(datagram) => datagram,
        other => panic!("no datagram: {other:?}"),
    }
}

#[tokio::test]
async fn a_datagram_comes_with_its_senders_address_and_size() {
    let gateway = TestGateway::start().await;
    let mut envelopes = gateway.subscribe("").await;
    let (id, addr) = bound(&gateway, bind()).await;
    let first = envelopes.expect(Event::Listening).await;
    assert_eq!(first.session_id, id);
    let Some(Detail::Listening(listening)) = first.detail else { panic!() };
    assert_eq!(address(&listening), addr);
    let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    for payload in [b"one".as_slice(), b"", b"\xff\xfe"] {
        peer.send_to(payload, addr).await.expect("sends");
        let got = next_datagram(&mut envelopes).await;
        assert_eq!(got.payload, Some(datagram::Payload::Bytes(payload.into())));
        assert_eq!((got.remote_host.as_str(), got.size), ("127.0.0.1", payload.len() as u32));
        assert_eq!(got.remote_port, u32::from(peer.local_addr().expect("an address").port()));
    }
    let shown = session(&mut gateway.sessions().await, &id).await;
    assert_eq!((shown.datagrams_received, shown.bytes_received), (3, 5));
}

#[tokio::test]
async fn in_utf8_mode_text_comes_as_text_and_the_rest_as_bytes() {
    let gateway = TestGateway::start().await;
    let mut envelopes = gateway.subscribe("").await;
    let (_, addr) = bound(&gateway, UdpInRequest { mode: UdpMode::Utf8.into(), ..bind() }).await;
    let mut sockets = gateway.sockets().await;
    sockets.udp_out(datagram_to(addr, text("grüße"))).await.expect("sends");
    assert_eq!(next_datagram(&mut envelopes).await.payload, Some(datagram::Payload::Text("grüße".into())));
    sockets.udp_out(datagram_to(addr, bytes(b"gr\xfc".as_slice()))).await.expect("sends");
    let expected = Some(datagram::Payload::Bytes(b"gr\xfc".as_slice().into()));
    assert_eq!(next_datagram(&mut envelopes).await.payload, expected);
}

#[tokio::test]
async fn a_datagram_is_sent_as_it_is_even_an_empty_one() {
    let gateway = TestGateway::start().await;
    let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let addr = peer.local_addr().expect("an address");
    let mut sockets = gateway.sockets().await;
    let largest = vec![7; 65_507];
    for payload in [b"some".as_slice(), b"", &largest] {
        let sent = sockets.udp_out(datagram_to(addr, bytes(payload))).await.expect("sends").into_inner();
        assert_eq!((sent.host.as_str(), sent.port), ("127.0.0.1", u32::from(addr.port())));
        assert_eq!(sent.bytes as usize, payload.len());
        let mut got = vec![0; 65_536];
        let (size, _) = within(peer.recv_from(&mut got)).await.expect("receives");
        assert_eq!(&got[..size], payload);
    }
    gateway.released().await;
}

#[tokio::test]
async fn an_answer_leaves_from_the_socket_that_was_asked() {
    let gateway = TestGateway::start().await;
    let (mut one, mut two) = (gateway.subscribe("one").await, gateway.subscribe("two").await);
    let (id, addr) = bound(&gateway, UdpInRequest { subscriber: "one".into(), ..bind() }).await;
    let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    peer.send_to(b"question", addr).await.expect("sends");
    let asked = next_datagram(&mut one).await;
    let request = UdpOutRequest {
        host: asked.remote_host,
        port: asked.remote_port,
        payload: Some(text("answer")),
        session_id: id.clone(),
        subscriber: "two".into(),
        emit_sent: true,
        ..Default::default()
    };
    let sent = gateway.sockets().await.udp_out(request).await.expect("sends").into_inner();
    let mut got = [0; 16];
    let (size, from) = within(peer.recv_from(&mut got)).await.expect("receives");
    assert_eq!((&got[..size], from), (b"answer".as_slice(), addr));
    let envelope = two.expect(Event::Sent).await;
    let Some(Detail::Sent(told)) = envelope.detail else { panic!() };
    assert_eq!((told.message_id, told.bytes, envelope.session_id.as_str()), (sent.message_id, 6, id.as_str()));
    // The send named a subscriber: what comes now is its.
    peer.send_to(b"thanks", addr).await.expect("sends");
    assert_eq!(next_datagram(&mut two).await.size, 6);
    assert_eq!(session(&mut gateway.sessions().await, &id).await.datagrams_sent, 1);
}

#[tokio::test]
async fn a_datagram_too_large_is_refused() {
    let gateway = TestGateway::start().await;
    let (_, addr) = bound(&gateway, bind()).await;
    let too_large = datagram_to(addr, bytes(vec![0; 65_508]));
    fails(gateway.sockets().await.udp_out(too_large).await, Code::InvalidArgument, "PAYLOAD_INVALID");
}

#[tokio::test]
async fn broadcast_must_be_asked_for() {
    let gateway = TestGateway::start().await;
    let mut envelopes = gateway.subscribe("caller").await;
    let (_, addr) = bound(&gateway, UdpInRequest { host: "0.0.0.0".into(), ..bind() }).await;
    let mut sockets = gateway.sockets().await;
    let everybody = ([127, 255, 255, 255], addr.port()).into();
    let request = UdpOutRequest { subscriber: "caller".into(), ..datagram_to(everybody, text("all")) };
    let metadata = fails(sockets.udp_out(request.clone()).await, Code::FailedPrecondition, "UDP_SEND_FAILED");
    assert_eq!((metadata["errno"].as_str(), metadata["host"].as_str()), ("EACCES", "127.255.255.255"));
    assert_eq!(metadata["port"], addr.port().to_string());
    assert_eq!(envelopes.error("UDP_SEND_FAILED").await.error_metadata, metadata);
    sockets.udp_out(UdpOutRequest { broadcast: true, ..request }).await.expect("is allowed");
    let mut received = gateway.subscribe("").await;
    assert_eq!(next_datagram(&mut received).await.size, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_options_of_sends_from_one_socket_at_the_same_time_do_not_mix() {
    let gateway = TestGateway::start().await;
    let (id, addr) = bound(&gateway, UdpInRequest { host: "0.0.0.0".into(), ..bind() }).await;
    let calls: Vec<_> = [true, false]
        .into_iter()
        .map(|broadcast| {
            let gateway = std::sync::Arc::clone(&gateway.gateway);
            let spec = socket_gateway::gateway::DatagramSpec {
                host: "127.255.255.255".into(),
                port: addr.port(),
                payload: b"x".as_slice().into(),
                options: socket_gateway::net::udp::SendOptions { broadcast, ..Default::default() },
                session_id: Some(id.clone()),
                subscriber: String::new(),
                emit_sent: false,
            };
            tokio::spawn(async move {
                for round in 0..2000 {
                    let sent = gateway.udp_out(&socket_gateway::identity::Caller::local(), &spec).await;
                    assert_eq!(sent.is_ok(), broadcast, "round {round}: {sent:?}");
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for call in calls {
        within(call).await.expect("each goes by its own options");
    }
}

#[tokio::test]
async fn tcp_disconnect_closes_a_udp_session_and_frees_its_id_and_port() {
    let gateway = TestGateway::start().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let forced = UdpInRequest { session_id: "mine".into(), ..bind() };
    let (id, addr) = bound(&gateway, forced.clone()).await;
    assert_eq!(id, "mine");
    fails(sockets.udp_in(forced.clone()).await, Code::AlreadyExists, "SESSION_ID_CONFLICT");
    sockets.tcp_disconnect(disconnect("mine")).await.expect("closes");
    envelopes.until(Event::Disconnecting).await;
    assert_eq!(ended(envelopes.expect(Event::Disconnected).await).reason(), CloseReason::ByRequest);
    let again = UdpInRequest { port: addr.port().into(), ..forced };
    let (_, same) = bound(&gateway, again).await;
    assert_eq!(same, addr);
    sockets.tcp_disconnect(disconnect("mine")).await.expect("closes");
    gateway.released().await;
}

#[tokio::test]
async fn a_unicast_port_is_bound_once_unless_reuse_is_asked_for() {
    let gateway = TestGateway::start().await;
    let mut envelopes = gateway.subscribe("").await;
    let mut sockets = gateway.sockets().await;
    let (_, addr) = bound(&gateway, bind()).await;
    envelopes.expect(Event::Listening).await;
    let again = UdpInRequest { port: addr.port().into(), ..bind() };
    let metadata = fails(sockets.udp_in(again).await, Code::FailedPrecondition, "UDP_ERROR");
    assert_eq!(metadata["errno"], "EADDRINUSE");
    assert_eq!(envelopes.error("UDP_ERROR").await.error_metadata, metadata);
    let shared = UdpInRequest { reuse_address: Some(true), ..bind() };
    let (_, addr) = bound(&gateway, shared.clone()).await;
    bound(&gateway, UdpInRequest { port: addr.port().into(), ..shared }).await;
}

#[tokio::test]
async fn tcp_calls_on_udp_sessions_and_the_other_way_round_are_told_apart() {
    let gateway = TestGateway::start().await;
    let echo = Peer::echo().await;
    let mut sockets = gateway.sockets().await;
    let (udp, addr) = bound(&gateway, bind()).await;
    let tcp = sockets.tcp_connect(connect_to(echo.addr)).await.expect("connects").into_inner().session_id;
    let metadata = fails(sockets.tcp_send(send(&udp, "x")).await, Code::FailedPrecondition, "SESSION_NOT_CONNECTED");
    assert_eq!((metadata["sessionId"].as_str(), metadata["state"].as_str()), (udp.as_str(), "listening"));
    let request = UdpOutRequest { session_id: tcp, ..datagram_to(addr, text("x")) };
    fails(sockets.udp_out(request).await, Code::InvalidArgument, "SEND_INVALID");
    let request = UdpOutRequest { session_id: "nobody".into(), ..datagram_to(addr, text("x")) };
    fails(sockets.udp_out(request).await, Code::NotFound, "SESSION_NOT_FOUND");
}

#[tokio::test]
async fn what_a_peer_refuses_is_told_as_an_event_and_the_socket_lives_on() {
    let gateway = TestGateway::start().await;
    let mut envelopes = gateway.subscribe("").await;
    let (id, addr) = bound(&gateway, bind()).await;
    let nobody = UdpSocket::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let mut sockets = gateway.sockets().await;
    let request = UdpOutRequest { session_id: id, ..datagram_to(nobody, text("anybody?")) };
    // An unconnected socket is not told; a refusal must not end it either way.
    let _ = sockets.udp_out(request).await;
    sockets.udp_out(datagram_to(addr, text("alive"))).await.expect("sends");
    assert_eq!(next_datagram(&mut envelopes).await.size, 5);
}
