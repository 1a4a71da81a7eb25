//! The TCP server flow: listens, greets who comes, sends each line back, and ends the connection on "bye".
//!
//! ```sh
//! cargo run -p socket-gateway-client --example client_echo_server
//! telnet 127.0.0.1 2323
//! ```

use clap::Parser;
use socket_gateway_client::{Error, Gateway, Session, TcpOptions, Terminator};

/// Listens, greets who comes, sends each line back, and ends the connection on "bye".
#[derive(Parser)]
struct Options {
    #[arg(long, env = "GATEWAY", default_value = "127.0.0.1:50051")]
    gateway: String,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// 0: any that is free
    #[arg(long, default_value_t = 2323)]
    port: u16,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let options = Options::parse();
    let gateway = Gateway::open(&options.gateway).await?;
    let listener = gateway.listen(&options.host, options.port, TcpOptions::lines()).await?;
    println!("listening on {}", listener.local_addr());
    loop {
        let session = listener.accept().await?.with_terminator(Terminator::Crlf);
        // Each has a task of its own, so that nobody waits for anybody else.
        tokio::spawn(async move {
            let peer = session.ends().map_or_else(|| "somebody".to_owned(), |ends| ends.peer.to_string());
            println!("{peer} came");
            match serve(&session).await {
                Ok(()) => println!("{peer} went"),
                Err(error) => println!("{peer} was lost: {error}"),
            }
        });
    }
}

async fn serve(session: &Session) -> Result<(), Error> {
    session.send("Hello. I repeat what you say, until bye.").await?;
    while let Some(line) = session.next_line().await? {
        if line == "bye" {
            session.send("Good bye.").await?;
            return session.disconnect().await;
        }
        session.send(line.into_text()).await?;
    }
    Ok(())
}
