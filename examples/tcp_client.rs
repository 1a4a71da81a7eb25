//! The TCP client flow: connects, sends what is typed line by line, and prints what comes back.
//!
//! ```sh
//! cargo run --example tcp_client                     # the tcp_server example, 127.0.0.1 port 2323
//! cargo run --example tcp_client -- mail.example 25
//! ```
//!
//! `GATEWAY` tells where the gateway is, by default `http://127.0.0.1:50051`.

#![allow(clippy::disallowed_methods, reason = "an example reads its own settings")]

use std::{env, error::Error, process, thread};

use socket_gateway::api::proto::{
    Envelope, Event, LineTerminator, PayloadItem, SubscribeRequest, TcpConnectRequest, TcpDisconnectRequest, TcpMode,
    TcpSendRequest, data::Payload, envelope::Detail, payload_item::Item,
    socket_gateway_service_client::SocketGatewayServiceClient,
};
use tokio::sync::mpsc;
use tonic::Status;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let host = args.next().unwrap_or_else(|| "127.0.0.1".into());
    let port = args.next().map_or(Ok(2323), |port| port.parse())?;
    let gateway = env::var("GATEWAY").unwrap_or_else(|_| "http://127.0.0.1:50051".into());
    let mut sockets = SocketGatewayServiceClient::connect(gateway).await?;

    // A name of our own, so that nobody else's envelopes come here.
    let subscriber = format!("tcp-client-example-{}", process::id());
    let subscribe = SubscribeRequest { subscriber: subscriber.clone(), ..Default::default() };
    let mut envelopes = sockets.subscribe(subscribe).await?.into_inner();

    let connect = TcpConnectRequest { host, port, subscriber, mode: TcpMode::Line.into(), ..Default::default() };
    let session_id = sockets.tcp_connect(connect).await?.into_inner().session_id;

    let mut typed = typed_lines();
    let mut typing = true;
    loop {
        tokio::select! {
            message = envelopes.message() => {
                let Some(message) = message? else { return Err("the gateway ended the stream".into()) };
                for envelope in message.envelopes {
                    if show(envelope) == Event::Disconnected {
                        return Ok(());
                    }
                }
            }
            line = typed.recv(), if typing => match line {
                Some(line) => {
                    let send = TcpSendRequest {
                        session_id: session_id.clone(),
                        payload: vec![PayloadItem { item: Some(Item::Text(line)) }],
                        line_terminator: LineTerminator::Crlf.into(),
                        ..Default::default()
                    };
                    report(sockets.tcp_send(send).await.err());
                }
                None => {
                    typing = false;
                    let disconnect = TcpDisconnectRequest { session_id: session_id.clone(), ..Default::default() };
                    report(sockets.tcp_disconnect(disconnect).await.err());
                }
            },
        }
    }
}

/// A thread of its own reads them: tokio's stdin would keep the program from ending before another line is typed.
fn typed_lines() -> mpsc::Receiver<String> {
    let (tell, typed) = mpsc::channel(1);
    thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if tell.blocking_send(line).is_err() {
                return;
            }
        }
    });
    typed
}

/// The peer may end the session at any time: then `disconnected` is on its way, and ends the program.
fn report(failed: Option<Status>) {
    if let Some(status) = failed {
        eprintln!("{}", status.message());
    }
}

fn show(envelope: Envelope) -> Event {
    let event = envelope.event();
    match envelope.detail {
        Some(Detail::Connected(ends)) => println!("connected to {}:{}", ends.remote_host, ends.remote_port),
        Some(Detail::Data(data)) => match data.payload {
            Some(Payload::Text(line)) => println!("{line}"),
            // A line that is not UTF-8 comes as bytes.
            Some(Payload::Bytes(bytes)) => println!("{}", String::from_utf8_lossy(&bytes)),
            _ => {}
        },
        Some(Detail::Disconnected(end)) => println!("disconnected: {}", end.reason().as_str_name()),
        _ => {}
    }
    event
}
