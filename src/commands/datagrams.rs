//! `udp-in`: prints the datagrams that come to a port of the gateway.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use clap::Args;
use serde_json::json;
use socket_gateway_client::{Datagram, UdpOptions};
use tokio::signal;

use super::{
    end::End,
    output::{self, Format},
    target::Target,
};

#[derive(Args)]
pub(crate) struct UdpIn {
    /// The gateway's port; 0 picks one
    port: u16,
    /// The gateway's address to bind; otherwise all
    #[arg(long, value_name = "ADDRESS", default_value = "")]
    host: String,
    /// Join a multicast group, on an interface or the one the system chooses; may be given several times
    #[arg(long, value_name = "ADDRESS[@INTERFACE]")]
    group: Vec<String>,
    /// Show datagrams as hex dumps
    #[arg(long)]
    hex: bool,
    /// Only the payloads, a line each: nothing about their senders
    #[arg(long, conflicts_with = "hex")]
    raw: bool,
    /// End after so many datagrams
    #[arg(long, short = 'n', value_name = "COUNT")]
    count: Option<u64>,
    /// End when nothing came for this long, for example 30s
    #[arg(long, short = 'w', value_name = "TIME", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    target: Target,
}

impl UdpIn {
    pub(crate) async fn run(self) -> Result<(), End> {
        let gateway = self.target.open(None).await?;
        let mut options = UdpOptions::default().host(&self.host);
        for group in &self.group {
            let (address, interface) = group.split_once('@').unwrap_or((group, ""));
            options = options.group(address, interface);
        }
        let socket = gateway.udp_in(self.port, options).await?;
        let address = socket.local_addr();
        match self.target.format() {
            Format::Json => {
                let (host, port) = (address.ip().to_string(), address.port());
                output::write_json(
                    &json!({"event": "listening", "host": host, "port": port, "session_id": socket.id()}),
                )?;
            }
            Format::Text => output::note(format!("listening on {address}")),
        }
        let mut left = self.count.unwrap_or(u64::MAX);
        let mut outcome = Ok(());
        while left > 0 {
            let quiet = tokio::time::sleep(self.timeout.unwrap_or(Duration::MAX));
            let datagram = tokio::select! {
                datagram = socket.recv() => datagram?,
                () = quiet, if self.timeout.is_some() => break,
                _ = signal::ctrl_c() => {
                    outcome = Err(End::interrupted());
                    break;
                }
            };
            let Some(datagram) = datagram else { break };
            self.put(&datagram)?;
            left -= 1;
        }
        socket.close().await?;
        socket.closed().await?;
        outcome
    }

    fn put(&self, datagram: &Datagram) -> Result<(), End> {
        let Datagram { from, payload, dropped_before } = datagram;
        if self.target.format() == Format::Json {
            let (key, value) = output::json_bytes(payload);
            return output::write_json(&json!({
                "event": "data", "host": from.ip().to_string(), "port": from.port(), key: value, "dropped_before": dropped_before,
            }));
        }
        if *dropped_before > 0 {
            output::note(format!("{dropped_before} datagrams were dropped here"));
        }
        if self.raw {
            return output::write(&[payload, &b"\n"[..]].concat());
        }
        if self.hex {
            output::write_line(format!("{from}: {} bytes", payload.len()))?;
            return output::write(output::hex(0, payload).as_bytes());
        }
        let text = String::from_utf8_lossy(payload);
        let text = if io::stdout().is_terminal() { output::printable(&text) } else { text.into_owned() };
        output::write_line(format!("{from}: {}", text.trim_end_matches(['\r', '\n'])))
    }
}
