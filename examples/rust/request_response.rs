//! Request and response: several callers share one connection, and each gets its own answer.
//!
//! ```sh
//! cargo run -p socket-gateway-client --example client_request_response -- --port 2323
//! ```

use std::sync::Arc;

use clap::Parser;
use socket_gateway_client::{Exchange, Gateway, TcpOptions, Terminator};

/// Several callers share one connection, and each gets its own answer.
#[derive(Parser)]
struct Options {
    #[arg(long, env = "GATEWAY", default_value = "127.0.0.1:50051")]
    gateway: String,
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// A server that repeats what it is told
    #[arg(long, default_value_t = 2323)]
    port: u16,
    #[arg(long, default_value_t = 5)]
    callers: u32,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let gateway = Gateway::open(&options.gateway).await?;
    let session = gateway.connect(&options.host, options.port, TcpOptions::lines()).await?;
    let session = Arc::new(session.with_terminator(Terminator::Crlf));
    let asking = (1..=options.callers).map(|number| {
        let session = Arc::clone(&session);
        tokio::spawn(async move {
            let question = format!("question {number}");
            // The session's turn goes from caller to caller, first come, first served.
            let answer = session.exchange(question.as_str(), Exchange::until(format!("{question}$"))).await?;
            Ok::<_, socket_gateway_client::Error>(format!(
                "{question:?} was answered by {:?}",
                answer.matched.map(|line| line.to_string()).unwrap_or_default()
            ))
        })
    });
    for asked in asking.collect::<Vec<_>>() {
        println!("{}", asked.await??);
    }
    Ok(())
}
