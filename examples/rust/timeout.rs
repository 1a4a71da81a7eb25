//! The inactivity timeout: a connection on which nothing happens for a while is reported, and then closed or kept.
//!
//! ```sh
//! cargo run -p socket-gateway-client --example client_timeout -- --port 2323 --after 1
//! ```

use std::time::Duration;

use clap::Parser;
use socket_gateway_client::{Error, Event, Gateway, TcpOptions};

/// Reports a connection on which nothing happens, and keeps it, and then closes another one.
#[derive(Parser)]
struct Options {
    #[arg(long, env = "GATEWAY", default_value = "127.0.0.1:50051")]
    gateway: String,
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    #[arg(long, default_value_t = 2323)]
    port: u16,
    /// Seconds of silence
    #[arg(long, default_value_t = 1.0)]
    after: f64,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let options = Options::parse();
    let silent = TcpOptions::binary().timeout(Duration::from_secs_f64(options.after));
    let gateway = Gateway::open(&options.gateway).await?;

    let kept = gateway.connect(&options.host, options.port, silent.clone()).await?;
    while let Some(event) = kept.next_event().await? {
        if let Event::Timeout(failure) = event {
            println!("kept: {failure}; the session is {}", if kept.is_open() { "open" } else { "closed" });
            break;
        }
    }

    let closed = gateway.connect(&options.host, options.port, silent.close_on_timeout(true)).await?;
    println!("closed: {}", closed.closed().await?);
    Ok(())
}
