//! The TCP server flow: listens, greets who comes, sends each line back in upper case, and ends the connection on `bye`.
//!
//! ```sh
//! cargo run --example tcp_server            # port 2323
//! cargo run --example tcp_server -- 4000    # another
//! ```
//!
//! Talk to it with the `tcp_client` example or telnet. `GATEWAY` tells where the gateway is, by default
//! `http://127.0.0.1:50051`.
//!
//! Everything goes over one Attach stream: envelopes come down it, sends and disconnects go up. So a client that does not read
//! never holds up the others.

#![allow(clippy::disallowed_methods, reason = "an example reads its own settings")]

use std::{env, error::Error};

use socket_gateway::api::proto::{
    Answer, AttachRequest, AttachSubscribe, Envelope, Event, LineTerminator, PayloadItem, SubscribeRequest,
    TcpDisconnectRequest, TcpListenRequest, TcpMode, TcpSendRequest, TcpUnlistenRequest, answer,
    attach_request::Command, data::Payload, envelope::Detail, payload_item::Item,
    socket_gateway_service_client::SocketGatewayServiceClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Who the listener and its sessions belong to. A restarted program finds them again by this name.
const SUBSCRIBER: &str = "tcp-server-example";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::args().nth(1).map_or(Ok(2323), |port| port.parse())?;
    let gateway = env::var("GATEWAY").unwrap_or_else(|_| "http://127.0.0.1:50051".into());
    let mut sockets = SocketGatewayServiceClient::connect(gateway).await?;

    let listen = TcpListenRequest {
        host: "127.0.0.1".into(),
        port,
        subscriber: SUBSCRIBER.into(),
        mode: TcpMode::Line.into(),
        // A listener outlives the program that asked for it; with the same request id a restart gets it back.
        request_id: format!("{SUBSCRIBER}-{port}"),
        ..Default::default()
    };
    let listener = sockets.tcp_listen(listen).await?.into_inner();
    let bound = listener.listening.ok_or("no address")?;
    println!("listening on {}:{}", bound.local_host, bound.local_port);

    let (up, commands) = mpsc::channel(64);
    up.send(subscribe()).await?;
    let mut down = sockets.attach(ReceiverStream::new(commands)).await?.into_inner();
    loop {
        tokio::select! {
            message = down.message() => {
                let Some(message) = message? else { break };
                message.answers.into_iter().for_each(report);
                for envelope in message.envelopes {
                    for command in serve(envelope) {
                        up.send(AttachRequest { correlation_id: 1, command: Some(command) }).await?;
                    }
                }
            }
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    let unlisten = TcpUnlistenRequest { listener_id: listener.listener_id, close_sessions: true, ..Default::default() };
    sockets.tcp_unlisten(unlisten).await?;
    Ok(())
}

/// What is to be done about an envelope.
fn serve(envelope: Envelope) -> Vec<Command> {
    let (event, session) = (envelope.event(), envelope.session_id);
    match (event, envelope.detail) {
        (Event::Connected, Some(Detail::Connected(ends))) => {
            println!("{session}: connected from {}:{}", ends.remote_host, ends.remote_port);
            vec![say(&session, "Hello. I say it louder; `bye` ends this.")]
        }
        (Event::Data, Some(Detail::Data(data))) => match data.payload {
            Some(Payload::Text(line)) if line.trim() == "bye" => {
                let disconnect = TcpDisconnectRequest { session_id: session.clone(), ..Default::default() };
                // The disconnect waits until what was sent before has gone out.
                vec![say(&session, "BYE"), Command::TcpDisconnect(disconnect)]
            }
            Some(Payload::Text(line)) => vec![say(&session, &line.to_uppercase())],
            // A line that is not UTF-8 comes as bytes.
            _ => vec![say(&session, "?")],
        },
        (Event::Disconnected, Some(Detail::Disconnected(end))) => {
            println!("{session}: {}", end.reason().as_str_name());
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn say(session: &str, line: &str) -> Command {
    Command::TcpSend(TcpSendRequest {
        session_id: session.to_owned(),
        payload: vec![PayloadItem { item: Some(Item::Text(line.to_owned())) }],
        line_terminator: LineTerminator::Crlf.into(),
        ..Default::default()
    })
}

fn subscribe() -> AttachRequest {
    let subscription = SubscribeRequest { subscriber: SUBSCRIBER.into(), ..Default::default() };
    let subscribe = AttachSubscribe { subscription: Some(subscription), ..Default::default() };
    AttachRequest { correlation_id: 0, command: Some(Command::Subscribe(subscribe)) }
}

/// A client may leave while it is being answered: that ends its session, not this program.
fn report(answer: Answer) {
    if let Some(answer::Result::Error(error)) = answer.result {
        eprintln!("{}: {}", error.error_code, error.error_text);
    }
}
