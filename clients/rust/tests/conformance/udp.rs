//! Datagrams.

use socket_gateway_client::{UdpOptions, proto};
use tokio::net::UdpSocket;

use crate::{Scenario, World, scenarios, within};

pub(crate) const SCENARIOS: &[Scenario] = scenarios! {
    "C80-udp-reply" => reply,
    "C81-udp-modes" => modes,
    "C82-multicast" => multicast,
    "C83-udp-out" => out,
};

fn here() -> UdpOptions {
    UdpOptions::default().host("127.0.0.1")
}

async fn reply(world: World) {
    let gateway = world.gateway().await;
    let socket = within(gateway.udp_in(0, here())).await.expect("binds");
    let own = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    own.send_to(b"ping", socket.local_addr()).await.expect("sends");
    let datagram = within(socket.recv()).await.expect("receives").expect("a datagram");
    assert_eq!((datagram.from, &datagram.payload[..]), (own.local_addr().expect("bound"), &b"ping"[..]));
    within(socket.reply(&datagram, &b"pong"[..])).await.expect("replies");
    let mut buffer = [0; 16];
    let (count, from) = within(own.recv_from(&mut buffer)).await.expect("receives");
    assert_eq!((&buffer[..count], from), (&b"pong"[..], socket.local_addr()));
    let all: Vec<u8> = (0..=255).collect();
    within(socket.send_to("127.0.0.1", world.port("udp_echo"), all.clone())).await.expect("sends");
    let datagram = within(socket.recv()).await.expect("receives").expect("a datagram");
    assert_eq!((datagram.from.port(), datagram.payload.to_vec()), (world.port("udp_echo"), all));
    within(socket.close()).await.expect("closes");
    assert!(within(socket.recv()).await.expect("ends").is_none());
}

async fn modes(world: World) {
    let gateway = world.gateway().await;
    let socket = within(gateway.udp_in(0, here().utf8())).await.expect("binds");
    let own = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    for sent in ["grüß".as_bytes(), b"\xff\xfe", b""] {
        own.send_to(sent, socket.local_addr()).await.expect("sends");
    }
    let next = async || within(socket.recv()).await.expect("receives").expect("a datagram");
    let first = next().await;
    assert_eq!((first.text(), first.payload.len()), (Some("grüß"), 6));
    let second = next().await;
    assert_eq!((second.text(), &second.payload[..]), (None, &b"\xff\xfe"[..]));
    assert!(next().await.payload.is_empty());
    within(socket.close()).await.expect("closes");
}

async fn multicast(world: World) {
    const GROUP: &str = "239.255.77.77";
    let gateway = world.gateway().await;
    let options = UdpOptions::default().host("0.0.0.0").group(GROUP, "127.0.0.1");
    let first = within(gateway.udp_in(0, options.clone())).await.expect("binds");
    let port = first.local_addr().port();
    let second = within(gateway.udp_in(port, options)).await.expect("binds");
    let request = proto::UdpOutRequest {
        host: GROUP.into(),
        port: port.into(),
        payload: Some(proto::PayloadItem { item: Some(proto::payload_item::Item::Text("to all".into())) }),
        multicast_interface: "127.0.0.1".into(),
        ..Default::default()
    };
    within(gateway.udp_out_with(request)).await.expect("sends");
    for socket in [&first, &second] {
        let datagram = within(socket.recv()).await.expect("receives").expect("a datagram");
        assert_eq!(datagram.text(), Some("to all"));
        within(socket.close()).await.expect("closes");
    }
}

async fn out(world: World) {
    let gateway = world.gateway().await;
    let socket = within(gateway.udp_in(0, here())).await.expect("binds");
    let port = socket.local_addr().port();
    assert_eq!(within(gateway.udp_out("127.0.0.1", port, "once")).await.expect("sends"), 4);
    assert_eq!(within(socket.recv()).await.expect("receives").expect("a datagram").text(), Some("once"));
    within(socket.close()).await.expect("closes");
}
