//! `subscribe`: prints what a subscriber gets.

use std::time::Duration;

use clap::Args;
use socket_gateway_client::proto::{self, Output, PayloadFormat, data::Payload, envelope::Detail};
use tokio::signal;

use super::{
    end::End,
    output::{self, Format},
    target::Target,
    view,
};

#[derive(Args)]
pub(crate) struct Subscribe {
    /// The subscriber
    #[arg(default_value = "default")]
    subscriber: String,
    /// Only data
    #[arg(long, conflicts_with = "events")]
    data: bool,
    /// Only events
    #[arg(long)]
    events: bool,
    /// Only this session; may be given several times
    #[arg(long, value_name = "ID")]
    session: Vec<String>,
    /// End after so many envelopes
    #[arg(long, short = 'n', value_name = "COUNT")]
    count: Option<u64>,
    /// End when nothing came for this long, for example 30s
    #[arg(long, short = 'w', value_name = "TIME", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    target: Target,
}

impl Subscribe {
    pub(crate) async fn run(self) -> Result<(), End> {
        let (mut sockets, _) = self.target.calls()?;
        let outputs = match (self.data, self.events) {
            (true, _) => vec![Output::Data.into()],
            (_, true) => vec![Output::Events.into()],
            _ => Vec::new(),
        };
        let request = proto::SubscribeRequest {
            subscriber: self.subscriber.clone(),
            outputs,
            session_ids: self.session.clone(),
            payload_format: PayloadFormat::Text.into(),
            ..Default::default()
        };
        let mut stream = sockets.subscribe(request).await?.into_inner();
        let mut left = self.count.unwrap_or(u64::MAX);
        loop {
            let quiet = tokio::time::sleep(self.timeout.unwrap_or(Duration::MAX));
            let message = tokio::select! {
                message = stream.message() => message?,
                () = quiet, if self.timeout.is_some() => return Ok(()),
                _ = signal::ctrl_c() => return Err(End::interrupted()),
            };
            let Some(message) = message else { return Ok(()) };
            for envelope in message.envelopes {
                match self.target.format() {
                    Format::Json => output::write_json(&output::json("Envelope", &envelope))?,
                    Format::Text => output::write_line(line(&envelope))?,
                }
                left -= 1;
                if left == 0 {
                    return Ok(());
                }
            }
        }
    }
}

/// An envelope as a line: time, event, whose it is, what it carries.
fn line(envelope: &proto::Envelope) -> String {
    let event = envelope.event().as_str_name().trim_start_matches("EVENT_").to_lowercase();
    let whose = if envelope.session_id.is_empty() { &envelope.listener_id } else { &envelope.session_id };
    let time = envelope.timestamp.as_ref().map(view::time).unwrap_or_default();
    let carried = match &envelope.detail {
        _ if !envelope.error_code.is_empty() => format!("{}: {}", envelope.error_code, envelope.error_text),
        Some(Detail::Connecting(to)) => format!("to {} port {}", to.remote_host, to.remote_port),
        Some(Detail::Connected(ends)) => format!("{} port {}", ends.remote_host, ends.remote_port),
        Some(Detail::Listening(at)) => format!("{} port {}", at.local_host, at.local_port),
        Some(Detail::Sent(sent)) => sent.message_id.clone(),
        Some(Detail::Disconnected(end)) => format!(
            "{}, {} bytes received, {} sent",
            end.reason().as_str_name().trim_start_matches("CLOSE_REASON_").to_lowercase(),
            end.bytes_received,
            end.bytes_sent
        ),
        Some(Detail::Data(data)) => data.payload.as_ref().map(payload).unwrap_or_default(),
        None => String::new(),
    };
    let dropped = match envelope.dropped_before {
        0 => String::new(),
        count => format!(" ({count} dropped before)"),
    };
    output::printable(format!("{time} {event:<13} {whose} {carried}{dropped}").trim_end())
}

fn payload(payload: &Payload) -> String {
    let lines = |lines: &[proto::Line]| lines.iter().map(text_of).collect::<Vec<_>>().join("⏎");
    match payload {
        Payload::Bytes(bytes) => text(bytes),
        Payload::Text(text) => visible(text),
        Payload::Match(found) => {
            let matched = found.r#match.as_ref().map(text_of).unwrap_or_default();
            match found.lines.is_empty() {
                true => matched,
                false => format!("{}⏎{matched}", lines(&found.lines)),
            }
        }
        Payload::Flushed(flushed) => lines(&flushed.lines),
        Payload::Datagram(datagram) => {
            let shown = match &datagram.payload {
                Some(proto::datagram::Payload::Bytes(bytes)) => text(bytes),
                Some(proto::datagram::Payload::Text(text)) => visible(text),
                None => String::new(),
            };
            format!("from {} port {}: {shown}", datagram.remote_host, datagram.remote_port)
        }
    }
}

fn text_of(line: &proto::Line) -> String {
    text(socket_gateway_client::Line::from(line.clone()).as_bytes())
}

/// Bytes as text where they are, as escapes where not.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => visible(text),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}

/// One line, whatever is in it.
fn visible(text: &str) -> String {
    text.replace('\r', "\\r").replace('\n', "\\n").replace('\t', "\\t")
}
