//! The dialogue with a bulletin board, which asks for a command whenever it is ready, without ending that line.
//!
//! ```sh
//! cargo run -p socket-gateway-client --example client_bbs -- --host bbs.example --port 23 LIST "READ 2" QUIT
//! ```

use clap::Parser;
use socket_gateway_client::{Exchange, ExchangeEnd, Gateway, TcpOptions, Terminator};

/// It matches the unfinished line as well: a prompt has no line end.
const PROMPT: &str = "^ENTER COMMAND";

/// Talks with a bulletin board.
#[derive(Parser)]
struct Options {
    #[arg(long, env = "GATEWAY", default_value = "127.0.0.1:50051")]
    gateway: String,
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    #[arg(long, default_value_t = 23)]
    port: u16,
    #[arg(default_values = ["LIST", "READ 2", "QUIT"])]
    commands: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let gateway = Gateway::open(&options.gateway).await?;
    let board = gateway.connect(&options.host, options.port, TcpOptions::wait_for(PROMPT)).await?;
    let board = board.with_terminator(Terminator::Crlf);
    // The first prompt comes unasked. From then on each command and its answer are one exchange.
    let greeting = board.next_match().await?.ok_or("the board hung up before it said anything")?;
    greeting.lines.iter().for_each(|line| println!("{line}"));
    for command in &options.commands {
        let answer = board.exchange(command.as_str(), Exchange::until(PROMPT)).await?;
        println!("> {command}");
        answer.frames.iter().for_each(|line| println!("{line}"));
        if answer.end == ExchangeEnd::PeerClosed {
            break;
        }
    }
    Ok(())
}
