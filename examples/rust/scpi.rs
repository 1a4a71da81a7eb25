//! Asks a measuring instrument who it is and what it measures: SCPI over its raw socket, usually port 5025.
//!
//! ```sh
//! cargo run -p socket-gateway-client --example client_scpi -- 192.168.1.50 --ask "MEAS:VOLT:DC?"
//! ```

use clap::Parser;
use socket_gateway_client::{Error, Exchange, Gateway, Session, TcpOptions, Terminator};

/// Asks a measuring instrument.
#[derive(Parser)]
struct Options {
    #[arg(long, env = "GATEWAY", default_value = "127.0.0.1:50051")]
    gateway: String,
    host: String,
    #[arg(long, default_value_t = 5025)]
    port: u16,
    /// A query or command; may be given several times
    #[arg(long, default_values = ["*IDN?", "MEAS:VOLT:DC?"])]
    ask: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let options = Options::parse();
    let gateway = Gateway::open(&options.gateway).await?;
    let instrument = gateway.connect(&options.host, options.port, TcpOptions::lines()).await?;
    let instrument = instrument.with_terminator(Terminator::Lf);
    for query in &options.ask {
        // A query has one line for an answer; what is no query has none.
        if query.ends_with('?') {
            println!("{query} -> {}", ask(&instrument, query).await?);
        } else {
            instrument.send(query.as_str()).await?;
        }
    }
    println!("errors: {}", ask(&instrument, "SYST:ERR?").await?);
    Ok(())
}

async fn ask(instrument: &Session, query: &str) -> Result<String, Error> {
    Ok(instrument.exchange(query, Exchange::one_frame()).await?.text())
}
