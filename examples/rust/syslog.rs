//! Collects syslog messages over UDP and TCP, and prints them with facility and severity.
//!
//! ```sh
//! cargo run -p socket-gateway-client --example client_syslog -- --port 5514
//! logger --server 127.0.0.1 --port 5514 --udp "hello"
//! ```
//!
//! Over TCP a message is a line (RFC 6587, non-transparent framing).

use clap::Parser;
use socket_gateway_client::{Error, Gateway, Listener, TcpOptions, UdpOptions, UdpSocket};

const SEVERITIES: [&str; 8] = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];

/// Prints syslog messages.
#[derive(Parser)]
struct Options {
    #[arg(long, env = "GATEWAY", default_value = "127.0.0.1:50051")]
    gateway: String,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// 0: any that is free
    #[arg(long, default_value_t = 5514)]
    port: u16,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let options = Options::parse();
    let gateway = Gateway::open(&options.gateway).await?;
    let udp = gateway.udp_in(options.port, UdpOptions::default().host(&options.host)).await?;
    let tcp = gateway.listen(&options.host, options.port, TcpOptions::lines()).await?;
    println!("listening on {}: udp {}, tcp {}", options.host, udp.local_addr().port(), tcp.local_addr().port());
    tokio::try_join!(datagrams(&udp), connections(&tcp)).map(|_| ())
}

async fn datagrams(socket: &UdpSocket) -> Result<(), Error> {
    while let Some(datagram) = socket.recv().await? {
        if datagram.dropped_before > 0 {
            println!("{} datagrams were dropped", datagram.dropped_before);
        }
        show(&format!("udp {}", datagram.from.ip()), &String::from_utf8_lossy(&datagram.payload));
    }
    Ok(())
}

async fn connections(listener: &Listener) -> Result<(), Error> {
    loop {
        let session = listener.accept().await?;
        tokio::spawn(async move {
            let sender = session.ends().map_or_else(|| "?".to_owned(), |ends| ends.peer.ip().to_string());
            let sender = format!("tcp {sender}");
            loop {
                match session.next_line().await {
                    Ok(Some(line)) => show(&sender, &line.into_text()),
                    Ok(None) => return,
                    Err(error) => return println!("{sender} was lost: {error}"),
                }
            }
        });
    }
}

fn show(sender: &str, message: &str) {
    let parts = message.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    match parts.and_then(|(priority, text)| Some((priority.parse::<usize>().ok().filter(|it| *it < 192)?, text))) {
        Some((priority, text)) => {
            println!("{sender} facility {} {}: {}", priority / 8, SEVERITIES[priority % 8], text.trim_end());
        }
        None => println!("{sender} no syslog: {message:?}"),
    }
}
