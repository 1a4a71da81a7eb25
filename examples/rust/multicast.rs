//! Multicast: receives what is sent to a group, or sends to it.
//!
//! ```sh
//! cargo run -p socket-gateway-client --example client_multicast -- receive
//! cargo run -p socket-gateway-client --example client_multicast -- send hello
//! ```

use clap::{Parser, ValueEnum};
use socket_gateway_client::{
    Error, Gateway, UdpOptions,
    proto::{PayloadItem, UdpOutRequest, payload_item::Item},
};

/// Receives what is sent to a group, or sends to it.
#[derive(Parser)]
struct Options {
    #[arg(long, env = "GATEWAY", default_value = "127.0.0.1:50051")]
    gateway: String,
    #[arg(long, default_value = "239.255.42.99")]
    group: String,
    #[arg(long, default_value_t = 4299)]
    port: u16,
    /// The gateway's, by name or IPv4 address
    #[arg(long, default_value = "")]
    interface: String,
    /// How many datagrams to receive
    #[arg(long, default_value_t = 1)]
    count: u32,
    what: What,
    #[arg(default_value = "hello")]
    text: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    Receive,
    Send,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let options = Options::parse();
    let gateway = Gateway::open(&options.gateway).await?;
    match options.what {
        What::Send => {
            let request = UdpOutRequest {
                host: options.group.clone(),
                port: options.port.into(),
                payload: Some(PayloadItem { item: Some(Item::Text(options.text)) }),
                multicast_interface: options.interface,
                ..Default::default()
            };
            let bytes = gateway.udp_out_with(request).await?;
            println!("sent {bytes} bytes to {}:{}", options.group, options.port);
        }
        What::Receive => {
            let joined = UdpOptions::default().group(&options.group, &options.interface);
            let socket = gateway.udp_in(options.port, joined).await?;
            println!("listening on {} for {}", socket.local_addr(), options.group);
            for _ in 0..options.count {
                let Some(datagram) = socket.recv().await? else { break };
                println!("{}: {}", datagram.from.ip(), String::from_utf8_lossy(&datagram.payload));
            }
        }
    }
    Ok(())
}
