//! The inactivity timeout: a connection on which nothing happens for a while is reported, then closed or kept, as you like.
//!
//! ```sh
//! cargo run --example inactivity_timeout           # after 1 second
//! cargo run --example inactivity_timeout -- 2
//! ```
//!
//! `GATEWAY` tells where the gateway is, by default `http://127.0.0.1:50051`. The silent peer that the example brings along
//! listens on 127.0.0.1, so the gateway must run on the same machine.

#![allow(clippy::disallowed_methods, reason = "an example reads its own settings, and brings its own peer")]

use std::{env, error::Error, process, time::Duration};

use socket_gateway::api::proto::{
    PayloadItem, SubscribeRequest, TcpConnectRequest, TcpSendRequest, TimeoutAction, envelope::Detail,
    payload_item::Item, socket_gateway_service_client::SocketGatewayServiceClient,
};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let timeout = Duration::from_secs_f64(env::args().nth(1).map_or(Ok(1.0), |seconds| seconds.parse())?);
    let gateway = env::var("GATEWAY").unwrap_or_else(|_| "http://127.0.0.1:50051".into());
    let mut sockets = SocketGatewayServiceClient::connect(gateway).await?;

    let port = silent_peer().await?;
    let subscriber = format!("inactivity-example-{}", process::id());
    let subscribe = SubscribeRequest { subscriber: subscriber.clone(), ..Default::default() };
    let mut envelopes = sockets.subscribe(subscribe).await?.into_inner();

    let connect = TcpConnectRequest {
        host: "127.0.0.1".into(),
        port,
        subscriber,
        timeout: Some(timeout.try_into()?),
        // Left out, a dialled session is kept and an accepted one is closed.
        on_timeout: TimeoutAction::Close.into(),
        ..Default::default()
    };
    let session_id = sockets.tcp_connect(connect).await?.into_inner().session_id;

    // Each send starts the time anew: these keep the session alive for longer than the timeout.
    for _ in 0..5 {
        tokio::time::sleep(timeout / 4).await;
        let send = TcpSendRequest {
            session_id: session_id.clone(),
            payload: vec![PayloadItem { item: Some(Item::Text("still here\n".into())) }],
            ..Default::default()
        };
        sockets.tcp_send(send).await?;
        println!("sent");
    }

    while let Some(message) = envelopes.message().await? {
        for envelope in message.envelopes {
            println!("{}", envelope.event().as_str_name());
            if !envelope.error_code.is_empty() {
                println!("  {}: {}", envelope.error_code, envelope.error_text);
            }
            if let Some(Detail::Disconnected(end)) = envelope.detail {
                println!("  {}", end.reason().as_str_name());
                return Ok(());
            }
        }
    }
    Err("the gateway ended the stream".into())
}

/// A peer that listens and says nothing; gives its port.
async fn silent_peer() -> Result<u32, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        let (mut visitor, _) = listener.accept().await?;
        tokio::io::copy(&mut visitor, &mut tokio::io::sink()).await
    });
    Ok(port.into())
}
