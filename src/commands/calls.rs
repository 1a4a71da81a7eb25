//! Commands that are one call: `send`, `exchange`, `udp-out`, `close`.

use std::{io::Read, time::Duration};

use clap::Args;
use socket_gateway_client::{
    Line, Terminator,
    proto::{self, PayloadItem, payload_item::Item},
};

use super::{
    end::End,
    output::{self, Format},
    pipe::Ending,
    target::Target,
};

/// More than this a gateway takes in no single send, unless its settings allow it.
const INPUT_BYTES: u64 = 1024 * 1024;

#[derive(Args)]
pub(crate) struct Send {
    /// The session
    session: String,
    /// What to send, an item each; without any: standard input, as it is
    text: Vec<String>,
    /// What ends each text
    #[arg(long, value_name = "END", value_enum, default_value_t = Ending::Lf)]
    terminator: Ending,
    /// Let the answer go to this subscriber; otherwise it goes where it went before
    #[arg(long, value_name = "NAME", default_value = "")]
    subscriber: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
pub(crate) struct Exchange {
    /// The session
    session: String,
    /// What to send, an item each; without any: nothing, and the answer is what the peer says by itself
    text: Vec<String>,
    /// A regular expression: the answer is complete when a line matches, or the unfinished rest of one. Otherwise it is one line,
    /// or in a binary session what comes first
    #[arg(long, short = 'e', value_name = "PATTERN", default_value = "")]
    wait_for: String,
    /// How long the answer may take
    #[arg(long, short = 'w', value_name = "TIME", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    /// What ends each text
    #[arg(long, value_name = "END", value_enum, default_value_t = Ending::Lf)]
    terminator: Ending,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
pub(crate) struct UdpOut {
    /// A name or an address, unicast, multicast or broadcast
    host: String,
    /// 1 to 65535
    port: u16,
    /// The datagram; without it: standard input
    text: Option<String>,
    /// Allow a broadcast address
    #[arg(long)]
    broadcast: bool,
    /// Time to live of multicast datagrams
    #[arg(long, value_name = "HOPS")]
    ttl: Option<u8>,
    /// The interface multicast goes out on
    #[arg(long, value_name = "INTERFACE", default_value = "")]
    interface: String,
    /// Send from the socket of this session
    #[arg(long, value_name = "ID", default_value = "")]
    session: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
pub(crate) struct Close {
    /// A session or a listener
    id: String,
    /// Cut the connection (RST) instead of ending it in order
    #[arg(long)]
    abort: bool,
    /// Close the sessions that a listener accepted as well
    #[arg(long)]
    sessions: bool,
    #[command(flatten)]
    target: Target,
}

/// Words as items, or standard input as one.
fn payload(words: Vec<String>) -> Result<Vec<PayloadItem>, End> {
    let items =
        if words.is_empty() { vec![Item::Bytes(input()?.into())] } else { words.into_iter().map(Item::Text).collect() };
    Ok(items.into_iter().map(|item| PayloadItem { item: Some(item) }).collect())
}

fn input() -> Result<Vec<u8>, End> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(INPUT_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| End::failed(format!("cannot read standard input: {error}")))?;
    if bytes.len() as u64 > INPUT_BYTES {
        return Err(End::usage("standard input is longer than 1 MiB: use connect for a stream"));
    }
    Ok(bytes)
}

impl Send {
    pub(crate) async fn run(self) -> Result<(), End> {
        let (mut sockets, _) = self.target.calls()?;
        let request = proto::TcpSendRequest {
            session_id: self.session,
            payload: payload(self.text)?,
            line_terminator: Terminator::from(self.terminator).into(),
            subscriber: self.subscriber,
            ..Default::default()
        };
        let sent = sockets.tcp_send(request).await?.into_inner();
        match self.target.format() {
            Format::Json => output::write_json(&output::json("TcpSendResponse", &sent)),
            Format::Text => {
                output::write_line(format!("{}: sent, {} bytes in all", sent.message_id, sent.write_offset))
            }
        }
    }
}

impl Exchange {
    pub(crate) async fn run(self) -> Result<(), End> {
        let (mut sockets, _) = self.target.calls()?;
        let items = self.text.into_iter().map(|text| PayloadItem { item: Some(Item::Text(text)) });
        let timeout = self.timeout.map(|time| time.try_into().map_err(|_| End::usage("--timeout is too long")));
        let request = proto::TcpExchangeRequest {
            session_id: self.session,
            payload: items.collect(),
            line_terminator: Terminator::from(self.terminator).into(),
            wait_for: self.wait_for,
            timeout: timeout.transpose()?,
            ..Default::default()
        };
        let answer = sockets.tcp_exchange(request).await?.into_inner();
        if self.target.format() == Format::Json {
            return output::write_json(&output::json("TcpExchangeResponse", &answer));
        }
        for line in answer.frames.into_iter().chain(answer.r#match) {
            output::write(&[Line::from(line).as_bytes(), b"\n"].concat())?;
        }
        Ok(())
    }
}

impl UdpOut {
    pub(crate) async fn run(self) -> Result<(), End> {
        let (mut sockets, _) = self.target.calls()?;
        let item = match self.text {
            Some(text) => Item::Text(text),
            None => Item::Bytes(input()?.into()),
        };
        let request = proto::UdpOutRequest {
            host: self.host,
            port: self.port.into(),
            payload: Some(PayloadItem { item: Some(item) }),
            broadcast: self.broadcast,
            multicast_ttl: self.ttl.map(u32::from),
            multicast_interface: self.interface,
            session_id: self.session,
            ..Default::default()
        };
        let sent = sockets.udp_out(request).await?.into_inner();
        match self.target.format() {
            Format::Json => output::write_json(&output::json("UdpOutResponse", &sent)),
            Format::Text => output::write_line(format!("{} bytes to {} port {}", sent.bytes, sent.host, sent.port)),
        }
    }
}

impl Close {
    pub(crate) async fn run(self) -> Result<(), End> {
        let (mut sockets, _) = self.target.calls()?;
        let json = self.target.format() == Format::Json;
        if self.id.starts_with("lstn-") {
            let request = proto::TcpUnlistenRequest {
                listener_id: self.id.clone(),
                close_sessions: self.sessions,
                ..Default::default()
            };
            let closed = sockets.tcp_unlisten(request).await?.into_inner();
            return match json {
                true => output::write_json(&output::json("TcpUnlistenResponse", &closed)),
                false => {
                    output::write_line(format!("{}: closed, and {} sessions with it", self.id, closed.sessions_closing))
                }
            };
        }
        let request =
            proto::TcpDisconnectRequest { session_id: self.id.clone(), abort: self.abort, ..Default::default() };
        let closing = sockets.tcp_disconnect(request).await?.into_inner();
        match json {
            true => output::write_json(&output::json("TcpDisconnectResponse", &closing)),
            false => output::write_line(format!("{}: {}", self.id, if self.abort { "aborted" } else { "closing" })),
        }
    }
}
