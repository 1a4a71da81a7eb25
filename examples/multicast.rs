//! Multicast: receives what is sent to a group, or sends to it.
//!
//! ```sh
//! cargo run --example multicast -- receive 239.255.42.99 4299 eth0
//! cargo run --example multicast -- send 239.255.42.99 4299 eth0 hello
//! ```
//!
//! The interface is the gateway's, by name or IPv4 address; `""` leaves the choice to its system. IPv6 groups work as well.
//! `GATEWAY` tells where the gateway is, by default `http://127.0.0.1:50051`.

#![allow(clippy::disallowed_methods, reason = "an example reads its own settings")]

use std::{env, error::Error, process};

use socket_gateway::api::proto::{
    MulticastGroup, PayloadItem, SubscribeRequest, UdpInRequest, UdpMode, UdpOutRequest, data::Payload, datagram,
    envelope::Detail, payload_item::Item, socket_gateway_service_client::SocketGatewayServiceClient,
};
use tonic::transport::Channel;

type Sockets = SocketGatewayServiceClient<Channel>;

const USAGE: &str = "usage: multicast receive GROUP PORT INTERFACE\n       multicast send GROUP PORT INTERFACE TEXT";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let gateway = env::var("GATEWAY").unwrap_or_else(|_| "http://127.0.0.1:50051".into());
    let sockets = SocketGatewayServiceClient::connect(gateway).await?;
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["receive", group, port, interface] => receive(sockets, group, port.parse()?, interface).await,
        ["send", group, port, interface, text] => send(sockets, group, port.parse()?, interface, text).await,
        _ => Err(USAGE.into()),
    }
}

async fn receive(mut sockets: Sockets, group: &str, port: u32, interface: &str) -> Result<(), Box<dyn Error>> {
    let subscriber = format!("multicast-example-{}", process::id());
    let udp_in = UdpInRequest {
        port,
        multicast_groups: vec![MulticastGroup { address: group.into(), interface: interface.into() }],
        mode: UdpMode::Utf8.into(),
        subscriber: subscriber.clone(),
        ..Default::default()
    };
    sockets.udp_in(udp_in).await?;

    let subscribe = SubscribeRequest { subscriber, ..Default::default() };
    let mut envelopes = sockets.subscribe(subscribe).await?.into_inner();
    while let Some(message) = envelopes.message().await? {
        for envelope in message.envelopes {
            if envelope.dropped_before > 0 {
                println!("{} datagrams were dropped here", envelope.dropped_before);
            }
            match envelope.detail {
                Some(Detail::Listening(bound)) => {
                    println!("listening on port {}, groups {:?}", bound.local_port, bound.multicast_groups)
                }
                Some(Detail::Data(data)) => show(data.payload),
                _ => {}
            }
        }
    }
    Err("the gateway ended the stream".into())
}

fn show(payload: Option<Payload>) {
    let Some(Payload::Datagram(datagram)) = payload else { return };
    let text = match datagram.payload {
        Some(datagram::Payload::Text(text)) => text,
        // A datagram that is not UTF-8 comes as bytes.
        Some(datagram::Payload::Bytes(bytes)) => format!("{bytes:?}"),
        None => String::new(),
    };
    println!("{}: {text}", datagram.remote_host);
}

async fn send(mut sockets: Sockets, group: &str, port: u32, interface: &str, text: &str) -> Result<(), Box<dyn Error>> {
    let udp_out = UdpOutRequest {
        host: group.into(),
        port,
        payload: Some(PayloadItem { item: Some(Item::Text(text.into())) }),
        multicast_interface: interface.into(),
        // Left out, 1: it does not leave the network.
        multicast_ttl: Some(1),
        ..Default::default()
    };
    let sent = sockets.udp_out(udp_out).await?.into_inner();
    println!("{} bytes sent to {}:{}", sent.bytes, sent.host, sent.port);
    Ok(())
}
