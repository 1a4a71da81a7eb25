//! A dialogue with a bulletin board that asks `ENTER COMMAND` whenever it is ready, without ending that line.
//!
//! ```sh
//! cargo run --example bbs                             # with a small board that the example brings along
//! cargo run --example bbs -- bbs.example 23 LIST QUIT
//! ```
//!
//! `GATEWAY` tells where the gateway is, by default `http://127.0.0.1:50051`. The board that the example brings along listens on
//! 127.0.0.1, so the gateway must run on the same machine for it.
//!
//! The first prompt comes unasked, perhaps before anybody can ask for it, so it is taken from the data output. From then on each
//! command and its answer are one exchange: it ends when the next prompt is there.

#![allow(clippy::disallowed_methods, reason = "an example reads its own settings, and brings its own peer")]

use std::{env, error::Error, process};

use socket_gateway::api::proto::{
    ExchangeEnd, Line, LineTerminator, Output, PayloadItem, SubscribeRequest, TcpConnectRequest, TcpExchangeRequest,
    TcpMode, data::Payload, envelope::Detail, line::Content, payload_item::Item,
    socket_gateway_service_client::SocketGatewayServiceClient,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// It matches the unfinished line as well: a prompt has no line end.
const PROMPT: &str = "^ENTER COMMAND";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let (host, port) = match (args.next(), args.next()) {
        (Some(host), Some(port)) => (host, port.parse()?),
        _ => ("127.0.0.1".into(), small_board().await?),
    };
    let mut commands: Vec<String> = args.collect();
    if commands.is_empty() {
        commands = ["LIST", "READ 2", "QUIT"].map(String::from).into();
    }
    let gateway = env::var("GATEWAY").unwrap_or_else(|_| "http://127.0.0.1:50051".into());
    let mut sockets = SocketGatewayServiceClient::connect(gateway).await?;

    let subscriber = format!("bbs-example-{}", process::id());
    let connect = TcpConnectRequest {
        host,
        port,
        subscriber: subscriber.clone(),
        mode: TcpMode::Line.into(),
        wait_for: PROMPT.into(),
        ..Default::default()
    };
    let session_id = sockets.tcp_connect(connect).await?.into_inner().session_id;

    let data = SubscribeRequest { subscriber, outputs: vec![Output::Data.into()], ..Default::default() };
    let mut envelopes = sockets.subscribe(data).await?.into_inner();
    'greeting: while let Some(message) = envelopes.message().await? {
        for envelope in message.envelopes {
            let Some(Detail::Data(data)) = envelope.detail else { continue };
            match data.payload {
                Some(Payload::Match(found)) => {
                    found.lines.iter().for_each(show);
                    break 'greeting;
                }
                other => return Err(format!("no prompt, but {other:?}").into()),
            }
        }
    }

    for command in commands {
        println!("> {command}");
        let exchange = TcpExchangeRequest {
            session_id: session_id.clone(),
            payload: vec![PayloadItem { item: Some(Item::Text(command)) }],
            line_terminator: LineTerminator::Cr.into(),
            wait_for: PROMPT.into(),
            ..Default::default()
        };
        let answer = sockets.tcp_exchange(exchange).await?.into_inner();
        answer.frames.iter().for_each(show);
        if answer.end() == ExchangeEnd::PeerClosed {
            println!("the board has hung up");
            break;
        }
    }
    Ok(())
}

fn show(line: &Line) {
    match &line.content {
        Some(Content::Text(text)) => println!("{text}"),
        Some(Content::Bytes(bytes)) => println!("{}", String::from_utf8_lossy(bytes)),
        None => {}
    }
}

/// A bulletin board for one visitor; gives its port.
async fn small_board() -> Result<u32, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        if let Ok((visitor, _)) = listener.accept().await {
            // A visitor may leave in the middle of it.
            let _ = serve(visitor).await;
        }
    });
    Ok(port.into())
}

async fn serve(mut visitor: TcpStream) -> Result<(), std::io::Error> {
    let (read, mut write) = visitor.split();
    let mut commands = BufReader::new(read).split(b'\r');
    write.write_all(b"WELCOME TO THE SMALL BOARD\r\n2 messages are new\r\n").await?;
    loop {
        write.write_all(b"ENTER COMMAND (LIST, READ n, QUIT): ").await?;
        let Some(command) = commands.next_segment().await? else { return Ok(()) };
        let answer = match command.as_slice() {
            b"LIST" => "1  ann  Modem for sale\r\n2  bob  Meeting on Friday\r\n",
            b"READ 1" => "From ann: 2400 baud, as good as new.\r\n",
            b"READ 2" => "From bob: At eight, as always.\r\nBring cables.\r\n",
            b"QUIT" => return write.write_all(b"GOODBYE\r\n").await,
            _ => "What?\r\n",
        };
        write.write_all(answer.as_bytes()).await?;
    }
}
