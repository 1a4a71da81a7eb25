//! The TCP client flow: connects, sends each word as a line, and prints what comes back.
//!
//! ```sh
//! cargo run -p socket-gateway-client --example client_echo_client -- hello world bye
//! ```

use clap::Parser;
use socket_gateway_client::{Error, Gateway, TcpOptions, Terminator};

/// Connects, sends each word as a line, and prints what comes back.
#[derive(Parser)]
struct Options {
    #[arg(long, env = "GATEWAY", default_value = "127.0.0.1:50051")]
    gateway: String,
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Where echo_server listens
    #[arg(long, default_value_t = 2323)]
    port: u16,
    #[arg(default_values = ["hello", "bye"])]
    words: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let options = Options::parse();
    let gateway = Gateway::open(&options.gateway).await?;
    let session = gateway.connect(&options.host, options.port, TcpOptions::lines()).await?;
    let session = session.with_terminator(Terminator::Crlf);
    for word in options.words {
        session.send(word).await?;
    }
    while let Some(line) = session.next_line().await? {
        println!("{line}");
    }
    Ok(())
}
